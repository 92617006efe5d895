/** Characters that make a reader see something else than what is there: they steer a terminal, turn the direction of a line, or have no width. */

/** Bidirectional controls (CVE-2021-42574). */
const DIRECTIONS = String.raw`\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069`;

/** What no definition may hold (TW110): controls but tab and line breaks, and what turns lines. */
export const REFUSED_CHARACTERS = new RegExp(String.raw`(?![\t\n\r])[\p{Cc}${DIRECTIONS}]`, "gu");

/** What no terminal or log is shown: these, tabs and line breaks of any kind, and what has no width, which names in scripts and emoji need. */
export const HIDING_CHARACTERS = new RegExp(
  String.raw`[\p{Cc}${DIRECTIONS}\u200b-\u200d\u2028\u2029\u2060-\u2065\ufeff]`,
  "gu",
);

/** Each such character as its code. */
export function withVisibleCharacters(text: string): string {
  return text.replace(HIDING_CHARACTERS, visibleCharacter);
}

export function visibleCharacter(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
}
