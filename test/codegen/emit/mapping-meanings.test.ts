// A mapping has two forms: lists that the worker evaluates, and TypeScript for the user's compiler. Both mean the same.
import fc from "fast-check";
import { expect, it } from "vitest";
import { render } from "../../../codegen/emit/layout.js";
import { valueLayout } from "../../../codegen/emit/template-source.js";
import { runTemplate } from "../../../codegen/load/expressions/run-expression.js";
import type { Expression, ValueTemplate } from "../../../codegen/model/expression.js";
import { every, keyText, plain, present, some } from "../../../runtime/definition/index.js";
import { evaluate } from "../../../runtime/workflow/index.js";

const helpers = { every, keyText, plain, present, some };
const path = (...segments: (string | number)[]): Expression => ({ kind: "path", root: "input", segments });
const literal = (value: string | number | boolean | null): Expression => ({ kind: "literal", value });

/** As the checks let them through: what may be missing meets `??` or `== null`. */
const { number, text, condition } = fc.letrec<Record<"number" | "text" | "condition", Expression>>((tie) => ({
  number: fc.oneof(
    { depthSize: "small" },
    fc.constant(path("n")),
    fc.integer({ min: -3, max: 3 }).map(literal),
    tie("number").map((last): Expression => ({
      kind: "coalesce",
      operands: [path("list", 1, "n"), path("m"), last],
    })),
  ),
  text: fc.oneof(
    { depthSize: "small" },
    fc.constant(path("odd key")),
    fc.constantFrom("", "a", "${x}", "`").map(literal),
    tie("text").map((last): Expression => ({ kind: "coalesce", operands: [path("t"), last] })),
  ),
  condition: fc.oneof(
    { depthSize: "small" },
    fc.constant(path("b")),
    fc
      .tuple(
        fc.constantFrom("<", "<=", ">", ">=", "==", "!=") as fc.Arbitrary<"<">,
        tie("number"),
        tie("number"),
      )
      .map(([operator, left, right]): Expression => ({ kind: "compare", operator, left, right })),
    fc
      .tuple(fc.constantFrom("==", "!=") as fc.Arbitrary<"==">, tie("text"), tie("text"))
      .map(([operator, left, right]): Expression => ({ kind: "compare", operator, left, right })),
    fc
      .tuple(fc.constantFrom("==", "!=") as fc.Arbitrary<"==">, fc.constantFrom("m", "t"))
      .map(([operator, name]): Expression => ({
        kind: "compare",
        operator,
        left: path(name),
        right: literal(null),
      })),
    tie("condition").map((operand): Expression => ({ kind: "not", operand })),
    fc
      .tuple(fc.constantFrom("all", "any"), fc.array(tie("condition"), { minLength: 2, maxLength: 3 }))
      .map(([kind, operands]): Expression => ({ kind, operands })),
  ),
}));

const alone = (expression: Expression): ValueTemplate => ({
  kind: "expression",
  expression,
  isComposite: false,
});
const value: fc.Arbitrary<ValueTemplate> = fc.oneof(
  fc.oneof(number, text, condition).map(alone),
  fc.tuple(text, number).map(([one, two]): ValueTemplate => ({
    kind: "text",
    parts: [
      { kind: "text", text: "a $" },
      { kind: "expression", expression: one },
      { kind: "expression", expression: two },
    ],
  })),
);
const template: fc.Arbitrary<ValueTemplate> = fc.tuple(value, value).map(([one, two]) => ({
  kind: "object",
  fields: [
    { name: "x", value: one, optional: false },
    { name: "odd name", value: { kind: "list", items: [two] }, optional: false },
    { name: "maybe", value: alone(path("list", 0, "n")), optional: true },
    { name: "null", value: { kind: "value", value: null }, optional: false },
    {
      name: "whole",
      value: { kind: "expression", expression: path("list"), isComposite: true },
      optional: false,
    },
  ],
}));

const input = fc.record(
  {
    n: fc.integer({ min: -3, max: 3 }),
    m: fc.option(fc.integer({ min: -3, max: 3 })),
    t: fc.option(fc.constantFrom("", "a")),
    "odd key": fc.constantFrom("", "a"),
    b: fc.boolean(),
    list: fc.array(fc.record({ n: fc.integer({ min: -3, max: 3 }) }), { maxLength: 2 }),
  },
  { requiredKeys: ["n", "odd key", "b", "list"] },
);

it("holds for every mapping and input", () => {
  fc.assert(
    fc.property(template, input, (mapping, data) => {
      const source = `"use strict"; return (${render(valueLayout(mapping))});`;
      // oxlint-disable-next-line no-implied-eval -- the printed mapping is what is under test
      const compiled = new Function("input", ...Object.keys(helpers), source) as (
        ...all: unknown[]
      ) => unknown;
      const inWorker = evaluate(runTemplate(mapping), { input: data, steps: {} });
      expect(inWorker).toEqual(compiled(data, ...Object.values(helpers)));
    }),
    { numRuns: 500 },
  );
});
