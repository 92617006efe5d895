/**
 * Hides the fields that a definition marks `x-sensitive`, and what they hold wherever it turns up again: handlers put
 * payload values into error messages. Works on the JSON Schemas of `generated/manifest.json`.
 */
import { HIDDEN, secretTexts } from "../definition/index.js";
import type { StoredJob } from "./shard-reader.js";
import type { RedactedKind, Redactor } from "./types.js";

const MAX_DEPTH = 60;

type JsonSchema = Readonly<Record<string, unknown>>;

export interface TaskJsonSchemas {
  readonly payload?: unknown;
  readonly result?: unknown;
}

export interface WorkflowJsonSchemas {
  readonly input?: unknown;
  readonly output?: unknown;
}

export interface EventJsonSchemas {
  readonly event?: unknown;
}

type JsonSchemas = TaskJsonSchemas & WorkflowJsonSchemas & EventJsonSchemas;

/** A redactor for tasks, events and workflows with known schemas; it knows nothing about others and says so. */
export function createRedactor(
  schemas: ReadonlyMap<string, TaskJsonSchemas>,
  workflows: ReadonlyMap<string, WorkflowJsonSchemas> = new Map(),
  events: ReadonlyMap<string, EventJsonSchemas> = new Map(),
): Redactor {
  const knownOf = (name: string, kind: RedactedKind): JsonSchemas | undefined => {
    if (kind === "event") return events.get(name);
    return kind === "input" || kind === "output" ? workflows.get(name) : schemas.get(name);
  };
  return {
    redact(name, kind, value) {
      const known = knownOf(name, kind);
      if (known === undefined) return undefined;
      const schema = known[kind];
      if (!isRecord(schema)) {
        // What has no schema gives nothing: a value comes from a definition that is gone, and with it what was sensitive.
        if (kind !== "result" && kind !== "output") return undefined;
        return isNothing(value) ? { value, secrets: [] } : { value: HIDDEN, secrets: secretTexts(value) };
      }
      const walk = new Walk(schema);
      return { value: walk.visit(schema, value, 0), secrets: walk.secrets };
    },
  };
}

/** What may be shown of a job. */
interface Shown {
  readonly payload: unknown;
  readonly result: unknown;
  readonly secrets: readonly string[];
  /** True when it is not known which fields are sensitive. */
  readonly hidden: boolean;
}

/** Without a redactor everything is shown: the caller has decided so. With one that does not know the task, nothing is. */
export function redactJob(job: Pick<StoredJob, "record" | "run">, redactor: Redactor | undefined): Shown {
  const { record, run } = job;
  if (redactor === undefined)
    return { payload: record.payload, result: run.detail, secrets: [], hidden: false };
  const payload = redactor.redact(record.task, "payload", record.payload);
  const result = redactor.redact(record.task, "result", run.detail);
  if (payload === undefined || result === undefined)
    return { payload: HIDDEN, result: HIDDEN, secrets: [], hidden: true };
  return {
    payload: payload.value,
    result: result.value,
    secrets: [...payload.secrets, ...result.secrets],
    hidden: false,
  };
}

class Walk {
  readonly secrets: string[] = [];
  readonly #root: JsonSchema;

  constructor(root: JsonSchema) {
    this.#root = root;
  }

  visit(schema: unknown, value: unknown, depth: number): unknown {
    return this.#apply(schema, isRecord(value) ? this.#hideUnknown(schema, value) : value, depth);
  }

  #apply(schema: unknown, value: unknown, depth: number): unknown {
    // Deeper than any payload that passed validation: hide rather than guess.
    if (depth > MAX_DEPTH) return HIDDEN;
    if (!isRecord(schema)) return value;
    if (schema["x-sensitive"] === true) return this.#hide(value);
    let result = value;
    // Every branch is applied: hiding too much is the safe mistake.
    for (const part of this.#partsOf(schema)) result = this.#apply(part, result, depth + 1);
    if (Array.isArray(result))
      return result.map((item: unknown) => this.visit(schema["items"], item, depth + 1));
    return isRecord(result) ? this.#visitObject(schema, result, depth) : result;
  }

  #visitObject(schema: JsonSchema, value: Readonly<Record<string, unknown>>, depth: number): unknown {
    const properties = isRecord(schema["properties"]) ? schema["properties"] : {};
    // Where it may have no others, it is one part of a schema of which another part knows the field.
    const others = schema["additionalProperties"] === false ? undefined : schema["additionalProperties"];
    const entries = Object.entries(value).map(([key, child]) => {
      const childSchema = Object.hasOwn(properties, key) ? properties[key] : others;
      return [key, this.visit(childSchema, child, depth + 1)] as const;
    });
    return Object.fromEntries(entries);
  }

  /** A field that the schema does not let through is one of another version of it, which may have called it sensitive. */
  #hideUnknown(schema: unknown, value: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
    const unknown = Object.keys(value).filter((key) => !this.#knows(schema, key, 0));
    if (unknown.length === 0) return value;
    return { ...value, ...Object.fromEntries(unknown.map((key) => [key, this.#hide(value[key])])) };
  }

  /** True where an object of the schema, or of a part of it, may have the field. */
  #knows(schema: unknown, key: string, depth: number): boolean {
    if (!isRecord(schema)) return schema !== false;
    if (depth > MAX_DEPTH) return false;
    const { properties, type, additionalProperties } = schema;
    const parts = this.#partsOf(schema);
    if (parts.some((part) => this.#knows(part, key, depth + 1))) return true;
    if (isRecord(properties)) return Object.hasOwn(properties, key) || additionalProperties !== false;
    const isObject =
      type === undefined ? parts.length === 0 : listOf(type).includes("object") || type === "object";
    return isObject && additionalProperties !== false && !("enum" in schema) && !("const" in schema);
  }

  /** What a schema is put together from. */
  #partsOf(schema: JsonSchema): readonly unknown[] {
    const target = this.#follow(schema["$ref"]);
    const branches = ["anyOf", "oneOf", "allOf"].flatMap((keyword) => listOf(schema[keyword]));
    return target === undefined ? branches : [target, ...branches];
  }

  #hide(value: unknown): unknown {
    if (isNothing(value)) return value;
    for (const text of secretTexts(value)) this.secrets.push(text);
    return HIDDEN;
  }

  /** `#/definitions/Name`: the only form that normalised schemas have. */
  #follow(ref: unknown): unknown {
    if (typeof ref !== "string" || !ref.startsWith("#/")) return undefined;
    const parts = ref
      .slice(2)
      .split("/")
      .map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~"));
    return parts.reduce<unknown>(
      (node, part) => (isRecord(node) && Object.hasOwn(node, part) ? node[part] : undefined),
      this.#root,
    );
  }
}

function isNothing(value: unknown): value is null | undefined {
  return value === undefined || value === null;
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
