/** Nothing that the CLI prints may carry a password: shells, CI logs and screen shares keep what they see. */

/**
 * `redis://user:secret@host/0` -> `redis://***@host/0`, anywhere in a text. Greedy up to the last `@` of the word: a
 * password may hold unescaped `/`, `#` or `@`, and hiding too much is the safe mistake.
 */
export function maskUrls(text: string): string {
  return text.replace(/([a-z][a-z0-9+.-]*:\/\/)?\S*@/gi, "$1***@");
}
