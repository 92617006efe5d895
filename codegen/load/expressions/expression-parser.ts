/**
 * Parses `${{ }}` in text. Values are paths, literals and `??` between them; a condition may also compare and
 * combine them. Nothing else is allowed, so that every expression can be checked against a schema and printed
 * as TypeScript.
 *
 *   value      := operand ('??' operand)*
 *   operand    := path | 'text' | number | true | false | null
 *   path       := name ('.' name | '[' integer | 'text' ']')*
 *
 *   condition  := any | primary ('??' primary)+
 *   any        := all ('||' all)*
 *   all        := comparison ('&&' comparison)*
 *   comparison := not (('==' | '!=' | '<' | '<=' | '>' | '>=') not)?
 *   not        := '!' not | primary
 *   primary    := '(' condition ')' | operand
 */
import { type ComparisonOperator, COMPARISON_OPERATORS, type Expression } from "../../model/expression.js";
import type { TemplatePart } from "../../model/project.js";
import {
  type Cursor,
  type ExpressionProblem,
  type Grammar,
  nextToken,
  peekToken,
  SyntaxProblem,
  type TextRange,
  type Token,
  toNumber,
  unexpected,
  unquote,
} from "./expression-tokens.js";

export type { ExpressionProblem, TextRange } from "./expression-tokens.js";

/** An expression whose parts know their positions; `toExpression` drops these. */
export type LocatedExpression = { readonly range: TextRange } & (
  | { readonly kind: "literal"; readonly value: string | number | boolean | null }
  | { readonly kind: "path"; readonly root: string; readonly segments: readonly LocatedSegment[] }
  | { readonly kind: "all" | "any" | "coalesce"; readonly operands: readonly LocatedExpression[] }
  | { readonly kind: "not"; readonly operand: LocatedExpression }
  | {
      readonly kind: "compare";
      readonly operator: ComparisonOperator;
      readonly left: LocatedExpression;
      readonly right: LocatedExpression;
    }
);

export type LocatedPath = LocatedExpression & { readonly kind: "path" };

export interface LocatedSegment {
  readonly value: string | number;
  readonly range: TextRange;
}

export type LocatedPart =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "expression"; readonly expression: LocatedExpression; readonly range: TextRange };

export type TemplateResult =
  | { readonly ok: true; readonly parts: readonly LocatedPart[] }
  | { readonly ok: false; readonly problem: ExpressionProblem };

/**
 * Most characters of all expressions in one text, brackets included. More than people write; some checks
 * compare every part with every other.
 */
const MAX_LENGTH = 4000;

