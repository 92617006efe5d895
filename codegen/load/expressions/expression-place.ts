/** Finds the position of a part of an expression in its file. */
import type { TextRange } from "./expression-parser.js";
import type { Origin, SourceScalar } from "../source.js";

/**
 * Maps offsets in the decoded text to offsets in the file. Quotes, escapes and folded lines shift them, so
 * the n-th `${{` of the text is located as the n-th `${{` of the source; the text after it normally has the
 * same spelling.
 */
export function originIn(node: SourceScalar, text: string, range: TextRange): Origin {
  const { source, start, end } = node.origin;
  const raw = source.text.slice(start, end);
  const before = text.slice(0, range.end).split("${{").length - 1;
  let rawOpen = -1;
  let open = -1;
  for (let count = 0; count < before; count++) {
    rawOpen = raw.indexOf("${{", rawOpen + 1);
    open = text.indexOf("${{", open + 1);
  }
  const length = range.end - open;
  if (rawOpen === -1 || open === -1 || raw.slice(rawOpen, rawOpen + length) !== text.slice(open, range.end))
    return node.origin;
  const shift = start + rawOpen - open;
  return { source, start: range.start + shift, end: range.end + shift };
}
