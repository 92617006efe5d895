// Conditions: what is read, what is printed, and what is checked of them, without YAML around.
import { runInNewContext } from "node:vm";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { expressionSource } from "../../../codegen/emit/expression-source.js";
import { parseTemplate, toTemplatePart } from "../../../codegen/load/expressions/expression-parser.js";
import { expectBoolean, type Scope } from "../../../codegen/load/expressions/expression-types.js";
import { COMPARISON_OPERATORS, type Expression, expressionText } from "../../../codegen/model/expression.js";
import type { JsonSchemaNode } from "../../../codegen/model/json-schema.js";
import { every, some } from "../../../runtime/definition/index.js";
import { object, string } from "../emit/project-fixture.js";

function read(text: string): Expression {
  const result = parseTemplate(`\${{ ${text} }}`, "condition");
  if (!result.ok) throw new Error(`${result.problem.range.start} ${result.problem.message}`);
  const [part] = result.parts.map((part) => toTemplatePart(part));
  if (part?.kind !== "expression" || result.parts.length !== 1) throw new Error("expected one expression");
  return part.expression;
}

const leaf: fc.Arbitrary<Expression> = fc.oneof(
  fc
    .oneof(
      fc.string(),
      fc.integer(),
      fc.double({ noNaN: true, noDefaultInfinity: true }),
      fc.boolean(),
      fc.constant(null),
    )
    .filter((value) => typeof value !== "number" || (!Object.is(value, -0) && isExact(value)))
    .map((value): Expression => ({ kind: "literal", value })),
  fc
    .array(fc.oneof(fc.string(), fc.nat(), fc.constantFrom("total", "a_b")), { maxLength: 3 })
    .map((segments): Expression => ({ kind: "path", root: "event", segments })),
);

function isExact(value: number): boolean {
  return !Number.isInteger(value) || Number.isSafeInteger(value);
}

const { tree } = fc.letrec<{ tree: Expression }>((tie) => {
  const operands = fc.array(tie("tree"), { minLength: 2, maxLength: 3 });
  return {
    tree: fc.oneof(
      { depthSize: "small", withCrossShrink: true },
      leaf,
      operands.map((list): Expression => ({ kind: "coalesce", operands: list })),
      operands.map((list): Expression => ({ kind: "all", operands: list })),
      operands.map((list): Expression => ({ kind: "any", operands: list })),
      tie("tree").map((operand): Expression => ({ kind: "not", operand })),
      fc
        .tuple(fc.constantFrom(...COMPARISON_OPERATORS), tie("tree"), tie("tree"))
        .map(([operator, left, right]): Expression => ({ kind: "compare", operator, left, right })),
    ),
  };
});

describe("the grammar", () => {
  it("reads back whatever is printed", () => {
    fc.assert(
      fc.property(tree, (expression) => {
        expect(read(expressionText(expression))).toEqual(expression);
      }),
      { numRuns: 1000 },
    );
  });

  it("means what the same text means in JavaScript", () => {
    const operand = fc.constantFrom("true", "false", "(1 < 2)", "(2 == 3)", "!true");
    const operator = fc.constantFrom("&&", "||");
    const text = fc
      .tuple(operand, fc.array(fc.tuple(operator, operand), { maxLength: 5 }))
      .map(([first, rest]) => [first, ...rest.flat()].join(" "));
    // The printed code and the text are run side by side; only here is any expression evaluated.
    const run = (code: string): unknown => runInNewContext(code, { every, some });
    fc.assert(
      fc.property(text, (code) => {
        expect(run(expressionSource(read(code)))).toBe(run(code));
      }),
    );
  });

  it.each([
    ["event.a == 1 && event.b || !event.c", "some(every(event.a === 1, event.b), !event.c)"],
    ["!(event.a || event.b) && event.c", "every(!some(event.a, event.b), event.c)"],
    ["event.a && (event.b || event.c)", "every(event.a, some(event.b, event.c))"],
    ["(event.a ?? 0) > 1e3", "(event.a ?? 0) > 1000"],
    ["event.a.b != null", "event.a?.b != null"],
    ["!(event.a == 'x')", '!(event.a === "x")'],
    ["event.a ?? true", "event.a ?? true"],
  ])("%s becomes %s", (text, source) => {
    expect(expressionSource(read(text))).toBe(source);
  });

  it.each([
    ["event.a ?? 0 > 1", "17 ?? stands beside another operator only in brackets"],
    ["event.a > event.b ?? 1", "22 ?? stands beside"],
    ["event.a && event.b ?? true", "23 ?? stands beside"],
    ["1 < event.a < 3", "16 comparisons cannot follow each other"],
    ["event.a = 1", '12 operator "=" is not supported'],
    ["event.a === 1", '12 operator "===" is not supported'],
    ["event.a !== 1", '12 operator "!==" is not supported'],
    ["event.a & event.b", '12 operator "&" is not supported'],
    ["event.a + 1 > 2", '12 operator "+" is not supported'],
    ["includes(event.a)", "12 calls are not supported"],
    ["event.a.includes('x')", "20 calls are not supported"],
    ["(event.a", "13 expected an operator or ), got"],
    ["event.a)", '11 expected an operator or }}, got ")"'],
    ["event.a ==", "15 expected a path such as event.id"],
    ["", "5 expected a path"],
    [`${"(".repeat(60)}true${")".repeat(60)}`, "54 more than 50 brackets"],
    ["!".repeat(60) + "true", "54 more than 50 brackets"],
    ["eval`x`", '8 unexpected "`"'],
  ])("%s is refused where it goes wrong", (text, expected) => {
    expect(() => read(text)).toThrow(expected);
  });

  it("never throws anything but a problem with a place, whatever the text", () => {
    const words = "event . a [ ] ( ) ! == != < <= && || ?? 'x' 1 true }} ${{ = & + \u{1F600}";
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...words.split(" "))), (list) => {
        const text = `\${{ ${list.join(" ")}`;
        const result = parseTemplate(text, "condition");
        expect(result.ok ? 0 : result.problem.range.end).toBeLessThanOrEqual(text.length);
      }),
      { numRuns: 1000 },
    );
  });
});

