/** Sensitive values: where they are in a payload, and how to remove them from texts that repeat them. */

export const HIDDEN = "***";

/**
 * Shortest value that is removed from inside other words: removing shorter ones would blank half of every
 * message, while longer ones hardly ever occur in our own words.
 */
const SHORTEST_SECRET = 4;
/** Shortest value that is removed where it stands alone: the security code of a card has three digits. */
const SHORTEST_WORD = 3;

/**
 * Path of a sensitive value in a payload, by field names; `null` means every item or field. A list, which is
 * always last, means the keys of a map other than these.
 */
export type SensitivePath = readonly (string | null | readonly string[])[];

/** The texts to remove for the values at these paths of a payload. */
export function secretsAt(paths: readonly SensitivePath[], payload: unknown): string[] {
  return paths.flatMap((path) => valuesAt(payload, path).flatMap(secretTexts));
}

function valuesAt(value: unknown, path: SensitivePath): readonly unknown[] {
  const [step, ...rest] = path;
  if (step === undefined) return [value];
  if (typeof value !== "object" || value === null) return [];
  if (typeof step === "object" && step !== null)
    return Array.isArray(value) ? [] : Object.keys(value).filter((key) => !step.includes(key));
  if (step === null) return Object.values(value).flatMap((child: unknown) => valuesAt(child, rest));
  return Object.hasOwn(value, step) ? valuesAt((value as Record<string, unknown>)[step], rest) : [];
}

const NEEDS_NO_ENCODING = /^[\w.-]*$/;

/** The ending of messages and log lines that were truncated before they were stored. */
const CUT_OFF = /… \(\d+ characters cut\)$/;

/** Replaces every secret in a text, including a partial one at the end of a truncated text. */
export function withoutSecrets(text: string, secrets: readonly string[]): string {
  return secretRemover(secrets)(text);
}

/** Like `withoutSecrets`, for many texts. */
export function secretRemover(secrets: readonly string[]): (text: string) => string {
  // Longest first, because one secret may be the start of another.
  const ordered = secrets.toSorted((a, b) => b.length - a.length);
  return (text) => {
    const found = ordered.filter((secret) => secret.length <= text.length && text.includes(secret));
    const clean = found.reduce(withoutSecret, text);
    const end = clean.endsWith(")") ? CUT_OFF.exec(clean) : null;
    if (end === null) return clean;
    const kept = clean.slice(0, end.index);
    const parts = ordered.map((secret) => lengthOfPart(kept, secret));
    const longest = Math.max(0, ...parts);
    return longest === 0 ? clean : `${kept.slice(0, -longest)}${HIDDEN}${end[0]}`;
  };
}

function withoutSecret(text: string, secret: string): string {
  if (secret.length >= SHORTEST_SECRET) return text.replaceAll(secret, HIDDEN);
  const word = secret.replaceAll(/[\\^$.*+?()[\]{}|]/g, String.raw`\$&`);
  return text.replaceAll(new RegExp(String.raw`(?<![\p{L}\p{N}_])${word}(?![\p{L}\p{N}_])`, "gu"), HIDDEN);
}

function lengthOfPart(kept: string, secret: string): number {
  for (let length = Math.min(kept.length, secret.length - 1); length >= SHORTEST_SECRET; length -= 1) {
    if (kept.endsWith(secret.slice(0, length))) return length;
  }
  return 0;
}

/** Removes the secrets from every text and number in a value, including keys. */
export function valueWithoutSecrets(value: unknown, secrets: readonly string[]): unknown {
  return cleanValue(value, secretRemover(secrets));
}

function cleanValue(value: unknown, clean: (text: string) => string): unknown {
  if (typeof value === "string") return clean(value);
  if (typeof value === "number") {
    const text = clean(String(value));
    return text === String(value) ? value : text;
  }
  if (Array.isArray(value)) return value.map((item: unknown) => cleanValue(item, clean));
  if (!isRecord(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, child]) => [clean(key), cleanValue(child, clean)]),
  );
}

/** Every text and number in a value, in the forms in which messages contain them. */
export function secretTexts(value: unknown): string[] {
  const secrets: string[] = [];
  collect(value, secrets);
  return secrets;
}

function collect(value: unknown, secrets: string[]): void {
  if (typeof value === "string" || typeof value === "number") {
    const text = String(value);
    if (text.length >= SHORTEST_WORD && text !== HIDDEN) secrets.push(...formsOf(text));
  } else if (typeof value === "object" && value !== null) {
    for (const child of Object.values(value)) collect(child, secrets);
  }
}

/**
 * The forms of a secret in messages and log lines: as JSON, as JSON within JSON, in an address, and each of its
 * lines, without the spaces around it.
 */
function formsOf(text: string): readonly string[] {
  const quoted = JSON.stringify(text).slice(1, -1);
  const trimmed = text.trim();
  if (quoted === text && trimmed === text) return formsInAddresses(text);
  const lines = text
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line.length >= SHORTEST_SECRET);
  if (trimmed.length >= SHORTEST_WORD) lines.push(trimmed);
  const jsons = [quoted, JSON.stringify(quoted).slice(1, -1)];
  return [...new Set([...formsInAddresses(text), ...jsons, ...lines])];
}

/** As it is, and percent-encoded as in a path and as in a form. */
function formsInAddresses(text: string): readonly string[] {
  if (NEEDS_NO_ENCODING.test(text)) return [text];
  const inPath = encodeURIComponent(text.replaceAll(/\p{Surrogate}/gu, "\ufffd"));
  const inForm = new URLSearchParams([["", text]]).toString().slice(1);
  return [...new Set([text, inPath, inForm])];
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
