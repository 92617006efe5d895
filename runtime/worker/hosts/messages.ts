/**
 * The messages between a worker and one of its hosts. A host is the thread or process in which the handlers
 * of isolated tasks run, one job at a time. Everything here can be copied. Results are JSON texts, because
 * they are stored as JSON anyway.
 *
 *   worker: start --> host: ready | failed        worker: load --> host: ended
 *   worker: run ----> host: (log | progress | step | sleep | listen | await)* ended, or outdated
 *   host: step -----> worker: doStep (unless it is done already) --> host: stepRan --> worker: reply
 */
import type { Duration } from "../../definition/index.js";
import type { Enqueued, Snapshot } from "../../metrics/index.js";
import type { Job, Logger } from "../handler.js";
import type { WaitOptions } from "../attempts/wait.js";
import type { FieldText, Thrown } from "./error-text.js";

/** Where the client of a host's handlers connects to: `ClientOptions` with plain values. */
export interface HostClient {
  readonly url: string;
  readonly redis: Readonly<Record<string, unknown>>;
  readonly prefix: string;
  readonly shards: number;
}

export interface HostStart {
  readonly type: "start";
  /** URL of the module that makes the registry. */
  readonly module: string;
  /**
   * Absent when the worker's connection cannot be copied; then handlers that enqueue must connect by
   * themselves.
   */
  readonly client?: HostClient;
}

/** A duration, or a time in milliseconds since the epoch. */
export type SleepTime = { readonly for: Duration } | { readonly until: number };

export type ToHost =
  | HostStart
  | { readonly type: "load"; readonly tasks: readonly string[] }
  /** `hash`: of the definition that the worker has of the task. */
  | { readonly type: "run"; readonly job: Job; readonly idempotencyKey: string; readonly hash: string }
  | { readonly type: "abort"; readonly reason: Thrown }
  | { readonly type: "doStep"; readonly call: number }
  | ({ readonly type: "reply"; readonly call: number } & Answer)
  | { readonly type: "end" };

export type FromHost =
  | { readonly type: "ready" }
  | { readonly type: "failed"; readonly error: Thrown }
  | { readonly type: "crash"; readonly error: Thrown }
  // Reports what handlers have enqueued and started since the last message, because the worker counts it.
  | ({
      readonly type: "ended";
      readonly enqueued?: readonly Enqueued[];
      readonly counted?: Snapshot;
    } & Answer)
  // Instead of "ended": the host has another definition of the task, or none, and has not run the job.
  | { readonly type: "outdated" }
  | {
      readonly type: "log";
      readonly job: string;
      readonly level: keyof Logger;
      readonly message: string;
      readonly fields: FieldText;
    }
  | { readonly type: "progress"; readonly value: string }
  | { readonly type: "step"; readonly call: number; readonly name: string }
  | ({ readonly type: "stepRan"; readonly call: number } & Answer)
  | { readonly type: "sleep"; readonly call: number; readonly name: string; readonly time: SleepTime }
  | {
      readonly type: "listen";
      readonly call: number;
      readonly name: string;
      readonly event: string;
      readonly options: WaitOptions;
    }
  /** With the same call number as `listen`: the handler awaits that event. */
  | { readonly type: "await"; readonly call: number };

/**
 * The answer to a call: an error, the reason why the value has no JSON, or its JSON (`undefined` when there
 * is no value).
 */
export interface Answer {
  readonly error?: Thrown;
  readonly unfit?: Thrown;
  readonly json?: string | undefined;
}

/** The host's end of the channel; made by host-body.js. */
export interface HostPort {
  post(message: FromHost): void;
  listen(listener: (message: ToHost) => void): void;
  /** Ends the thread or process. */
  exit(): void;
}
