// Where payloads hold what must not be seen in logs, as contracts say it.
import { expect, test } from "vitest";
import { sensitivePaths } from "../../../codegen/emit/sensitive-paths.js";
import type { JsonSchemaNode } from "../../../codegen/model/json-schema.js";
import { object, schema, string } from "./project-fixture.js";

const secret: JsonSchemaNode = { kind: "string", sensitive: true };
const ref = (name: string): JsonSchemaNode => ({ kind: "ref", name });
const array = (items: JsonSchemaNode): JsonSchemaNode => ({ kind: "array", items });

test.each([
  ["nothing where nothing is marked", object({ id: string }), {}, []],
  ["fields, in their order", object({ b: secret, a: secret, id: string }), {}, [["a"], ["b"]]],
  ["the payload itself", secret, {}, [[]]],
  [
    "items and fields without a name",
    object({ list: array(object({ a: secret })) }),
    {},
    [["list", null, "a"]],
  ],
  [
    "a mark where a reference stands",
    object({ a: { ...ref("Card"), sensitive: true } }),
    { Card: string },
    [["a"]],
  ],
  [
    "what is behind references",
    object({ a: ref("Card") }),
    { Card: object({ n: ref("No") }), No: secret },
    [["a", "n"]],
  ],
  [
    "each branch",
    {
      kind: "union",
      branches: [object({ a: secret }), object({ b: secret })],
      exclusive: false,
    } as JsonSchemaNode,
    {},
    [["a"], ["b"]],
  ],
  [
    "of a schema that contains itself, all from there on",
    ref("Node"),
    {
      Node: object({ s: secret, id: string, next: ref("Node"), plain: ref("Plain") }),
      Plain: object({ more: ref("Plain") }),
    },
    [["next"], ["s"]],
  ],
  [
    "keys of maps, where these are marked or stand in what is, without names of fields",
    object({
      plain: { ...object({}), additional: string },
      map: { ...object({ kind: string }), additional: string, sensitive: true },
      deep: { ...object({ list: array(ref("Map")), any: object({}) }), sensitive: true },
    } as never),
    { Map: { ...object({}), additional: ref("Map") } },
    [["deep", "list", null, []], ["deep"], ["map", ["kind"]], ["map"]],
  ],
])("%s", (_what, root, definitions, expected) => {
  expect(sensitivePaths(schema(root as JsonSchemaNode, definitions as never))).toEqual(expected);
});

test("definitions with very many paths stand for all that they lead to, and nothing is left out", () => {
  const levels = 17;
  const definitions = Object.fromEntries(
    Array.from({ length: levels }, (_unused, n) => [
      `D${n}`,
      n === levels - 1 ? object({ card: secret }) : object({ a: ref(`D${n + 1}`), b: ref(`D${n + 1}`) }),
    ]),
  );
  const root = object({ first: ref("D0"), plain: secret });
  const paths = sensitivePaths(schema(root, definitions as never));
  expect(paths.length).toBeLessThanOrEqual(200);
  expect(paths).toContainEqual(["plain"]);
  const reaches = (end: readonly string[]): boolean =>
    paths.some((path) => path.every((step, index) => step === end[index]));
  for (const side of ["a", "b"])
    expect(reaches(["first", ...Array.from({ length: levels - 1 }, () => side), "card"])).toBe(true);
});

test("of many fields in the schema itself all are named", () => {
  const fields = Object.fromEntries(Array.from({ length: 300 }, (_unused, n) => [`f${n}`, secret]));
  const root = object({ ...fields, deep: ref("D") });
  const paths = sensitivePaths(schema(root, { D: object({ x: secret }) } as never));
  expect(paths).toHaveLength(301);
  expect(paths).toContainEqual(["deep"]);
});

test("many ways to one path are not all followed", () => {
  const levels = 40;
  const either = (n: number): JsonSchemaNode => ({
    kind: "union",
    exclusive: false,
    branches: [ref(`A${n}`), ref(`B${n}`)],
  });
  const definitions = Object.fromEntries(
    Array.from({ length: levels }, (_unused, n) =>
      ["A", "B"].map((side) => [`${side}${n}`, n === levels - 1 ? object({ card: secret }) : either(n + 1)]),
    ).flat(),
  );
  const paths = sensitivePaths(schema(object({ first: ref("A0") }), definitions as never));
  expect(paths).toEqual([["first"]]);
});
