/**
 * The hash of a definition: stored with every job, so that a worker can tell that a job was made by another
 * version.
 */
import { createHash } from "node:crypto";

/** Documentation does not change stored jobs, so it is excluded from the hash. */
const DOCUMENTATION_KEYS: ReadonlySet<string> = new Set(["description", "deprecated"]);

export function definitionHash(value: unknown): string {
  return createHash("sha256").update(stableText(value)).digest("hex").slice(0, 8);
}

/**
 * JSON with sorted keys and sorted object fields, because the order in which a person wrote them means
 * nothing.
 */
export function stableText(value: unknown): string {
  if (Array.isArray(value)) {
    const items = value.map(stableText);
    if (isNamedList(value)) items.sort();
    return `[${items.join(",")}]`;
  }
  if (typeof value !== "object" || value === null) return JSON.stringify(value) ?? "null";
  const record = value as Readonly<Record<string, unknown>>;
  let text = "";
  // sort() compares code units by default, so the order is the same on every machine.
  for (const key of Object.keys(record).sort()) {
    const entry = record[key];
    if (entry === undefined || (DOCUMENTATION_KEYS.has(key) && typeof entry !== "object")) continue;
    text += `${text === "" ? "" : ","}${JSON.stringify(key)}:${stableText(entry)}`;
  }
  return `{${text}}`;
}

function isNamedList(value: readonly unknown[]): boolean {
  const first: unknown = value[0];
  return typeof first === "object" && first !== null && "name" in first && "schema" in first;
}
