/**
 * Removes passwords from everything that the CLI prints: shells, CI logs and screen shares keep what they
 * show.
 */

import { REDIS_URL_EXPECTED } from "../../runtime/config/redis-address.js";

/** Longest text that is masked as a secret, so that a stray `@` does not hide a whole page. */
const LONGEST_SECRET = 1000;

/** The forms that an address may have are told as they are: they hold no address. */
const FORMS = new RegExp(
  `(${[REDIS_URL_EXPECTED, "redis+sentinel://host:port/name"].map((form) => form.replaceAll(/[+()]/g, String.raw`\$&`)).join("|")})(?!\\S*@)`,
);

const WITH_PASSWORD = new RegExp(`(rediss?(?:\\+\\w{1,20})?://)[^\\n]{0,${LONGEST_SECRET}}@`, "gi");

/**
 * Turns `redis://user:secret@host/0` into `redis://***@host/0`, anywhere in a text. The match is greedy up to
 * the last `@` of the word: a password may contain unescaped `/`, `#` or `@`, and hiding too much is the safe
 * mistake. In a Redis address the password may contain spaces too, so there everything up to the last `@` of
 * the line is hidden. `redis://user:secret` has no host: a non-numeric text in the place of the port is
 * hidden as well.
 */
export function maskUrls(text: string): string {
  return text
    .split(FORMS)
    .map((part, index) => (index % 2 === 1 ? part : masked(part)))
    .join("");
}

function masked(text: string): string {
  return text
    .replace(WITH_PASSWORD, "$1***@")
    .replace(
      /(rediss?(?:\+\w{1,20})?:\/\/(?:[^:/?#,@[\s]*(?::\d{1,5})?,)*[^:/?#,@[\s]*):(?!\d{1,5}(?:\W|$))\S+/gi,
      "$1:***",
    )
    .replace(/(?<!\S)\S+/g, maskWord)
    .replace(/([?&]\w*password=)[^&\s]*/gi, "$1***");
}

/**
 * Splits words and parts by hand: a regular expression that searches for `@` from each character takes
 * seconds on a long word.
 */
function maskWord(word: string): string {
  const parts = word.split("@");
  const last = parts.pop() ?? "";
  if (parts.length === 0) return word;
  const scheme = /^[a-z][a-z0-9+.-]*:\/\//i.exec(word)?.[0] ?? "";
  const shown = parts.map((part, index) => {
    const start = index === 0 ? scheme.length : 0;
    const end = part.length - LONGEST_SECRET;
    if (index > 0 && end <= 0) return "";
    return `${index === 0 ? "" : "@"}${part.slice(0, Math.max(start, end))}***`;
  });
  return `${shown.join("")}@${last}`;
}