describe("the types", () => {
  const number: JsonSchemaNode = { kind: "number", integer: false };
  const boolean: JsonSchemaNode = { kind: "boolean" };
  const currency: JsonSchemaNode = { kind: "enum", values: ["EUR", "NGN"] };
  const nullable: JsonSchemaNode = { kind: "union", exclusive: false, branches: [string, { kind: "null" }] };
  const event = object({
    total: number,
    "discount?": number,
    currency,
    note: nullable,
    "gift?": boolean,
    paid: boolean,
    lines: { kind: "array", items: object({ sku: string }) },
    extra: { kind: "any" },
  });
  const input = object({ limit: number });
  // Two roots, as a workflow has: the checker knows neither of them by name.
  const scope: Scope = {
    roots: new Map([
      ["event", event],
      ["input", input],
    ]),
    resolve: (node) => node,
    reader: "a condition",
  };
  const check = (text: string): string[] => {
    const result = parseTemplate(`\${{ ${text} }}`, "condition");
    if (!result.ok) throw new Error(result.problem.message);
    const [part] = result.parts;
    const problems: Parameters<typeof expectBoolean>[2] = [];
    if (part?.kind === "expression") expectBoolean(part.expression, scope, problems, "when");
    return problems.map(
      ({ code = "TW131", message, hint, range }) =>
        `${range.start - 4}-${range.end - 4} ${code} ${message}${hint === undefined ? "" : ` | ${hint}`}`,
    );
  };

  it.each([
    "event.total >= 1000",
    "event.total >= input.limit",
    "event.currency == 'EUR' || event.currency != 'NGN'",
    "event.paid",
    "!event.paid && (event.gift ?? false)",
    "event.gift ?? event.paid",
    "event.note != null",
    "event.discount == null",
    "(event.discount ?? 0) > 5",
    "(event.note ?? 'none') == 'vip'",
    "(event.lines[0].sku ?? '') == 'A'",
    "true",
  ])("%s is a condition", (text) => {
    expect(check(text)).toEqual([]);
  });

  it.each([
    ["event.total", "0-11 TW180 when takes true or false, and this is a number | compare it"],
    ["event.gift", "0-10 TW180 when takes true or false, and this may be missing or null | add ??"],
    ["event.currency ?? true", "0-22 TW180 when takes true or false, and this is a choice of values"],
    ["!event.total", "1-12 TW180 ! takes true or false, and this is a number"],
    ["event.paid && event.currency", "14-28 TW180 && takes true or false"],
    ["event.totl > 1", '6-10 TW131 "totl" does not exist on event | did you mean "total"?'],
    ["payload.total > 1", '0-7 TW131 unknown name "payload": a condition can read event, input only'],
    ["event.total == 'EUR'", '15-20 TW180 event.total is a number, never "EUR"'],
    [
      "event.currency == 'EURO'",
      '18-24 TW180 event.currency is one of "EUR", "NGN", never "EURO" | did you mean "EUR"?',
    ],
    ["event.paid == 1", "14-15 TW180 event.paid is a boolean, never 1"],
    ["event.total == event.currency", "TW180 event.total is a number, never one of"],
    ["event.currency < 'EUR'", "0-14 TW180 < compares numbers, and event.currency is one of"],
    [
      "event.discount > 5",
      "0-14 TW180 event.discount may be missing or null | add ?? and a value: (event.discount ?? ...)",
    ],
    ["event.note == 'vip'", "0-10 TW180 event.note may be missing or null"],
    ["event.total == null", "0-11 TW180 event.total always has a value, so it is never null"],
    ["event.lines == 1", "0-11 TW180 event.lines is a list and cannot be compared | name one of its fields"],
    ["event.extra == 1", "0-11 TW180 event.extra is anything and cannot be compared | give the field a type"],
    ["1 == 2", "0-6 TW180 two literals are compared"],
    ["(1 ?? event.total) > 2", "1-2 TW131 what follows this ?? is never used"],
  ])("%s is not", (text, expected) => {
    expect(check(text)).toEqual([expect.stringContaining(expected)]);
  });

  it("all of an expression's problems are told at once", () => {
    expect(check("event.totl > 1 && event.currency == 'X' && event.total")).toHaveLength(3);
  });
});
