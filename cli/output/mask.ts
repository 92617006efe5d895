/** Nothing that the CLI prints may carry a password: shells, CI logs and screen shares keep what they see. */

/**
 * `redis://user:secret@host/0` -> `redis://***@host/0`, anywhere in a text. Greedy up to the last `@` of the word: a
 * password may hold unescaped `/`, `#` or `@`, and hiding too much is the safe mistake. In an address of Redis it may
 * hold spaces too, so there everything up to the last `@` of the line goes. `redis://user:secret` lacks its host: what stands in the
 * place of a port and is none goes as well.
 */
export function maskUrls(text: string): string {
  return text
    .replace(/(rediss?(?:\+\w+)?:\/\/)[^\n]*@/gi, "$1***@")
    .replace(
      /(rediss?(?:\+\w+)?:\/\/(?:[^:/?#,@[\s]*(?::\d{1,5})?,)*[^:/?#,@[\s]*):(?!\d{1,5}(?:\W|$))\S+/gi,
      "$1:***",
    )
    .replace(/([a-z][a-z0-9+.-]*:\/\/)?\S*@/gi, "$1***@")
    .replace(/([?&]\w*password=)[^&\s]*/gi, "$1***");
}
