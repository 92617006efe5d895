// Whether the values of one schema are values of another, where schemas meet again or contain themselves.
import { expect, it } from "vitest";
import { type Misfit, misfit } from "../../../codegen/load/expressions/schema-fit.js";
import type { JsonSchemaNode } from "../../../codegen/model/json-schema.js";
import { integer, object, string } from "../emit/project-fixture.js";

const either = (...branches: JsonSchemaNode[]): JsonSchemaNode => ({
  kind: "union",
  exclusive: false,
  branches,
});
const list = (items: JsonSchemaNode): JsonSchemaNode => ({ kind: "array", items });
const one: JsonSchemaNode = { kind: "enum", values: ["one"] };

/** `named`: what references lead to. */
function between(
  source: JsonSchemaNode,
  target: JsonSchemaNode,
  named: Readonly<Record<string, JsonSchemaNode>> = {},
): Misfit | undefined {
  return misfit(source, target, (node) => (node.kind === "ref" ? named[node.name] : node));
}
const ref = (name: string): JsonSchemaNode => ({ kind: "ref", name });

it("finds again, in the next branch of a choice, what did not fit in the one before", () => {
  const [text, number] = [object({ v: string }), object({ v: integer })];
  const target = either(object({ x: number, k: one }), object({ x: number, "k?": string }));
  expect(between(object({ x: text }), target)).toMatchObject({ path: "" });
  expect(between(object({ x: text }), object({ x: number }))).toEqual({
    path: ".x.v",
    wanted: "a whole number",
    got: "text",
  });
  const twice = object({ y: list(either(number, string)), z: object({ w: number }) });
  expect(between(object({ y: list(text), z: object({ w: text }) }), twice)).toMatchObject({ path: ".y[].v" });
});

it("compares schemas that contain themselves", () => {
  const tree = (leaf: JsonSchemaNode, name: string): JsonSchemaNode =>
    object({ leaf, "children?": list(ref(name)) });
  const named = {
    Texts: tree(string, "Texts"),
    Words: tree(string, "Words"),
    Numbers: tree(integer, "Numbers"),
    Mixed: tree(either(string, integer), "Mixed"),
    Turned: object({ leaf: string, "children?": list(ref("Numbers")) }),
  };
  expect(between(ref("Texts"), ref("Words"), named)).toBeUndefined();
  expect(between(ref("Numbers"), ref("Mixed"), named)).toBeUndefined();
  expect(between(ref("Mixed"), ref("Numbers"), named)).toMatchObject({ path: ".leaf", got: "text" });
  expect(between(ref("Texts"), ref("Turned"), named)).toMatchObject({ path: ".children[].leaf" });
});

it("forgets what fitted only because something around it was taken to fit, which did not", () => {
  // The first branch takes its own chain to fit while it compares, and so the chain within; then `end` does not.
  const named = {
    Given: object({ next: ref("GivenLink"), end: string }),
    GivenLink: object({ "back?": ref("Given") }),
    Wanted: object({ next: ref("WantedLink"), end: integer }),
    WantedLink: object({ "back?": ref("Wanted") }),
  };
  const given = object({ a: ref("Given"), b: ref("GivenLink") });
  const wanted = either(
    object({ a: ref("Wanted"), b: ref("WantedLink") }),
    object({ a: { kind: "any" }, b: ref("WantedLink") }),
  );
  expect(between(given, wanted, named)).toMatchObject({ path: "" });
});

it("holds further fields against the declared ones that they may be", () => {
  const texts = object({}, string);
  expect(between(texts, object({ "a?": string }))).toBeUndefined();
  expect(between(texts, object({ "a?": integer }))).toEqual({
    path: ".a",
    wanted: "a whole number",
    got: "text",
  });
  expect(between(object({}, true), object({ "a?": integer }))).toBeUndefined();
  for (const open of [texts, object({}, true)])
    expect(between(open, object({}))).toEqual({
      path: "",
      wanted: "an object without fields",
      got: "one that may have some",
    });
  expect(between(object({}), object({}))).toBeUndefined();
});
