/**
 * `${{ }}` in text: `path`, `'text'`, numbers, true, false, null, and `??` between them. Nothing else, so that every
 * expression can be checked against a schema and printed as TypeScript.
 *
 *   expression := operand ('??' operand)*
 *   operand    := path | 'text' | number | true | false | null
 *   path       := name ('.' name | '[' integer | 'text' ']')*
 */
import type { Expression } from "../model/expression.js";
import type { TemplatePart } from "../model/project.js";

/** A range of the text that was parsed. */
export interface TextRange {
  readonly start: number;
  readonly end: number;
}

/** An expression whose parts know where they stand; `toExpression` drops that. */
export type LocatedExpression =
  | { readonly kind: "literal"; readonly value: string | number | boolean | null; readonly range: TextRange }
  | {
      readonly kind: "path";
      readonly root: string;
      readonly segments: readonly LocatedSegment[];
      readonly range: TextRange;
    }
  | { readonly kind: "coalesce"; readonly operands: readonly LocatedExpression[]; readonly range: TextRange };

export interface LocatedSegment {
  readonly value: string | number;
  readonly range: TextRange;
}

export type LocatedPart =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "expression"; readonly expression: LocatedExpression; readonly range: TextRange };

export interface ExpressionProblem {
  readonly message: string;
  readonly hint?: string;
  readonly range: TextRange;
}

export type TemplateResult =
  | { readonly ok: true; readonly parts: readonly LocatedPart[] }
  | { readonly ok: false; readonly problem: ExpressionProblem };

class SyntaxProblem extends Error {
  readonly problem: ExpressionProblem;
  constructor(problem: ExpressionProblem) {
    super(problem.message);
    this.problem = problem;
  }
}

/** Splits text into literal parts and parsed expressions. */
export function parseTemplate(text: string): TemplateResult {
  const parts: LocatedPart[] = [];
  let position = 0;
  try {
    for (let open = text.indexOf("${{"); open !== -1; open = text.indexOf("${{", position)) {
      if (open > position) parts.push({ kind: "text", text: text.slice(position, open) });
      const { expression, end } = parseExpression(text, open + 3);
      parts.push({ kind: "expression", expression, range: { start: open, end } });
      position = end;
    }
  } catch (error) {
    if (error instanceof SyntaxProblem) return { ok: false, problem: error.problem };
    throw error;
  }
  if (position < text.length) parts.push({ kind: "text", text: text.slice(position) });
  return { ok: true, parts };
}

export function toTemplatePart(part: LocatedPart): TemplatePart {
  return part.kind === "text" ? part : { kind: "expression", expression: toExpression(part.expression) };
}

export function toExpression(located: LocatedExpression): Expression {
  switch (located.kind) {
    case "literal":
      return { kind: "literal", value: located.value };
    case "path":
      return { kind: "path", root: located.root, segments: located.segments.map((segment) => segment.value) };
    case "coalesce":
      return { kind: "coalesce", operands: located.operands.map(toExpression) };
  }
}

interface Token {
  readonly kind: "close" | "end" | "name" | "number" | "punctuation" | "text";
  readonly text: string;
  readonly range: TextRange;
}

const NAME = /[A-Za-z_$][A-Za-z0-9_$]*/uy;
const NUMBER = /-?\d+(?:\.\d+)?/uy;
const PUNCTUATION = /\?\?|[.[\]]/uy;
const QUOTED = /'(?:[^']|'')*'/uy;

/** From just after `${{`; `end` is just after `}}`. */
function parseExpression(text: string, start: number): { expression: LocatedExpression; end: number } {
  const cursor = { text, position: start };
  const operands = [parseOperand(cursor)];
  for (;;) {
    const token = nextToken(cursor);
    if (token.kind === "close") return { expression: combine(operands), end: token.range.end };
    if (token.text !== "??") throw unexpected(token, "?? or }}");
    operands.push(parseOperand(cursor));
  }
}

function combine(operands: readonly LocatedExpression[]): LocatedExpression {
  const [first] = operands;
  const last = operands.at(-1);
  if (first === undefined || last === undefined) throw new Error("an expression has at least one operand");
  if (operands.length === 1) return first;
  return { kind: "coalesce", operands, range: { start: first.range.start, end: last.range.end } };
}

interface Cursor {
  readonly text: string;
  position: number;
}

const WORDS: ReadonlyMap<string, boolean | null> = new Map([
  ["false", false],
  ["null", null],
  ["true", true],
]);

