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
        return kind === "result" || kind === "output" ? { value, secrets: [] } : undefined;
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
    // Deeper than any payload that passed validation: hide rather than guess.
    if (depth > MAX_DEPTH) return HIDDEN;
    if (!isRecord(schema)) return value;
    if (schema["x-sensitive"] === true) return this.#hide(value);
    let result = value;
    const target = this.#follow(schema["$ref"]);
    if (target !== undefined) result = this.visit(target, result, depth + 1);
    for (const keyword of ["anyOf", "oneOf", "allOf"]) {
      // Every branch is applied: hiding too much is the safe mistake.
      for (const branch of listOf(schema[keyword])) result = this.visit(branch, result, depth + 1);
    }
    if (Array.isArray(result))
      return result.map((item: unknown) => this.visit(schema["items"], item, depth + 1));
    return isRecord(result) ? this.#visitObject(schema, result, depth) : result;
  }

  #visitObject(schema: JsonSchema, value: Readonly<Record<string, unknown>>, depth: number): unknown {
    const properties = isRecord(schema["properties"]) ? schema["properties"] : {};
    const entries = Object.entries(value).map(([key, child]) => {
      const childSchema = Object.hasOwn(properties, key) ? properties[key] : schema["additionalProperties"];
      return [key, this.visit(childSchema, child, depth + 1)] as const;
    });
    return Object.fromEntries(entries);
  }

  #hide(value: unknown): unknown {
    if (value === undefined || value === null) return value;
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

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
