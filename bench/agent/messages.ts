/** What the harness asks of an agent (a process that runs one library) and what comes back. */
import type { FlowShape, Library, Target } from "../adapters/adapter.js";

/**
 * How a producer enqueues: `oneByOne` awaits each job, `inFlight` awaits `width` at a time, `bulk` hands `width` jobs to
 * the library's call for many.
 */
export type EnqueueMode = "oneByOne" | "inFlight" | "bulk";

export interface EnqueueRequest {
  readonly mode: EnqueueMode;
  /** Sequence number of the first job. */
  readonly from: number;
  readonly count: number;
  readonly width: number;
}

export interface SpacedRequest {
  readonly from: number;
  readonly count: number;
  /** Pause before each job, so that the worker is idle again. */
  readonly pauseMs: number;
}

export interface DueRequest {
  readonly from: number;
  readonly count: number;
  /** All jobs become due at this moment, milliseconds since the epoch. */
  readonly dueAt: number;
}

export interface LoneRequest {
  readonly from: number;
  readonly count: number;
  /** Shortest time until a job is due; each has another one, up to twice as long. */
  readonly delayMs: number;
  /** From the due time of a job until the next one is stored: the job has started and the worker is idle again. */
  readonly restMs: number;
}

export interface StartRequest {
  readonly shape: FlowShape;
  /** Jobs of one graph. */
  readonly size: number;
  readonly from: number;
  readonly graphs: number;
  /** Graphs that are started at a time, each awaited. */
  readonly width: number;
  /** Pause after these, so that they have ended before the next ones start; 0 = none. */
  readonly pauseMs: number;
}

export const OPERATIONS = ["count", "list", "purge"] as const;
/** Of an operator on a backlog: `list` asks for a page of 1,000 jobs. */
export type OperatorRequest = (typeof OPERATIONS)[number];

export interface WorkRequest {
  readonly concurrency: number;
  /** Sequence number of the first job. */
  readonly from: number;
  /** Stop when so many jobs were handled. */
  readonly count: number;
  /** How long each handler takes; 0 returns at once. */
  readonly handlerMs: number;
  /** How long the worker goes on after the last job, for what else there is to do. Default 0. */
  readonly lingerMs?: number;
}

/** Times are microseconds of the machine's monotonic clock, comparable between processes. */
export interface Timing {
  readonly startedAtUs: number;
  readonly endedAtUs: number;
  /** CPU of the process between the two. */
  readonly cpuUs: number;
}

export interface EnqueueReply extends Timing {
  /** `oneByOne`: how long each call took. `spaced`: when each call was made. `lone`: when each job was due. Else empty. */
  readonly timesUs: Float64Array;
}

export interface WorkReply extends Timing {
  /** When each handler started, by sequence number less `from`; 0 where a job did not run. */
  readonly handledAtUs: Float64Array;
  /** Handlers that ran until the worker had stopped; more than asked for when a backlog remains. */
  readonly handled: number;
  /** Jobs that ran more than once. */
  readonly duplicates: number;
}

export type AgentRole = "operator" | "producer" | "starter" | "worker";

/** Every request with its reply. */
export interface Operations {
  open: { request: { library: Library; target: Target; role: AgentRole }; reply: undefined };
  enqueue: { request: EnqueueRequest; reply: EnqueueReply };
  spaced: { request: SpacedRequest; reply: EnqueueReply };
  due: { request: DueRequest; reply: undefined };
  lone: { request: LoneRequest; reply: EnqueueReply };
  start: { request: StartRequest; reply: Timing };
  /** Replies how many jobs there were (0 for `purge`). */
  operate: { request: OperatorRequest; reply: { readonly tookMs: number; readonly jobs: number } };
  unfinished: { request: undefined; reply: number };
  /** Connects a worker; it stands ready and fetches nothing. */
  prepare: { request: WorkRequest; reply: undefined };
  /** Lets the prepared worker run; replies when its jobs are handled and it has stopped. */
  work: { request: undefined; reply: WorkReply };
  /** Lets the prepared worker run until `close`. */
  idle: { request: undefined; reply: undefined };
  cpu: { request: undefined; reply: number };
  close: { request: undefined; reply: undefined };
}
export type Operation = keyof Operations;

export interface AgentRequest {
  readonly id: number;
  readonly operation: Operation;
  readonly request: unknown;
}
export type AgentReply =
  | { readonly id: number; readonly ok: true; readonly reply: unknown }
  | { readonly id: number; readonly ok: false; readonly error: string };
