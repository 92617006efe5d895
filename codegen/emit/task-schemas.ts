/** `generated/schemas/<task>.ts`: the validators of one task, built on first use. */
import type { JsonSchema, JsonSchemaNode } from "../model/json-schema.js";
import type { TaskModel } from "../model/project.js";
import { type Layout, list, render } from "./layout.js";
import type { OutputPaths } from "./output-paths.js";
import { identifier, lowerFirst, modulePath } from "./source-text.js";
import { references } from "./schema-walk.js";
import type { TypeNames } from "./type-names.js";
import { supportCode, type View, zodLayout, type ZodScope } from "./zod.js";

export function emitTaskSchemas(task: TaskModel, names: TypeNames, paths: OutputPaths): string {
  const { identifier: name, payload, result } = task;
  const views = [
    scopeOf(payload, "strict", names),
    scopeOf(payload, "loose", names),
    ...(result === undefined ? [] : [scopeOf(result, "strict", names)]),
  ];
  const types = [`${name}Payload`, ...(result === undefined ? [] : [`${name}Result`])].map(identifier);
  const fields = [
    ["payloadStrict: () => ", zodLayout(payload.root, views[0] ?? scopeOf(payload, "strict", names))],
    ["payloadLoose: () => ", zodLayout(payload.root, views[1] ?? scopeOf(payload, "loose", names))],
    ...(result === undefined
      ? []
      : [["result: () => ", zodLayout(result.root, scopeOf(result, "strict", names))]]),
  ];
  const schemas = [payload, ...(result === undefined ? [] : [result])];
  const generics = `${name}Payload, ${result === undefined ? "void" : `${name}Result`}`;
  return [
    `import { defineSchemas, z } from "taskweft/generated-v1";\n`,
    render([
      "import type ",
      list("{", types, "}"),
      ` from ${modulePath(paths.schemas(task), paths.types)};\n`,
    ]),
    "\n",
    supportCode(
      schemas.flatMap((schema) => [
        schema.root,
        ...schema.definitions.map((definition) => definition.schema),
      ]),
    ),
    ...new Set(views.flatMap((scope) => constants(scope))),
    `export const ${schemasConstant(task)} = `,
    render([`defineSchemas<${generics}>(`, { ...list("{", fields, "}"), broken: true }, ");\n"]),
  ].join("");
}

export function schemasConstant(task: TaskModel): string {
  return identifier(`${lowerFirst(task.identifier)}Schemas`);
}

interface SchemaScope extends ZodScope {
  readonly schema: JsonSchema;
}

function scopeOf(schema: JsonSchema, view: View, names: TypeNames): SchemaScope {
  const suffix = view === "strict" ? "Strict" : "Loose";
  const constantOf = (definition: string) =>
    identifier(`${lowerFirst(names.resolve(schema, definition))}${suffix}`);
  return { constantOf, schema, view };
}

/** The definitions that the root reaches, each as a lazy constant, so that definitions may refer to each other. */
function constants(scope: SchemaScope): string[] {
  const nodes = new Map(scope.schema.definitions.map(({ name, schema }) => [name, schema]));
  const reached = new Set(references(scope.schema.root));
  for (const name of reached) {
    const node = nodes.get(name);
    if (node !== undefined) for (const next of references(node)) reached.add(next);
  }
  return scope.schema.definitions
    .filter(({ name }) => reached.has(name))
    .map(({ name, schema }) => `${render(constant(scope.constantOf(name), schema, scope))}\n`);
}

function constant(name: string, node: JsonSchemaNode, scope: ZodScope): Layout {
  return [`const ${name}: z.ZodType = `, list("z.lazy(", [["() => ", zodLayout(node, scope)]], ")"), ";\n"];
}
