/** Makes text from a definition file safe for a terminal, a log or an error message. */
import { HIDING_CHARACTERS } from "../../runtime/definition/index.js";

const MAX_QUOTED = 80;

/** Replaces every unsafe character by one character, so that columns stay correct. */
export function printable(text: string): string {
  return text.replace(/[\r\n\t\u2028\u2029]/gu, " ").replace(HIDING_CHARACTERS, "\uFFFD");
}

/** Quotes a text, makes it printable and shortens it so that a message stays on one line. */
export function quote(text: string): string {
  const safe = printable(text);
  return `"${safe.length > MAX_QUOTED ? `${safe.slice(0, MAX_QUOTED)}...` : safe}"`;
}

const MAX_LISTED = 30;

/** `a, b, c`; only the first names of a long list. */
export function listed(names: readonly string[]): string {
  if (names.length <= MAX_LISTED) return names.join(", ");
  return `${names.slice(0, MAX_LISTED).join(", ")} and ${names.length - MAX_LISTED} more`;
}

/** `a`, `a or b`, `a, b or c`. */
export function anyOf(words: readonly string[]): string {
  if (words.length <= 1) return words[0] ?? "";
  return `${words.slice(0, -1).join(", ")} or ${words.at(-1)}`;
}
