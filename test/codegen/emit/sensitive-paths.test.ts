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
])("%s", (_what, root, definitions, expected) => {
  expect(sensitivePaths(schema(root as JsonSchemaNode, definitions as never))).toEqual(expected);
});
