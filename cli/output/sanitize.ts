/** Whatever comes from Redis or from a payload may carry terminal commands: set the title, read the clipboard, reverse the line. */

// C0 and C1 controls, DEL, line and paragraph separators, zero-width and bidirectional controls, byte order mark.
const UNSAFE = /[\p{Cc}\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/gu;

/** All but line feeds, which only indentation has: JSON escapes those of strings. */
const UNSAFE_IN_JSON = new RegExp(`(?!\\n)${UNSAFE.source}`, "gu");

/** One printable line: line breaks and tabs become spaces, every other control character a visible `\uXXXX`. */
export function printable(text: string): string {
  return text.replaceAll(/\r\n|[\n\r\t]/g, " ").replace(UNSAFE, visible);
}

/** As `printable`, but keeps line breaks: for stack traces. */
export function printableLines(text: string): string {
  return text
    .split(/\r\n|\r|\n/)
    .map(printable)
    .join("\n");
}

/** JSON that is safe on a terminal, with the same meaning: what is unsafe stands in strings, as `\uXXXX`. */
export function printableJson(value: unknown, indent?: number): string {
  return JSON.stringify(value, undefined, indent).replace(UNSAFE_IN_JSON, visible);
}

function visible(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
}
