import type { BenchPayload } from "../payload.js";

/** What the harness needs of a queue library. One file beside this one per library; no harness code knows more. */
export interface Adapter {
  openProducer(target: Target): Promise<Producer>;
  /** Connects and stands ready; nothing is fetched before `run()`. */
  openConsumer(target: Target, options: ConsumerOptions): Promise<Consumer>;
  openOperator(target: Target): Promise<Operator>;
  /** Absent where jobs cannot wait for jobs. */
  openStarter?(target: Target): Promise<Starter>;
}

/** What a task can have beside its payload, or a worker be told. Workloads with any of them are for taskweft alone. */
export const FEATURES = [
  "batch",
  "concurrencyKey",
  "dedupeKey",
  "fairnessKey",
  "idempotencyKey",
  "middleware",
  "noClaimAhead",
  "rateLimit",
  "result",
  "step",
  "thread",
] as const;
export type Feature = (typeof FEATURES)[number];

export interface Target {
  readonly host: string;
  readonly port: number;
  /** Whether completed jobs stay in Redis. */
  readonly keepCompleted: boolean;
  readonly features: readonly Feature[];
}

export interface Producer {
  /** One job, through the call that a user would write. */
  add(payload: BenchPayload): Promise<unknown>;
  /** Many jobs, through the library's call for many. */
  addMany(payloads: readonly BenchPayload[]): Promise<unknown>;
  /** Many jobs, all due at `dueAt` (milliseconds since the epoch). */
  addDueAt(payloads: readonly BenchPayload[], dueAt: number): Promise<unknown>;
  /** Jobs that are stored and not completed: waiting, delayed, running or failed. */
  countUnfinished(): Promise<number>;
  close(): Promise<void>;
}

export interface ConsumerOptions {
  readonly concurrency: number;
  readonly onJob: (payload: BenchPayload) => void | Promise<void>;
  /** Anything that goes wrong in the library beside a job: the sample has failed. */
  readonly onFailure: (error: Error) => void;
}

export interface Consumer {
  run(): void;
  /** Stops fetching, waits for running handlers and acknowledges them. */
  close(): Promise<void>;
}

/** `chain`: each job begins after the one before. `fan`: all but the last at once, and the last after them. */
export type FlowShape = "chain" | "fan";

/** Starts graphs of jobs. */
export interface Starter {
  /** One graph of a job for each payload, through the call that a user would write. */
  start(shape: FlowShape, payloads: readonly BenchPayload[]): Promise<unknown>;
  close(): Promise<void>;
}

/** What a person does with a backlog, by the library's own means. */
export interface Operator {
  /** Jobs that wait. */
  count(): Promise<number>;
  /** The first `most` jobs that wait; gives how many there are. */
  list(most: number): Promise<number>;
  /** Removes every job that waits. */
  purge(): Promise<void>;
  close(): Promise<void>;
}

export const LIBRARIES = ["bullmq", "bee", "taskweft"] as const;
export type Library = (typeof LIBRARIES)[number];

/** Loads one library and nothing of the others, so that a process under test holds only what it measures. */
export async function loadAdapter(library: Library): Promise<Adapter> {
  switch (library) {
    case "bee":
      return (await import("./bee.js")).beeAdapter;
    case "bullmq":
      return (await import("./bullmq.js")).bullmqAdapter;
    case "taskweft":
      return (await import("./taskweft.js")).taskweftAdapter;
  }
}
