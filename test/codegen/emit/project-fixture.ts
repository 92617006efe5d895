// Models built by hand: the emitters are tested without YAML.
import { DEFAULT_RETENTION, DEFAULT_RETRY_POLICY } from "../../../runtime/definition/index.js";
import { createEmitCache, emitProject, type HandlerMap, outputPaths } from "../../../codegen/emit/index.js";
import type { JsonSchema, JsonSchemaNode, JsonSchemaProperty } from "../../../codegen/model/json-schema.js";
import type { ProjectModel, TaskModel } from "../../../codegen/model/project.js";

export type Parts = Partial<Omit<TaskModel, "definition">> & {
  readonly definition?: Partial<TaskModel["definition"]>;
};

export function taskModel(name: string, { definition, ...parts }: Parts = {}): TaskModel {
  const words = name.split(/[^a-z0-9]+/u);
  return {
    definition: {
      name,
      queue: "default",
      timeoutMs: 60_000,
      retry: DEFAULT_RETRY_POLICY,
      retention: DEFAULT_RETENTION,
      errors: {},
      hash: "00000000",
      ...definition,
    },
    identifier: words.map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join(""),
    modulePath: name.replaceAll(":", "/"),
    source: { file: "tasks/shop.yaml", line: 3, column: 3 },
    payload: schema(object({ id: string })),
    errors: [],
    ...parts,
  };
}

export function projectModel(...tasks: TaskModel[]): ProjectModel {
  return {
    tasks,
    events: [],
    schedules: [],
    workflows: [],
    queues: [{ name: "default", weight: 1 }],
    files: ["tasks/shop.yaml"],
  };
}

export function schema(
  root: JsonSchemaNode,
  definitions: Readonly<Record<string, JsonSchemaNode>> = {},
): JsonSchema {
  return { root, definitions: Object.entries(definitions).map(([name, node]) => ({ name, schema: node })) };
}

export const string: JsonSchemaNode = { kind: "string" };
export const integer: JsonSchemaNode = { kind: "number", integer: true };

/** A closed object; a key that ends in `?` is optional. */
export function object(
  fields: Readonly<Record<string, JsonSchemaNode>>,
  additional: boolean | JsonSchemaNode = false,
): JsonSchemaNode & { kind: "object" } {
  const properties = Object.entries(fields).map(([key, node]): JsonSchemaProperty => {
    const required = !key.endsWith("?");
    return { name: required ? key : key.slice(0, -1), required, schema: node };
  });
  return { kind: "object", properties, additional };
}

export const paths = outputPaths("generated", "tasks");

export function emit(project: ProjectModel, handlers: HandlerMap = new Map()): Promise<Map<string, string>> {
  return emitProject(project, handlers, {
    paths,
    hasMiddleware: false,
    version: "0.0.0",
    cache: createEmitCache(),
  });
}
