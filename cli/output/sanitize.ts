/**
 * Makes text from Redis or payloads safe to print: it may contain terminal sequences that set the title, read
 * the clipboard or reverse the line.
 */
import {
  HIDING_CHARACTERS,
  visibleCharacter,
  withVisibleCharacters,
} from "../../runtime/definition/index.js";

/**
 * All unsafe characters except line feeds: in JSON, line feeds occur only in the indentation, because strings
 * escape them.
 */
const UNSAFE_IN_JSON = new RegExp(`(?!\\n)${HIDING_CHARACTERS.source}`, "gu");

/**
 * Makes text printable on one line: line breaks and tabs become spaces, other control characters a visible
 * `\uXXXX`.
 */
export function printable(text: string): string {
  return withVisibleCharacters(text.replaceAll(/\r\n|[\n\r\t]/g, " "));
}

/** Like `printable`, but keeps line breaks: for stack traces. */
export function printableLines(text: string): string {
  return text
    .split(/\r\n|\r|\n/)
    .map(printable)
    .join("\n");
}

/**
 * JSON with the same meaning that is safe on a terminal: unsafe characters occur only in strings and become
 * `\uXXXX`.
 */
export function printableJson(value: unknown, indent?: number): string {
  return JSON.stringify(value, undefined, indent).replace(UNSAFE_IN_JSON, visibleCharacter);
}
