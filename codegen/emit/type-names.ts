/**
 * Assigns one TypeScript name to every named schema. Equal definitions share one type across all tasks;
 * different ones with the same name are told apart by their task, so that no name is emitted twice.
 */
import { compareText } from "../model/diagnostic.js";
import type { JsonSchema, JsonSchemaNode } from "../model/json-schema.js";
import type { EventModel, ProjectModel, WorkflowModel } from "../model/project.js";
import { references } from "./schema-walk.js";
import { pascalCase } from "./source-text.js";

/** Names that generated modules themselves use, import or re-export next to the types. */
export const RESERVED_TYPE_NAMES: ReadonlySet<string> = new Set([
  ..."Array Boolean Date Error Function Map Number Object Promise Record RegExp Set String Symbol".split(" "),
  ..."DeclaredError DefineBatchHandler DefineHandler EnqueueByName EnqueueFunction HandlerImports PermanentError QueueDefinition".split(
    " ",
  ),
  ..."EmitFunction QuickCheck StartFunction WorkflowDefinition".split(" "),
  ..."QueueName Registry TaskContract TaskMap TaskName TaskSchemas".split(" "),
]);

export interface NamedType {
  readonly typeName: string;
  readonly node: JsonSchemaNode;
  /** The schema whose definitions the node's references name. */
  readonly scope: JsonSchema;
}

export interface TypeNames {
  /** Sorted by name. */
  readonly types: readonly NamedType[];
  /** The type of a definition as seen from a schema. */
  resolve(scope: JsonSchema, definition: string): string;
}

export function allocateTypeNames(project: ProjectModel): TypeNames {
  const used = new Set([
    ...RESERVED_TYPE_NAMES,
    ...taskTypeNames(project),
    ...errorNames(project),
    ...functionTwins(project),
  ]);
  const byContent = new Map<string, NamedType>();
  const contents = new Map<JsonSchema, ReadonlyMap<string, string>>();
  const variants = countVariants(project, contents);
  for (const { owner, schema } of schemasOf(project)) {
    for (const { name, schema: node } of schema.definitions) {
      const content = contentOf(contents, schema, name);
      if (byContent.has(content)) continue;
      const wanted = pascalCase(name);
      const typeName = unusedName(variants.get(name) === 1 ? wanted : `${owner}${wanted}`, used);
      byContent.set(content, { typeName, node, scope: schema });
    }
  }
  return {
    types: [...byContent.values()].toSorted((a, b) => compareText(a.typeName, b.typeName)),
    resolve: (scope, definition) => {
      const found = byContent.get(contentOf(contents, scope, definition));
      if (found === undefined)
        throw new TypeError(`expected a definition named ${JSON.stringify(definition)}`);
      return found.typeName;
    },
  };
}

/** The number of different schemas that share each definition name; also fills the map of contents. */
function countVariants(
  project: ProjectModel,
  contents: Map<JsonSchema, ReadonlyMap<string, string>>,
): ReadonlyMap<string, number> {
  const variants = new Map<string, Set<string>>();
  for (const { schema } of schemasOf(project)) {
    contents.set(schema, definitionContents(schema));
    for (const { name } of schema.definitions) {
      const seen = variants.get(name) ?? new Set();
      variants.set(name, seen.add(contentOf(contents, schema, name)));
    }
  }
  return new Map([...variants].map(([name, seen]) => [name, seen.size]));
}

function contentOf(
  contents: ReadonlyMap<JsonSchema, ReadonlyMap<string, string>>,
  scope: JsonSchema,
  name: string,
): string {
  return contents.get(scope)?.get(name) ?? "";
}

/** Each definition with everything it reaches, as text: definitions with equal texts mean the same. */
function definitionContents(schema: JsonSchema): ReadonlyMap<string, string> {
  const nodes = new Map(schema.definitions.map(({ name, schema: node }) => [name, node]));
  const contents = new Map<string, string>();
  for (const name of nodes.keys()) {
    const reached = [...reachable(name, nodes)].toSorted(compareText);
    contents.set(name, JSON.stringify([name, ...reached.map((other) => [other, nodes.get(other)])]));
  }
  return contents;
}

function reachable(start: string, nodes: ReadonlyMap<string, JsonSchemaNode>): ReadonlySet<string> {
  const seen = new Set<string>([start]);
  for (const name of seen) {
    const node = nodes.get(name);
    if (node !== undefined) for (const next of references(node)) seen.add(next);
  }
  return seen;
}

function schemasOf(project: ProjectModel): { owner: string; schema: JsonSchema }[] {
  const ofTasks = project.tasks.flatMap((task) => [
    { owner: task.identifier, schema: task.payload },
    ...(task.result === undefined ? [] : [{ owner: task.identifier, schema: task.result }]),
  ]);
  return [
    ...ofTasks,
    ...project.events.map(({ identifier, payload }) => ({ owner: identifier, schema: payload })),
    ...project.workflows.flatMap(({ identifier, input, output, mappings }) =>
      [input, output, ...mappings.map(({ item }) => item)].flatMap((schema) =>
        schema === undefined ? [] : [{ owner: identifier, schema }],
      ),
    ),
  ];
}

/** The type of an event's payload. */
export function eventTypeName({ identifier }: EventModel): string {
  return `${identifier}Event`;
}

/** The type of a run's input. */
export function inputTypeName({ identifier }: WorkflowModel): string {
  return `${identifier}Input`;
}

/** The type of a run's output. */
export function outputTypeName({ identifier, output }: WorkflowModel): string {
  return output === undefined ? "void" : `${identifier}Output`;
}

export function taskTypeNames(project: ProjectModel): readonly string[] {
  return [
    ...project.tasks.flatMap(({ identifier }) => [`${identifier}Payload`, `${identifier}Result`]),
    ...project.events.map(eventTypeName),
    ...project.workflows.flatMap((workflow) => [inputTypeName(workflow), `${workflow.identifier}Output`]),
  ];
}

/**
 * Types whose validator would have the name of a function: `startXStrict` is that of the schema StartX, and it
 * starts the workflow `x:strict`.
 */
function functionTwins({ events, workflows }: ProjectModel): readonly string[] {
  const functions = [
    ...events.map(({ identifier }) => `Emit${identifier}`),
    ...workflows.map(({ identifier }) => `Start${identifier}`),
  ];
  return functions.flatMap((name) => /^(.+)(?:Strict|Loose)$/.exec(name)?.[1] ?? []);
}

function errorNames(project: ProjectModel): readonly string[] {
  return project.tasks.flatMap((task) => task.errors.map((error) => error.name));
}

function unusedName(wanted: string, used: Set<string>): string {
  let name = wanted;
  for (let count = 2; used.has(name); count++) name = `${wanted}${count}`;
  used.add(name);
  return name;
}
