/**
 * Explains YAML syntax errors and names the fix. The typical mistakes in this format are types, expressions
 * and cron lines.
 */
import type { YAMLParseError, YAMLWarning } from "yaml";
import type { Problem } from "./reporter.js";
import { lineText, positionAt, type SourceText } from "./source.js";

interface Trap {
  readonly pattern: RegExp;
  readonly message: string;
  readonly hint: string;
}

/** Searched in the line of the error. Each is valid in other places, which is why people write it. */
const TRAPS: readonly Trap[] = [
  {
    // From the start of the line: a search from each of a hundred thousand brackets would take hours.
    pattern: /^[^{]*\{.*:\s*\$\{\{/u,
    message: "${{ }} inside { } must be quoted",
    hint: 'write { key: "${{ ... }}" }',
  },
  {
    pattern: /[{,]\s*[\w-]+\??\s*:\s*\w+\[\]/u,
    message: "a type with [] cannot stand inside { }",
    hint: 'write [string] or quote it: "string[]"',
  },
  {
    pattern: /:\s*\*[\s/]/u,
    message: "a value that begins with * is an alias in YAML",
    hint: 'quote it: "* * * * *"',
  },
  {
    pattern: /:\s*[@`%]/u,
    message: "a value cannot begin with @, ` or %",
    hint: "quote it",
  },
];

const KNOWN_ERRORS: Readonly<Record<string, readonly [message: string, hint: string]>> = {
  BAD_SCALAR_START: ["a value cannot begin with this character", "quote it"],
  BLOCK_AS_IMPLICIT_KEY: [
    "a second key on one line",
    'quote a value that holds ": ", or put the key on a line of its own',
  ],
  MISSING_CHAR: ["a quote or bracket is not closed", "close it"],
  MULTIPLE_DOCS: [
    "a file holds one document, but a second begins here",
    "delete the --- line, or split the file",
  ],
  TAB_AS_INDENT: ["tabs cannot indent YAML", "use spaces"],
  TAG_RESOLVE_FAILED: [
    "tags (a value that begins with !) are not supported",
    "delete the tag, or quote the text",
  ],
};

export function explainYamlError(source: SourceText, error: YAMLParseError | YAMLWarning): Problem {
  const [start, end] = error.pos;
  const { line } = positionAt(source, start);
  const at = { source, start, end: Math.max(end, start + 1) };
  const trap = TRAPS.find(({ pattern }) => pattern.test(lineText(source, line)));
  if (trap !== undefined && error.code !== "MULTIPLE_DOCS")
    return { code: "TW101", at, message: trap.message, hint: trap.hint };
  // Brackets in quotes can mislead the depth check of the text.
  if (/call stack/u.test(error.message)) return { code: "TW105", at, message: "this is nested too deeply" };
  const known = KNOWN_ERRORS[error.code];
  if (known === undefined) {
    const reason = error.message.replace(/[\r\n]+/gu, " ");
    return { code: "TW101", at, message: `not valid YAML: ${reason}` };
  }
  return { code: "TW101", at, message: known[0], hint: known[1] };
}
