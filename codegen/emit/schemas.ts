/**
 * `generated/schemas/<namespace>.ts`: the validators of a namespace's tasks, each built on first use. One
 * file per namespace: opening a module costs a worker more than running it, and creating one costs codegen
 * more than filling it.
 */
import { compareText } from "../model/diagnostic.js";
import type { JsonSchema, JsonSchemaNode } from "../model/json-schema.js";
import type { ProjectModel, TaskModel } from "../model/project.js";
import { doorImport } from "./door-import.js";
import { type Layout, list, render } from "./layout.js";
import type { OutputPaths } from "./output-paths.js";
import { checksOf } from "./quick-check.js";
import { reachedDefinitions } from "./schema-walk.js";
import { identifier, lowerFirst, modulePath } from "./source-text.js";
import type { TypeNames } from "./type-names.js";
import { type Support, supportCode, supportOf, type View, zodLayout, type ZodScope } from "./zod.js";

/** The texts of one task in the file of its namespace. */
export interface SchemaTexts {
  /** Declarations of shared definitions by constant; the same name always has the same text. */
  readonly constants: ReadonlyMap<string, string>;
  /** What the quick checks import. */
  readonly helpers: readonly string[];
  readonly support: readonly Support[];
  readonly types: readonly string[];
  readonly validators: string;
}

/** Depends only on the task and the names of its definitions, so that watch can cache the result. */
export function schemaTexts(task: TaskModel, names: TypeNames): SchemaTexts {
  const { identifier: name, payload, result } = task;
  const strict = scopeOf(payload, "strict", names);
  const loose = scopeOf(payload, "loose", names);
  const checked = result === undefined ? undefined : scopeOf(result, "strict", names);
  const checks = {
    payload: checksOf("payloadFits", payload, names),
    result: result === undefined ? undefined : checksOf("resultFits", result, names),
  };
  const fields: Layout[] = [
    ...checks.payload.field,
    ["payloadStrict: () => ", zodLayout(payload.root, strict)],
    ["payloadLoose: () => ", zodLayout(payload.root, loose)],
    ...(checks.result?.field ?? []),
    ...(checked === undefined ? [] : [["result: () => ", zodLayout(checked.schema.root, checked)]]),
  ];
  const scopes = [strict, loose, ...(checked === undefined ? [] : [checked])];
  const generics = `${name}Payload, ${result === undefined ? "void" : `${name}Result`}`;
  const body = { ...list("{", fields, "}"), broken: true };
  return {
    constants: new Map([
      ...scopes.flatMap(definitionConstants),
      ...checks.payload.constants,
      ...(checks.result?.constants ?? []),
    ]),
    helpers: [...checks.payload.helpers, ...(checks.result?.helpers ?? [])],
    support: supportOf(scopes.flatMap(({ schema }) => nodesOf(schema))),
    types: [`${name}Payload`, ...(result === undefined ? [] : [`${name}Result`])].map(identifier),
    validators: render([`export const ${schemasConstant(task)} = defineSchemas<${generics}>(`, body, ");\n"]),
  };
}

/** The file of one namespace, without its header. `texts` are in the order of the tasks' names. */
export function emitSchemas(file: string, texts: readonly SchemaTexts[], paths: OutputPaths): string {
  const types = list(
    "{",
    texts.flatMap((text) => text.types),
    "}",
  );
  const shared = new Map(texts.flatMap((text) => [...text.constants]));
  return [
    [
      doorImport(["defineSchemas", "z", ...texts.flatMap((text) => text.helpers)]),
      render(["import type ", types, ` from ${modulePath(file, paths.types)};\n`]),
    ].join(""),
    ...supportCode(texts.flatMap((text) => text.support)),
    ...[...shared].toSorted(([a], [b]) => compareText(a, b)).map(([, text]) => text),
    ...texts.map((text) => text.validators),
  ].join("\n");
}

/** The file of each namespace, with its tasks in the order of the project. */
export function tasksByNamespace(
  project: ProjectModel,
  paths: OutputPaths,
): ReadonlyMap<string, readonly TaskModel[]> {
  const found = new Map<string, TaskModel[]>();
  for (const task of project.tasks) {
    const file = paths.schemas(task);
    const tasks = found.get(file);
    if (tasks === undefined) found.set(file, [task]);
    else tasks.push(task);
  }
  return found;
}

export function schemasConstant(task: TaskModel): string {
  return identifier(`${lowerFirst(task.identifier)}Schemas`);
}

interface SchemaScope extends ZodScope {
  readonly schema: JsonSchema;
}

export function scopeOf(schema: JsonSchema, view: View, names: TypeNames): SchemaScope {
  const suffix = view === "strict" ? "Strict" : "Loose";
  const constantOf = (definition: string) =>
    identifier(`${lowerFirst(names.resolve(schema, definition))}${suffix}`);
  return { constantOf, schema, view };
}

function nodesOf(schema: JsonSchema): readonly JsonSchemaNode[] {
  return [schema.root, ...schema.definitions.map((definition) => definition.schema)];
}

/**
 * The definitions that the root reaches, each as a lazy constant, so that definitions may refer to each
 * other.
 */
export function definitionConstants(scope: SchemaScope): [name: string, text: string][] {
  return reachedDefinitions(scope.schema).map(({ name, schema }) => {
    const constant = scope.constantOf(name);
    return [constant, render(lazyConstant(constant, schema, scope))];
  });
}

function lazyConstant(name: string, node: JsonSchemaNode, scope: ZodScope): Layout {
  return [`const ${name}: z.ZodType = `, list("z.lazy(", [["() => ", zodLayout(node, scope)]], ")"), ";\n"];
}
