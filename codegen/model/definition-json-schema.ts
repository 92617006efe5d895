/** tasks.schema.json: the definition model as JSON Schema (draft-07), for editors. */
import { z } from "zod";
import { definitionFile } from "./definition-file.js";

type JsonObject = { [key: string]: unknown };

/** Names declared in a project, which editors offer for completion. */
export interface ProjectNames {
  readonly events?: readonly string[];
  readonly queues: readonly string[];
  readonly retryPolicies?: readonly string[];
  readonly schemas?: readonly string[];
  readonly tasks?: readonly string[];
  readonly workflows?: readonly string[];
}

/** The schema that ships with the package. Returns a new object each time. */
export function definitionFileJsonSchema(): JsonObject {
  const { $schema, ...schema } = z.toJSONSchema(definitionFile, {
    target: "draft-7",
    io: "input",
    unrepresentable: "any",
  });
  return { $schema, ...schema } as JsonObject;
}

/** The same schema with the project's own names as enums. */
export function projectJsonSchema(names: ProjectNames): JsonObject {
  const schema = definitionFileJsonSchema();
  const definitions = schema["definitions"] as Record<string, JsonObject>;
  offer(definitions["EventName"], names.events ?? []);
  offer(definitions["QueueName"], names.queues);
  offer(definitions["RetryPolicyName"], names.retryPolicies ?? []);
  offer(definitions["TaskName"], names.tasks ?? []);
  offer(definitions["WorkflowName"], names.workflows ?? []);
  const schemas = names.schemas ?? [];
  const words = (definitions["Field"]?.["anyOf"] as JsonObject[] | undefined)?.[0];
  if (words !== undefined)
    words["enum"] = [...(words["enum"] as string[]), ...schemas.flatMap((name) => [name, `${name}?`])];
  return schema;
}

/** Skips empty lists, because an empty enum would reject every value. */
function offer(definition: JsonObject | undefined, names: readonly string[]): void {
  if (definition === undefined || names.length === 0) return;
  definition["enum"] = [...names].sort();
}

/** The text of tasks.schema.json; the same bytes on every machine. */
export function renderJsonSchema(schema: JsonObject): string {
  return `${JSON.stringify(schema, undefined, 2)}\n`;
}
