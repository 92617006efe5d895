/** Text from a definition file on its way to a terminal, a log or an error message. */

const MAX_QUOTED = 80;

/**
 * Control characters (C0 but tab and newline, DEL, C1) and bidirectional controls. A definition that holds one can make
 * a reviewer read something else than what runs (CVE-2021-42574), so the loader refuses them and messages never print them.
 */
export const UNSAFE_CHARACTERS =
  // oxlint-disable-next-line no-control-regex -- naming the control characters is the purpose of this expression
  /[\u0000-\u0008\u000B\u000C\u000E-\u001F\u007F-\u009F\u061C\u200E\u200F\u202A-\u202E\u2066-\u2069]/gu;

/** The text with every unsafe character replaced, each by one character, so that columns stay true. */
export function printable(text: string): string {
  return text.replace(UNSAFE_CHARACTERS, "\uFFFD").replace(/[\r\n\t\u2028\u2029]/gu, " ");
}

/** Double-quoted, printable and cut to a length that keeps a message on one line. */
export function quote(text: string): string {
  const safe = printable(text);
  return `"${safe.length > MAX_QUOTED ? `${safe.slice(0, MAX_QUOTED)}...` : safe}"`;
}

const MAX_LISTED = 30;

/** `a, b, c`; of many names the first. */
export function listed(names: readonly string[]): string {
  if (names.length <= MAX_LISTED) return names.join(", ");
  return `${names.slice(0, MAX_LISTED).join(", ")} and ${names.length - MAX_LISTED} more`;
}

/** `a`, `a or b`, `a, b or c`. */
export function anyOf(words: readonly string[]): string {
  if (words.length <= 1) return words[0] ?? "";
  return `${words.slice(0, -1).join(", ")} or ${words.at(-1)}`;
}
