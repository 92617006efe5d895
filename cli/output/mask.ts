/** Nothing that the CLI prints may carry a password: shells, CI logs and screen shares keep what they see. */

import { REDIS_URL_EXPECTED } from "../../runtime/config/redis-address.js";

/** A longer text between two ends is not taken for a secret: one `@` must not swallow a page. */
const LONGEST_SECRET = 1000;

/** The forms that an address may have are told as they are: they hold no address. */
const FORMS = new RegExp(
  `(${[REDIS_URL_EXPECTED, "redis+sentinel://host:port/name"].map((form) => form.replaceAll(/[+()]/g, String.raw`\$&`)).join("|")})(?!\\S*@)`,
);

const WITH_PASSWORD = new RegExp(`(rediss?(?:\\+\\w{1,20})?://)[^\\n]{0,${LONGEST_SECRET}}@`, "gi");

/**
 * `redis://user:secret@host/0` -> `redis://***@host/0`, anywhere in a text. Greedy up to the last `@` of the word: a
 * password may hold unescaped `/`, `#` or `@`, and hiding too much is the safe mistake. In an address of Redis it may
 * hold spaces too, so there everything up to the last `@` of the line goes. `redis://user:secret` lacks its host: what stands in the
 * place of a port and is none goes as well.
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

/** Word by word and part by part, because an expression that looks for an `@` from each character takes seconds for a long word. */
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
