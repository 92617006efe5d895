// Random schemas, values that are likely to fit them, and the emitted code of a task with such a payload.
import fc from "fast-check";
import { emitSchemas, schemaTexts } from "../../../codegen/emit/schemas.js";
import { allocateTypeNames } from "../../../codegen/emit/type-names.js";
import type { JsonSchema, JsonSchemaNode } from "../../../codegen/model/json-schema.js";
import { type EmittedSchemas, loadSchemas } from "./load-emitted.js";
import { integer, object, paths, projectModel, string, taskModel } from "./project-fixture.js";

export function validators(payload: JsonSchema): EmittedSchemas {
  const task = taskModel("a:task", { payload });
  const texts = schemaTexts(task, allocateTypeNames(projectModel(task)));
  return loadSchemas(emitSchemas(paths.schemas(task), [texts], paths));
}

export const definitions = {
  Money: object({ amount: { kind: "number", integer: true, minimum: 1 }, "note?": string }),
  Tree: object({ name: string, "children?": { kind: "array", items: { kind: "ref", name: "Tree" } } }),
} as const satisfies Record<string, JsonSchemaNode>;

export const keys = ["a", "b", "c-d", "name", "amount"] as const;
export const scalars = [
  null,
  true,
  false,
  0,
  1,
  2,
  -1,
  1.5,
  9,
  "",
  "a",
  "ab",
  "abc",
  "\u{1F600}\u{1F600}",
  "x y",
] as const;

const bound = fc.option(fc.integer({ min: -2, max: 9 }), { nil: undefined });
const length = fc.option(fc.integer({ min: 0, max: 3 }), { nil: undefined });

/** Leaves out the keys without a value, as the model does. */
function defined<T extends object>(value: T): T {
  return Object.fromEntries(Object.entries(value).filter(([, member]) => member !== undefined)) as T;
}

/** Any schema of the model. */
export const { node } = fc.letrec<{ node: JsonSchemaNode }>((tie) => ({
  node: fc.oneof(
    { maxDepth: 3, depthIdentifier: "schema" },
    fc.constantFrom<JsonSchemaNode>({ kind: "any" }, { kind: "null" }, { kind: "boolean" }, integer, string),
    fc.constantFrom<JsonSchemaNode>({ kind: "ref", name: "Money" }, { kind: "ref", name: "Tree" }),
    fc
      .record({
        integer: fc.boolean(),
        minimum: bound,
        exclusiveMaximum: bound,
        multipleOf: fc.constantFrom(undefined, 2, 3),
      })
      .map((rest) => defined({ kind: "number", ...rest }) as JsonSchemaNode),
    fc
      .record({ minLength: length, maxLength: length, pattern: fc.constantFrom(undefined, "^a", "\\d|b") })
      .map((rest) => defined({ kind: "string", ...rest }) as JsonSchemaNode),
    fc
      .uniqueArray(fc.constantFrom(...scalars), { minLength: 1, maxLength: 4 })
      .map((values) => ({ kind: "enum" as const, values })),
    fc
      .record({
        items: tie("node"),
        minItems: length,
        maxItems: length,
        uniqueItems: fc.constantFrom(undefined, true),
      })
      .map((rest) => defined({ kind: "array", ...rest }) as JsonSchemaNode),
    fc
      .record({
        fields: fc.dictionary(fc.constantFrom(...keys, ...keys.map((key) => `${key}?`)), tie("node"), {
          maxKeys: 3,
        }),
        additional: fc.oneof(fc.boolean(), tie("node")),
      })
      .map(({ fields, additional }) => {
        const optional = Object.entries(fields).filter(([key]) => !(`${key}?` in fields));
        return object(Object.fromEntries(optional), additional);
      }),
    fc
      .record({ exclusive: fc.boolean(), branches: fc.array(tie("node"), { minLength: 1, maxLength: 3 }) })
      .map((rest) => ({ kind: "union" as const, ...rest })),
    fc
      .array(tie("node"), { minLength: 1, maxLength: 2 })
      .map((branches) => ({ kind: "intersection" as const, branches })),
  ),
}));

/** A value that is likely to fit the node. */
export function fitting(schemaNode: JsonSchemaNode, depth = 0): fc.Arbitrary<unknown> {
  switch (schemaNode.kind) {
    case "any":
    case "null":
    case "boolean":
    case "number":
    case "string":
      return fc.constantFrom(...scalars);
    case "enum":
      return fc.constantFrom(...schemaNode.values);
    case "array":
      return fc.array(fitting(schemaNode.items, depth + 1), { maxLength: 3 });
    case "object": {
      const extra =
        typeof schemaNode.additional === "boolean"
          ? fc.constant(1)
          : fitting(schemaNode.additional, depth + 1);
      const fields = schemaNode.properties.map(
        ({ name, schema: inner }) => [name, fitting(inner, depth + 1)] as const,
      );
      const shape: Record<string, fc.Arbitrary<unknown>> = { ...Object.fromEntries(fields), zz: extra };
      return fc.record(shape, { noNullPrototype: true, requiredKeys: fields.map(([name]) => name) });
    }
    case "union":
    case "intersection":
      return fc.oneof(...schemaNode.branches.map((branch) => fitting(branch, depth + 1)));
    case "ref":
      return depth > 4
        ? fc.constant({})
        : fitting(definitions[schemaNode.name as "Money" | "Tree"], depth + 1);
  }
}
