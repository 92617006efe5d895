/**
 * Characters that make text look different from what it is: they control a terminal, change the direction of
 * a line, or have no width.
 */

/** Bidirectional controls (CVE-2021-42574). */
const DIRECTIONS = String.raw`\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069`;

/**
 * Characters that definitions must not contain (TW110): controls except tab and line breaks, and
 * bidirectional controls.
 */
export const REFUSED_CHARACTERS = new RegExp(String.raw`(?![\t\n\r])[\p{Cc}${DIRECTIONS}]`, "gu");

/**
 * Characters that are escaped on terminals and in logs: these, tabs, all line breaks, and zero-width
 * characters except those that scripts and emoji need.
 */
export const HIDING_CHARACTERS = new RegExp(
  String.raw`[\p{Cc}${DIRECTIONS}\u200b-\u200d\u2028\u2029\u2060-\u2065\ufeff]`,
  "gu",
);

/** Replaces each of these characters by its code. */
export function withVisibleCharacters(text: string): string {
  return text.replace(HIDING_CHARACTERS, visibleCharacter);
}

export function visibleCharacter(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
}