/** Splits text into literal parts and parsed expressions. */
export function parseTemplate(text: string, grammar: Grammar = "value"): TemplateResult {
  const parts: LocatedPart[] = [];
  let position = 0;
  let length = 0;
  try {
    for (let open = text.indexOf("${{"); open !== -1; open = text.indexOf("${{", position)) {
      if (open > position) parts.push({ kind: "text", text: text.slice(position, open) });
      const { expression, end } = parseExpression({
        text,
        grammar,
        position: open + 3,
        depth: 0,
        bracketed: new WeakSet(),
      });
      length += end - open;
      if (length > MAX_LENGTH) throw tooLong({ start: open, end: open + 3 });
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

function tooLong(range: TextRange): SyntaxProblem {
  const message = `expected at most ${MAX_LENGTH} characters of expressions in one text`;
  return new SyntaxProblem({
    message,
    hint: "pass the values on, and put them together in the handler",
    range,
  });
}

export function toTemplatePart(part: LocatedPart, undeclared?: Undeclared): TemplatePart {
  if (part.kind === "text") return part;
  return { kind: "expression", expression: toExpression(part.expression, undeclared) };
}

/** Tells at which positions a path has keys that its schema does not declare. */
export type Undeclared = (path: LocatedPath) => readonly number[];

/** `undeclared` is needed only where the expression is printed as TypeScript. */
export function toExpression(located: LocatedExpression, undeclared: Undeclared = () => []): Expression {
  const convert = (part: LocatedExpression): Expression => toExpression(part, undeclared);
  switch (located.kind) {
    case "literal":
      return { kind: "literal", value: located.value };
    case "path": {
      const segments = located.segments.map((segment) => segment.value);
      const positions = undeclared(located);
      return {
        kind: "path",
        root: located.root,
        segments,
        ...(positions.length > 0 && { undeclared: positions }),
      };
    }
    case "all":
    case "any":
    case "coalesce":
      return { kind: located.kind, operands: located.operands.map(convert) };
    case "not":
      return { kind: "not", operand: convert(located.operand) };
    case "compare": {
      const { operator, left, right } = located;
      return { kind: "compare", operator, left: convert(left), right: convert(right) };
    }
  }
}

/** Starts after `${{`; `end` is after `}}`. */
function parseExpression(cursor: Cursor): { expression: LocatedExpression; end: number } {
  const expression = cursor.grammar === "value" ? parseValue(cursor) : parseCondition(cursor);
  const token = nextToken(cursor);
  if (token.kind !== "close") throw unexpected(token, `${WHAT_FOLLOWS[cursor.grammar]} or }}`);
  return { expression, end: token.range.end };
}

const WHAT_FOLLOWS: Readonly<Record<Grammar, string>> = { condition: "an operator", value: "??" };

function parseValue(cursor: Cursor): LocatedExpression {
  return chain(cursor, "coalesce", "??", parseOperand);
}

function parseCondition(cursor: Cursor): LocatedExpression {
  const first = chain(cursor, "any", "||", parseAll);
  const token = peekToken(cursor);
  if (!isPunctuation(token, "??")) return first;
  // In JavaScript ?? binds more weakly than ==, in other languages more strongly: required brackets make it
  // unambiguous.
  const isPrimary = first.kind === "literal" || first.kind === "path" || cursor.bracketed.has(first);
  if (!isPrimary) throw unclear(token);
  const expression = chainFrom(cursor, first, "coalesce", "??", parsePrimary);
  const next = peekToken(cursor);
  if (next.kind === "punctuation" && next.text !== ")") throw unclear(next);
  return expression;
}

function unclear({ range }: Token): SyntaxProblem {
  const message = "?? stands beside another operator only in brackets";
  return new SyntaxProblem({ message, hint: "write (a ?? b) == c", range });
}

function parseAll(cursor: Cursor): LocatedExpression {
  return chain(cursor, "all", "&&", parseComparison);
}

function parseComparison(cursor: Cursor): LocatedExpression {
  const left = parseNot(cursor);
  const operator = comparisonOperator(peekToken(cursor));
  if (operator === undefined) return left;
  nextToken(cursor);
  const right = parseNot(cursor);
  const another = peekToken(cursor);
  if (comparisonOperator(another) !== undefined) {
    const message = "comparisons cannot follow each other";
    throw new SyntaxProblem({ message, hint: "write a < b && b < c", range: another.range });
  }
  return { kind: "compare", operator, left, right, range: span(left, right) };
}

function comparisonOperator({ kind, text }: Token): ComparisonOperator | undefined {
  return kind === "punctuation" ? COMPARISON_OPERATORS.find((operator) => operator === text) : undefined;
}

function parseNot(cursor: Cursor): LocatedExpression {
  const token = peekToken(cursor);
  if (!isPunctuation(token, "!")) return parsePrimary(cursor);
  const operand = deeper(cursor, parseNot);
  return { kind: "not", operand, range: { start: token.range.start, end: operand.range.end } };
}

function parsePrimary(cursor: Cursor): LocatedExpression {
  const token = peekToken(cursor);
  if (!isPunctuation(token, "(")) return parseOperand(cursor);
  const inner = deeper(cursor, parseCondition);
  const close = nextToken(cursor);
  if (!isPunctuation(close, ")")) throw unexpected(close, "an operator or )");
  const expression = { ...inner, range: { start: token.range.start, end: close.range.end } };
  cursor.bracketed.add(expression);
  return expression;
}

const MAX_DEPTH = 50;

/** Consumes the opening token, then parses what it opens. */
function deeper(cursor: Cursor, parse: (cursor: Cursor) => LocatedExpression): LocatedExpression {
  const { range } = nextToken(cursor);
  if (cursor.depth >= MAX_DEPTH)
    throw new SyntaxProblem({ message: `more than ${MAX_DEPTH} brackets and !`, range });
  cursor.depth++;
  const expression = parse(cursor);
  cursor.depth--;
  return expression;
}

type Chain = "all" | "any" | "coalesce";

function chain(
  cursor: Cursor,
  kind: Chain,
  operator: string,
  parse: (cursor: Cursor) => LocatedExpression,
): LocatedExpression {
  return chainFrom(cursor, parse(cursor), kind, operator, parse);
}

function chainFrom(
  cursor: Cursor,
  first: LocatedExpression,
  kind: Chain,
  operator: string,
  parse: (cursor: Cursor) => LocatedExpression,
): LocatedExpression {
  const operands = [first];
  let last = first;
  while (isPunctuation(peekToken(cursor), operator)) {
    nextToken(cursor);
    last = parse(cursor);
    operands.push(last);
  }
  return operands.length === 1 ? first : { kind, operands, range: span(first, last) };
}

function span(first: LocatedExpression, last: LocatedExpression): TextRange {
  return { start: first.range.start, end: last.range.end };
}

function isPunctuation(token: Token, text: string): boolean {
  return token.kind === "punctuation" && token.text === text;
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
  if (token.kind !== "name")
    throw unexpected(token, `a path such as ${PATHS[cursor.grammar]}, a number or 'text'`);
  const word = WORDS.get(token.text);
  if (word !== undefined) return { kind: "literal", value: word, range };
  const segments = parseSegments(cursor);
  const end = segments.at(-1)?.range.end ?? range.end;
  if (cursor.grammar === "condition") refuseCall(cursor);
  return { kind: "path", root: token.text, segments, range: { start: range.start, end } };
}

const PATHS: Readonly<Record<Grammar, string>> = { condition: "event.id", value: "payload.id" };

function refuseCall(cursor: Cursor): void {
  const token = peekToken(cursor);
  if (isPunctuation(token, "("))
    throw new SyntaxProblem({ message: "calls are not supported", range: token.range });
}

function parseSegments(cursor: Cursor): LocatedSegment[] {
  const segments: LocatedSegment[] = [];
  for (;;) {
    const token = peekToken(cursor);
    if (isPunctuation(token, ".")) {
      nextToken(cursor);
      const name = nextToken(cursor);
      if (name.kind !== "name") throw unexpected(name, "a field name after the dot");
      segments.push({ value: name.text, range: name.range });
    } else if (isPunctuation(token, "[")) {
      nextToken(cursor);
      segments.push(parseIndex(cursor));
    } else {
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
  if (!isPunctuation(close, "]")) throw unexpected(close, "]");
  return { value, range: token.range };
}
