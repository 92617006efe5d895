/** The tokens of a `${{ }}` expression, each with its position in the text. */
import type { DiagnosticCode } from "../../model/diagnostic.js";

/** A range of the parsed text. */
export interface TextRange {
  readonly start: number;
  readonly end: number;
}

export interface ExpressionProblem {
  readonly message: string;
  readonly hint?: string;
  readonly range: TextRange;
  /** Default: TW131, the expression does not fit the schema that it reads. */
  readonly code?: DiagnosticCode;
}

export class SyntaxProblem extends Error {
  readonly problem: ExpressionProblem;
  constructor(problem: ExpressionProblem) {
    super(problem.message);
    this.problem = problem;
  }
}

/** `value`: paths, literals and `??`. `condition`: also comparisons, `&& || !` and brackets. */
export type Grammar = "condition" | "value";

export interface Token {
  /** `close` is `}}`. */
  readonly kind: "close" | "end" | "name" | "number" | "punctuation" | "text";
  readonly text: string;
  readonly range: TextRange;
}

export interface Cursor {
  readonly text: string;
  readonly grammar: Grammar;
  position: number;
  /** Number of open brackets and `!`, each of which is a recursive call of the parser. */
  depth: number;
  /** Expressions that were in brackets. */
  readonly bracketed: WeakSet<object>;
}

const NAME = /[A-Za-z_$][A-Za-z0-9_$]*/uy;
const NUMBER = /-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/uy;
const PUNCTUATION = {
  value: /\?\?|[.[\]]/uy,
  condition: /\?\?|&&|\|\||[=!<>]=(?!=)|!(?!=)|[.[\]()<>]/uy,
} as const;
const QUOTED = /'(?:[^']|'')*'/uy;

export function nextToken(cursor: Cursor): Token {
  const { text, grammar } = cursor;
  while (/\s/u.test(text.charAt(cursor.position))) cursor.position++;
  const start = cursor.position;
  if (start >= text.length) return { kind: "end", text: "", range: { start, end: start } };
  if (text.startsWith("}}", start)) return take(cursor, "close", "}}");
  for (const [kind, pattern] of [
    ["name", NAME],
    ["number", NUMBER],
    ["punctuation", PUNCTUATION[grammar]],
    ["text", QUOTED],
  ] as const) {
    pattern.lastIndex = start;
    const match = pattern.exec(text);
    if (match !== null) return take(cursor, kind, match[0]);
  }
  throw new SyntaxProblem(strangeCharacter(cursor, start));
}

/** The next token, without consuming it. */
export function peekToken(cursor: Cursor): Token {
  const before = cursor.position;
  const token = nextToken(cursor);
  cursor.position = before;
  return token;
}

function take(cursor: Cursor, kind: Token["kind"], text: string): Token {
  const start = cursor.position;
  cursor.position += text.length;
  return { kind, text, range: { start, end: cursor.position } };
}

const SUPPORTED: Readonly<Record<Grammar, string>> = {
  condition: "only paths, literals, ??, comparisons, && || ! and brackets are",
  value: "only paths, literals and ?? are",
};

function strangeCharacter({ text, grammar }: Cursor, start: number): ExpressionProblem {
  const rest = text.slice(start);
  const range = { start, end: start + 1 };
  if (rest.startsWith("'"))
    return { message: "the text that begins here is not closed", hint: "end it with '", range };
  if (rest.startsWith('"'))
    return { message: "text in an expression stands in single quotes", hint: "write 'text'", range };
  const operator = /^(?:[=!]==|[=!<>]=?|&&|\|\||[-+*/%|&?:(),])/u.exec(rest)?.[0] ?? "";
  if (operator === "(") return { message: `calls and brackets are not supported; ${SUPPORTED.value}`, range };
  if (operator !== "") {
    const message = `operator "${operator}" is not supported; ${SUPPORTED[grammar]}`;
    const meant = grammar === "condition" ? MEANT[operator] : undefined;
    const hint = meant === undefined ? {} : { hint: `did you mean "${meant}"?` };
    return { message, ...hint, range: { start, end: start + operator.length } };
  }
  const character = JSON.stringify(String.fromCodePoint(rest.codePointAt(0) ?? 0));
  return { message: `unexpected ${character}; ${SUPPORTED[grammar]} supported`, range };
}

const MEANT: Readonly<Record<string, string>> = {
  "!==": "!=",
  "=": "==",
  "===": "==",
  "&": "&&",
  "|": "||",
  "?": "??",
};

export function unexpected(token: Token, expected: string): SyntaxProblem {
  const got = token.kind === "end" ? "the end of the text" : JSON.stringify(token.text);
  const hint = token.kind === "end" ? { hint: "close the expression with }}" } : {};
  return new SyntaxProblem({ message: `expected ${expected}, got ${got}`, range: token.range, ...hint });
}

export function unquote(text: string): string {
  return text.slice(1, -1).replaceAll("''", "'");
}

/** Rejects digits beyond the range of a number, which would silently become another number or Infinity. */
export function toNumber(token: Token): number {
  const value = Number(token.text);
  if (Number.isFinite(value) && (!Number.isInteger(value) || Number.isSafeInteger(value))) return value;
  throw new SyntaxProblem({
    message: `${token.text.slice(0, 40)} is not a number that JavaScript holds exactly`,
    range: token.range,
  });
}
