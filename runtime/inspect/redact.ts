/**
 * Hides the fields that a definition marks `x-sensitive`, and their values wherever these reappear: handlers
 * put payload values into error messages. Works on the JSON Schemas of `generated/manifest.json`.
 */
import { HIDDEN, secretTexts } from "../definition/index.js";
import type { StoredJob } from "./shard-reader.js";
import type { RedactedKind, Redactor } from "./types.js";

const MAX_DEPTH = 60;

/** Keywords by which a schema describes the value itself, instead of only combining other schemas. */
const SAYS_MORE = ["additionalProperties", "const", "enum", "items", "properties", "type", "x-sensitive"];

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

/** A redactor for tasks, events and workflows with known schemas; returns `undefined` for unknown ones. */
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
        // A task without a result schema gives no result, so the value comes from a former definition, and
        // what was sensitive in it is unknown.
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
  /** True if it is unknown which fields are sensitive. */
  readonly hidden: boolean;
}

/**
 * Without a redactor everything is shown, which is the caller's decision. With one that does not know the
 * task, nothing is.
 */
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
  readonly #parts = new Map<unknown, readonly JsonSchema[]>();

  constructor(root: JsonSchema) {
    this.#root = root;
  }

  visit(schema: unknown, value: unknown, depth: number): unknown {
    // Deeper than any valid payload: hide rather than guess.
    if (depth > MAX_DEPTH) return HIDDEN;
    const parts = this.#partsOf(schema);
    // One sensitive alternative is enough: hiding too much is the safe mistake.
    if (parts.some((part) => part["x-sensitive"] === true)) {
      this.#hideKeys(parts, value, depth);
      return this.#hide(value);
    }
    // A value that fits no alternative comes from another version of the schema, which may have marked it
    // sensitive.
    const fitting = parts.filter((part) => letsThrough(part, value));
    if (fitting.length === 0) return this.#hide(value);
    if (Array.isArray(value)) {
      const items = anyOf(fitting.map((part) => part["items"] ?? true));
      return value.map((item: unknown) => this.visit(items, item, depth + 1));
    }
    if (!isRecord(value)) return value;
    return Object.fromEntries(
      Object.entries(value).map(([key, child]) => [key, this.#visitField(fitting, key, child, depth)]),
    );
  }

  #visitField(parts: readonly JsonSchema[], key: string, value: unknown, depth: number): unknown {
    const schemas = parts.flatMap((part) => fieldOf(part, key));
    return schemas.length === 0 ? this.#hide(value) : this.visit(anyOf(schemas), value, depth + 1);
  }

  /**
   * The schemas of which a schema is combined (`anyOf`, `oneOf`, `allOf`, `$ref`), without those that only
   * combine others.
   */
  #partsOf(schema: unknown): readonly JsonSchema[] {
    const known = this.#parts.get(schema);
    if (known !== undefined) return known;
    const seen = new Set<unknown>();
    const collect = (one: unknown): readonly JsonSchema[] => {
      // An absent or empty schema accepts everything.
      if (!isRecord(one)) return one === false ? [] : [{}];
      if (seen.has(one)) return [];
      seen.add(one);
      const target = this.#follow(one["$ref"]);
      const inner = ["anyOf", "oneOf", "allOf"].flatMap((keyword) => listOf(one[keyword]));
      if (target !== undefined) inner.push(target);
      const isWrapper = inner.length > 0 && !SAYS_MORE.some((keyword) => keyword in one);
      return [...(isWrapper ? [] : [one]), ...inner.flatMap(collect)];
    };
    const parts = collect(schema);
    this.#parts.set(schema, parts);
    return parts;
  }

  #hide(value: unknown): unknown {
    if (isNothing(value)) return value;
    for (const text of secretTexts(value)) this.secrets.push(text);
    return HIDDEN;
  }

  /**
   * Adds the keys of maps to the secrets: they are data as much as the values under them. Names of fields that
   * the schema declares are not.
   */
  #hideKeys(parts: readonly JsonSchema[], value: unknown, depth: number): void {
    if (depth > MAX_DEPTH || typeof value !== "object" || value === null) return;
    for (const [key, child] of Object.entries(value) as [string, unknown][]) {
      const isItem = Array.isArray(value);
      const schemas = isItem ? parts.map(({ items }) => items) : parts.flatMap((part) => fieldOf(part, key));
      if (!isItem && parts.every((part) => !declares(part, key)) && parts.some(isMap))
        this.secrets.push(...secretTexts(key));
      this.#hideKeys(this.#partsOf(anyOf(schemas)), child, depth + 1);
    }
  }

  /** Resolves `#/definitions/Name`, the only form in normalised schemas. */
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

/** Whether a value of this type may fit the schema. */
function letsThrough({ type, ...rest }: JsonSchema, value: unknown): boolean {
  const kind = Array.isArray(value) ? "array" : value === null ? "null" : typeof value;
  if (type === undefined)
    return !("enum" in rest || "const" in rest) || (kind !== "array" && kind !== "object");
  const types = Array.isArray(type) ? (type as readonly unknown[]) : [type];
  return types.includes(kind) || (kind === "number" && types.includes("integer"));
}

function declares({ properties }: JsonSchema, key: string): boolean {
  return isRecord(properties) && Object.hasOwn(properties, key);
}

/** A plain `object` may have any keys too, but nothing in the schema says that they are data. */
function isMap({ additionalProperties }: JsonSchema): boolean {
  return isRecord(additionalProperties);
}

/** The schemas for a field of an object; empty if the schema does not allow the field. */
function fieldOf(
  { properties, additionalProperties: others = true }: JsonSchema,
  key: string,
): readonly unknown[] {
  if (declares({ properties }, key)) return [(properties as JsonSchema)[key]];
  return others === false ? [] : [others];
}

function anyOf(schemas: readonly unknown[]): unknown {
  return schemas.length === 1 ? schemas[0] : { anyOf: schemas };
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
