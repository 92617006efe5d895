/** The hash of a definition: stored in every job, so that a worker can tell that a job was made by another version. */
import { createHash } from "node:crypto";
import { compareText } from "../model/diagnostic.js";

/** Documentation changes nothing for stored jobs, so it does not change the hash. */
const DOCUMENTATION_KEYS: ReadonlySet<string> = new Set(["description", "deprecated"]);

export function definitionHash(value: unknown): string {
  return createHash("sha256").update(stableText(value)).digest("hex").slice(0, 8);
}

/** JSON with sorted keys, and fields of objects sorted by name: the order in which a person wrote them means nothing. */
export function stableText(value: unknown): string {
  if (Array.isArray(value)) {
    const items = value.map(stableText);
    return `[${(isNamedList(value) ? items.sort(compareText) : items).join(",")}]`;
  }
  if (typeof value !== "object" || value === null) return JSON.stringify(value) ?? "null";
  const entries = Object.entries(value).filter(
    ([key, entry]) => entry !== undefined && !isDocumentation(key, entry),
  );
  entries.sort(([a], [b]) => compareText(a, b));
  return `{${entries.map(([key, entry]) => `${JSON.stringify(key)}:${stableText(entry)}`).join(",")}}`;
}

function isDocumentation(key: string, value: unknown): boolean {
  return DOCUMENTATION_KEYS.has(key) && typeof value !== "object";
}

function isNamedList(value: readonly unknown[]): boolean {
  return value.every(
    (item) => typeof item === "object" && item !== null && "name" in item && "schema" in item,
  );
}
