/**
 * The project as codegen understands it after loading: names resolved, units converted, schemas normalised, lists
 * sorted by name. Emitters read this and nothing else.
 */
import type {
  QueueDefinition,
  ScheduleSettings,
  TaskDefinition,
  WorkflowDefinition,
} from "../../runtime/definition/index.js";
import type { Expression, TemplatePart, ValueTemplate } from "./expression.js";
export type { TemplatePart } from "./expression.js";
import type { JsonSchema, JsonValue } from "./json-schema.js";

/** Where something stands in a definition file; `file` is relative to the project and uses `/`. Lines and columns count from 1. */
export interface SourcePosition {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

export interface ErrorModel {
  /** The class name, e.g. `InsufficientFunds`. */
  readonly name: string;
  readonly description?: string;
}

export interface TaskModel {
  /** Resolved settings and the definition's hash, exactly as the runtime gets them. */
  readonly definition: TaskDefinition;
  /** `payment:process` -> `PaymentProcess`. Unique in the project, also after lower-casing. */
  readonly identifier: string;
  /** `payment:process` -> `payment/process`. Unique in the project, also after lower-casing. */
  readonly modulePath: string;
  readonly description?: string;
  readonly owner?: string;
  readonly source: SourcePosition;
  /** Self-contained: every `ref` node names one of the schema's own definitions. */
  readonly payload: JsonSchema;
  /** Absent: the handler returns nothing. */
  readonly result?: JsonSchema;
  /** The parts of `idempotency.key`: literal text and payload paths. */
  readonly idempotencyKey?: readonly TemplatePart[];
  /** The parts of `dedupe.key`. */
  readonly dedupeKey?: readonly TemplatePart[];
  /** The parts of `concurrency.key`. */
  readonly concurrencyKey?: readonly TemplatePart[];
  /** The parts of `batch.key`. */
  readonly batchKey?: readonly TemplatePart[];
  /** The parts of `fairness.key`. */
  readonly fairnessKey?: readonly TemplatePart[];
  /** The parts of `rateLimit.key`. */
  readonly rateLimitKey?: readonly TemplatePart[];
  /** Sorted by name. */
  readonly errors: readonly ErrorModel[];
}

export interface QueueModel extends QueueDefinition {
  readonly description?: string;
  readonly source?: SourcePosition;
}

export type ScheduleModel = JobScheduleModel | RunScheduleModel;

export interface JobScheduleModel extends ScheduleSettings {
  readonly description?: string;
  /** Name of the task. */
  readonly task: string;
  /** Fits the task's payload. */
  readonly payload: JsonValue;
}

export interface RunScheduleModel extends ScheduleSettings {
  readonly description?: string;
  /** Name of the workflow. */
  readonly workflow: string;
  /** Fits the workflow's input. */
  readonly input: JsonValue;
}

export interface EventModel {
  readonly name: string;
  /** `order:created` -> `OrderCreated`. Unique among events, also after lower-casing. */
  readonly identifier: string;
  readonly description?: string;
  readonly source: SourcePosition;
  readonly payload: JsonSchema;
  /** How long events of it are kept (ms). Absent: they are not. */
  readonly keepMs?: number;
  /** Those that hear of it, sorted by name. */
  readonly observers: readonly ObserverModel[];
}

export interface ObserverModel {
  readonly name: string;
  readonly description?: string;
  readonly source: SourcePosition;
  /** A condition over `event`. Absent: every event. */
  readonly when?: Expression;
  /** In the order of the file: an action's place is part of the ids of its jobs. */
  readonly actions: readonly (ActionModel | StartModel)[];
}

export interface StartModel {
  /** Name of the workflow of which a run is started. */
  readonly workflow: string;
  /** Its input, of `event`. */
  readonly input: ValueTemplate;
}

export interface ActionModel {
  /** Name of the task of which a job is enqueued. */
  readonly task: string;
  /** Its payload, of `event`; fits the task. */
  readonly payload: ValueTemplate;
  readonly delayMs?: number;
  /** Instead of the task's. */
  readonly queue?: string;
}

export interface WorkflowModel {
  /** As the runtime gets it, with its hash; the steps in an order in which each comes after those that it needs. */
  readonly definition: WorkflowDefinition;
  /** `order:checkout` -> `OrderCheckout`. Unique among workflows, also after lower-casing. */
  readonly identifier: string;
  readonly description?: string;
  readonly owner?: string;
  readonly source: SourcePosition;
  readonly input: JsonSchema;
  /** Absent: a run gives nothing. */
  readonly output?: JsonSchema;
  readonly idempotency?: { readonly key: readonly TemplatePart[]; readonly ttlMs: number };
  /** All that is computed in a run, in the order of the steps; the same as the definition's expressions. */
  readonly mappings: readonly MappingModel[];
}

export interface MappingModel {
  /** Absent: of the run. */
  readonly step?: string;
  readonly part: "compensate" | "forEach" | "if" | "match" | "output" | "with";
  readonly value: ValueTemplate;
  /** Whose payload it is; of `compensate` and `with`. */
  readonly task?: string;
  /** Whose input it is; of `with`. */
  readonly workflow?: string;
  /** What `forEach` gives one of, and `with` then reads as `item`. */
  readonly item?: JsonSchema;
  /** Which `match` reads. */
  readonly event?: string;
  /** What it reads of steps, sorted by step. */
  readonly reads: readonly ReadModel[];
}

export interface ReadModel {
  readonly step: string;
  /** Whose result it is. Absent: only the status is read. */
  readonly task?: string;
  /** Whose output is its result. */
  readonly workflow?: string;
  /** Whose payload is its result. */
  readonly event?: string;
  /** How the step may have ended, where that is read. */
  readonly statuses?: readonly string[];
  /** The result of a fan-out is a list; of items that failed it holds null. */
  readonly list?: { readonly mayHoldNull: boolean };
  /** It may have been skipped, have failed, or not have ended: then there is no result. */
  readonly optional: boolean;
  /** It has surely ended. */
  readonly ended: boolean;
}

export interface ProjectModel {
  readonly tasks: readonly TaskModel[];
  /** Sorted by name. */
  readonly events: readonly EventModel[];
  /** Sorted by name. */
  readonly schedules: readonly ScheduleModel[];
  readonly queues: readonly QueueModel[];
  /** Sorted by name. */
  readonly workflows: readonly WorkflowModel[];
  /** Names of `retryPolicies` and `schemas`, sorted: what the project's own tasks.schema.json offers for completion. */
  readonly retryPolicies?: readonly string[];
  readonly schemas?: readonly string[];
  /** Every definition file and every `$ref`d schema file that was read, relative, sorted: what watch looks at. */
  readonly files: readonly string[];
}
