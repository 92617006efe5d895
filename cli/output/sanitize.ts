/** Whatever comes from Redis or from a payload may carry terminal commands: set the title, read the clipboard, reverse the line. */
import {
  HIDING_CHARACTERS,
  visibleCharacter,
  withVisibleCharacters,
} from "../../runtime/definition/index.js";

/** All but line feeds, which only indentation has: JSON escapes those of strings. */
const UNSAFE_IN_JSON = new RegExp(`(?!\\n)${HIDING_CHARACTERS.source}`, "gu");

/** One printable line: line breaks and tabs become spaces, every other control character a visible `\uXXXX`. */
export function printable(text: string): string {
  return withVisibleCharacters(text.replaceAll(/\r\n|[\n\r\t]/g, " "));
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
  return JSON.stringify(value, undefined, indent).replace(UNSAFE_IN_JSON, visibleCharacter);
}
