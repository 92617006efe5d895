import type { SensitivePath } from "./secrets.js";
import type { TaskDefinition } from "./task-definition.js";

/** One problem of a value: where it is, and what was expected. */
export interface ValidationIssue {
  readonly path: readonly PropertyKey[];
  readonly message: string;
}

/** The part of a zod schema that the runtime uses; any object with this method will do. */
export interface Validator<Value> {
  safeParse(
    value: unknown,
  ):
    | { readonly success: true; readonly data: Value }
    | { readonly success: false; readonly error: { readonly issues: readonly ValidationIssue[] } };
}

/** Validators are built on first use: a producer that enqueues one task of two hundred builds one. */
export interface TaskSchemas<Payload, Result> {
  /** Used by producers: rejects unknown keys. */
  readonly payloadStrict: () => Validator<Payload>;
  /** Used by workers: ignores unknown keys, so that a newer producer does not break an older worker. */
  readonly payloadLoose: () => Validator<Payload>;
  /** Absent if the task declares no result. */
  readonly result?: () => Validator<Result>;
}

/** A task as generated code hands it to the runtime. */
export interface TaskContract<Payload = unknown, Result = unknown> extends TaskDefinition {
  readonly schemas: TaskSchemas<Payload, Result>;
  /** Paths of the payload's sensitive fields, which must not appear in logs. Absent: none. */
  readonly sensitive?: readonly SensitivePath[];
  /** Paths of the sensitive fields of the events in `waitsFor`, by event name. */
  readonly sensitiveEvents?: Readonly<Record<string, readonly SensitivePath[]>>;
  /** Compiled from `idempotency.key`; absent if the task declares none. */
  readonly idempotencyKey?: (payload: Payload) => string;
  /** Compiled from `dedupe.key`; absent if the task declares none. */
  readonly dedupeKey?: (payload: Payload) => string;
  /** Compiled from `concurrency.key`. Absent: all jobs of the task share the limit. */
  readonly concurrencyKey?: (payload: Payload) => string;
  /**
   * Compiled from `fairness.key`: jobs of different keys take turns. Absent: jobs start in order of arrival.
   */
  readonly fairnessKey?: (payload: Payload) => string;
  /** Compiled from `batch.key`. Absent: any jobs of the task can share a batch. */
  readonly batchKey?: (payload: Payload) => string;
  /** Compiled from `rateLimit.key`. Absent: all jobs of the task share the rate. */
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
