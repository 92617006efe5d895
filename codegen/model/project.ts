/**
 * The project after loading: names resolved, units converted, schemas normalised, lists sorted by name.
 * Emitters read only this.
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

/**
 * A position in a definition file; `file` is relative to the project and uses `/`. Lines and columns count
 * from 1.
 */
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
  /** `PaymentProcess` for `payment:process`. Unique in the project, also in lower case. */
  readonly identifier: string;
  /** `payment/process` for `payment:process`. Unique in the project, also in lower case. */
  readonly modulePath: string;
  readonly description?: string;
  readonly owner?: string;
  readonly source: SourcePosition;
  /** Self-contained: every `ref` node names one of the schema's own definitions. */
  readonly payload: JsonSchema;
  /** Absent if the handler returns nothing. */
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
  /** Fits the task's payload schema. */
  readonly payload: JsonValue;
}

export interface RunScheduleModel extends ScheduleSettings {
  readonly description?: string;
  /** Name of the workflow. */
  readonly workflow: string;
  /** Fits the workflow's input schema. */
  readonly input: JsonValue;
}

export interface EventModel {
  readonly name: string;
  /** `OrderCreated` for `order:created`. Unique among events, also in lower case. */
  readonly identifier: string;
  readonly description?: string;
  readonly source: SourcePosition;
  readonly payload: JsonSchema;
  /** How long its events are retained (ms). Absent: not at all. */
  readonly keepMs?: number;
  /** The event's observers, sorted by name. */
  readonly observers: readonly ObserverModel[];
}

export interface ObserverModel {
  readonly name: string;
  readonly description?: string;
  readonly source: SourcePosition;
  /** A condition on `event`. Absent: every event. */
  readonly when?: Expression;
  /** In the order of the file, because an action's position is part of the ids of its jobs. */
  readonly actions: readonly (ActionModel | StartModel)[];
}

export interface StartModel {
  /** Name of the workflow to start. */
  readonly workflow: string;
  /** The input of the run, computed from `event`. */
  readonly input: ValueTemplate;
}

export interface ActionModel {
  /** Name of the task to enqueue. */
  readonly task: string;
  /** The payload of the job, computed from `event`; fits the task's schema. */
  readonly payload: ValueTemplate;
  readonly delayMs?: number;
  /** Overrides the task's queue. */
  readonly queue?: string;
}

export interface WorkflowModel {
  /** As the runtime gets it, with its hash. The steps are in topological order. */
  readonly definition: WorkflowDefinition;
  /** `OrderCheckout` for `order:checkout`. Unique among workflows, also in lower case. */
  readonly identifier: string;
  readonly description?: string;
  readonly owner?: string;
  readonly source: SourcePosition;
  readonly input: JsonSchema;
  /** Absent if a run has no output. */
  readonly output?: JsonSchema;
  readonly idempotency?: { readonly key: readonly TemplatePart[]; readonly ttlMs: number };
  /**
   * Everything that is computed in a run, in the order of the steps; the same as the definition's
   * expressions.
   */
  readonly mappings: readonly MappingModel[];
}

export interface MappingModel {
  /** The step it belongs to; absent for the run's output. */
  readonly step?: string;
  readonly part: "compensate" | "forEach" | "if" | "match" | "output" | "with";
  readonly value: ValueTemplate;
  /** Task whose payload it computes (`with`, `compensate`). */
  readonly task?: string;
  /** Workflow whose input it computes (`with`). */
  readonly workflow?: string;
  /** The type of an item of `forEach`, which `with` reads as `item`. */
  readonly item?: JsonSchema;
  /** The event that `match` reads. */
  readonly event?: string;
  /** What the mapping reads of steps, sorted by step. */
  readonly reads: readonly ReadModel[];
}

export interface ReadModel {
  readonly step: string;
  /** Task whose result is read. Absent if only the status is read. */
  readonly task?: string;
  /** Workflow whose output is read as the result. */
  readonly workflow?: string;
  /** Event whose payload is read as the result. */
  readonly event?: string;
  /** The possible states of the ended step, if its status is read. */
  readonly statuses?: readonly string[];
  /** For a fan-out, whose result is a list: it contains null for failed items. */
  readonly list?: { readonly mayHoldNull: boolean };
  /** There may be no result, because the step may have been skipped, have failed, or not have ended. */
  readonly optional: boolean;
  /** The step is certain to have ended. */
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
  /**
   * Names of `retryPolicies` and `schemas`, sorted: offered for completion by the project's own
   * tasks.schema.json.
   */
  readonly retryPolicies?: readonly string[];
  readonly schemas?: readonly string[];
  /**
   * Every definition file and every schema file named by a `$ref` that was read; relative, sorted. Watch
   * observes them.
   */
  readonly files: readonly string[];
}
