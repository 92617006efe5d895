import type { SensitivePath } from "./secrets.js";
import type { TaskDefinition } from "./task-definition.js";

/** One thing wrong with a value: where, and what was expected. */
export interface ValidationIssue {
  readonly path: readonly PropertyKey[];
  readonly message: string;
}

/** The part of a zod schema that the runtime uses; anything that answers the same way will do. */
export interface Validator<Value> {
  safeParse(
    value: unknown,
  ):
    | { readonly success: true; readonly data: Value }
    | { readonly success: false; readonly error: { readonly issues: readonly ValidationIssue[] } };
}

/** Validators are built on first use: a producer that enqueues one task of two hundred pays for one. */
export interface TaskSchemas<Payload, Result> {
  /** Used by producers: an unknown key is an error. */
  readonly payloadStrict: () => Validator<Payload>;
  /** Used by workers: an unknown key is ignored, so that a newer producer does not break an older worker. */
  readonly payloadLoose: () => Validator<Payload>;
  /** Absent when the task declares no result. */
  readonly result?: () => Validator<Result>;
}

/** A task as generated code hands it to the runtime. */
export interface TaskContract<Payload = unknown, Result = unknown> extends TaskDefinition {
  readonly schemas: TaskSchemas<Payload, Result>;
  /** Where the payload holds what must not be seen in logs. Absent: nowhere. */
  readonly sensitive?: readonly SensitivePath[];
  /** The same of the events of `waitsFor`, by their names. */
  readonly sensitiveEvents?: Readonly<Record<string, readonly SensitivePath[]>>;
  /** Compiled from `idempotency.key`; only when the task declares one. */
  readonly idempotencyKey?: (payload: Payload) => string;
  /** Compiled from `dedupe.key`; only when the task declares one. */
  readonly dedupeKey?: (payload: Payload) => string;
  /** Compiled from `concurrency.key`; without one all jobs of the task share the limit. */
  readonly concurrencyKey?: (payload: Payload) => string;
  /** Compiled from `fairness.key`: jobs of different keys take turns. Absent: they start in the order in which they came. */
  readonly fairnessKey?: (payload: Payload) => string;
  /** Compiled from `batch.key`; without one any jobs of the task share a batch. */
  readonly batchKey?: (payload: Payload) => string;
  /** Compiled from `rateLimit.key`; without one all jobs of the task share the rate. */
  readonly rateLimitKey?: (payload: Payload) => string;
}

/** A contract whose payload type does not matter: for lists of all tasks of a project. */
export interface AnyTaskContract extends TaskDefinition {
  readonly schemas: TaskSchemas<unknown, unknown>;
  readonly sensitive?: readonly SensitivePath[];
  readonly sensitiveEvents?: Readonly<Record<string, readonly SensitivePath[]>>;
  readonly idempotencyKey?: (payload: never) => string;
  readonly dedupeKey?: (payload: never) => string;
  readonly concurrencyKey?: (payload: never) => string;
  readonly fairnessKey?: (payload: never) => string;
  readonly batchKey?: (payload: never) => string;
  readonly rateLimitKey?: (payload: never) => string;
}