function parseOperand(cursor: Cursor): LocatedExpression {
  const token = nextToken(cursor);
  const { range } = token;
  if (token.kind === "text") return { kind: "literal", value: unquote(token.text), range };
  if (token.kind === "number") return { kind: "literal", value: toNumber(token), range };
  if (token.kind !== "name") throw unexpected(token, "a path such as payload.id, a number or 'text'");
  const word = WORDS.get(token.text);
  if (word !== undefined) return { kind: "literal", value: word, range };
  const segments = parseSegments(cursor);
  const end = segments.at(-1)?.range.end ?? range.end;
  return { kind: "path", root: token.text, segments, range: { start: range.start, end } };
}

function parseSegments(cursor: Cursor): LocatedSegment[] {
  const segments: LocatedSegment[] = [];
  for (;;) {
    const before = cursor.position;
    const token = nextToken(cursor);
    if (token.text === "." && token.kind === "punctuation") {
      const name = nextToken(cursor);
      if (name.kind !== "name") throw unexpected(name, "a field name after the dot");
      segments.push({ value: name.text, range: name.range });
    } else if (token.text === "[" && token.kind === "punctuation") {
      segments.push(parseIndex(cursor));
    } else {
      cursor.position = before;
      return segments;
    }
  }
}

function parseIndex(cursor: Cursor): LocatedSegment {
  const token = nextToken(cursor);
  const value =
    token.kind === "text" ? unquote(token.text) : token.kind === "number" ? toNumber(token) : undefined;
  const isIndex =
    typeof value === "string" || (typeof value === "number" && Number.isSafeInteger(value) && value >= 0);
  if (value === undefined || !isIndex) throw unexpected(token, "an index such as [0] or ['order-id']");
  const close = nextToken(cursor);
  if (close.text !== "]" || close.kind !== "punctuation") throw unexpected(close, "]");
  return { value, range: token.range };
}

function nextToken(cursor: Cursor): Token {
  const { text } = cursor;
  while (/\s/u.test(text.charAt(cursor.position))) cursor.position++;
  const start = cursor.position;
  if (start >= text.length) return { kind: "end", text: "", range: { start, end: start } };
  if (text.startsWith("}}", start)) return take(cursor, "close", "}}");
  for (const [kind, pattern] of [
    ["name", NAME],
    ["number", NUMBER],
    ["punctuation", PUNCTUATION],
    ["text", QUOTED],
  ] as const) {
    pattern.lastIndex = start;
    const match = pattern.exec(text);
    if (match !== null) return take(cursor, kind, match[0]);
  }
  throw new SyntaxProblem(strangeCharacter(text, start));
}

function take(cursor: Cursor, kind: Token["kind"], text: string): Token {
  const start = cursor.position;
  cursor.position += text.length;
  return { kind, text, range: { start, end: cursor.position } };
}

function strangeCharacter(text: string, start: number): ExpressionProblem {
  const rest = text.slice(start);
  const range = { start, end: start + 1 };
  if (rest.startsWith("'"))
    return { message: "the text that begins here is not closed", hint: "end it with '", range };
  if (rest.startsWith('"'))
    return { message: "text in an expression stands in single quotes", hint: "write 'text'", range };
  const operator = /^(?:[=!<>]=?|&&|\|\||[-+*/%|?:(),])/u.exec(rest)?.[0] ?? "";
  if (operator === "(")
    return { message: "calls and brackets are not supported; only paths, literals and ?? are", range };
  if (operator !== "") {
    const message = `operator "${operator}" is not supported; only paths, literals and ?? are`;
    return { message, range: { start, end: start + operator.length } };
  }
  return {
    message: `unexpected ${JSON.stringify(String.fromCodePoint(rest.codePointAt(0) ?? 0))}; only paths, literals and ?? are supported`,
    range,
  };
}

function unexpected(token: Token, expected: string): SyntaxProblem {
  const got = token.kind === "end" ? "the end of the text" : JSON.stringify(token.text);
  const hint = token.kind === "end" ? { hint: "close the expression with }}" } : {};
  return new SyntaxProblem({ message: `expected ${expected}, got ${got}`, range: token.range, ...hint });
}

function unquote(text: string): string {
  return text.slice(1, -1).replaceAll("''", "'");
}

/** Digits beyond what a number holds would silently become another number, or Infinity. */
function toNumber(token: Token): number {
  const value = Number(token.text);
  if (Number.isFinite(value) && (!Number.isInteger(value) || Number.isSafeInteger(value))) return value;
  throw new SyntaxProblem({
    message: `${token.text.slice(0, 40)} is not a number that JavaScript holds exactly`,
    range: token.range,
  });
}
