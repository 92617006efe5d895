/**
 * Workflow runs as the inspector shows them. Times are milliseconds since the epoch, by the clock of Redis.
 */

/** In the order of a run's life. The first five are unfinished. */
export const RUN_STATES = [
  "running",
  /** A step has failed for good; the running steps are awaited. */
  "failing",
  /** Like `failing`, after which the completed steps are compensated. */
  "compensating",
  "cancelling",
  "retrying",
  "completed",
  "failed",
  "cancelled",
] as const;
export type RunState = (typeof RUN_STATES)[number];

/** The summary of a run. */
export interface RunSummary {
  readonly id: string;
  readonly workflow: string;
  /** For a child run: its parent and the step or, in a fan-out, the item (`pack.3`). */
  readonly parent?: { readonly run: string; readonly step: string };
  readonly state: RunState;
  readonly startedAt: number;
  readonly endedAt?: number;
  /** When an ended run will be removed. A child run is removed with its parent. */
  readonly removedAt?: number;
  /**
   * failed, cancelled: the reason. Without all schemas, a list shows only the step and the name of its error.
   */
  readonly error?: string;
  /**
   * In lists: the time by which they are sorted (ms), the latest first. For a run that goes on about its start,
   * for an ended one the end of its retention, which is not heeded while a run that it is a step of is kept.
   */
  readonly listedBy?: number;
}

export interface RunListOptions {
  /** Only runs in this state. Default: all. */
  readonly state?: RunState;
  /** Only runs of this workflow. Default: all. */
  readonly workflow?: string;
  /** Only child runs of this run. Default: all. */
  readonly parent?: string;
  /** Only top-level runs. Default: all. */
  readonly roots?: boolean;
  /** Runs per page, 1 to 1000. Default 50. */
  readonly limit?: number;
  /** `next` of the previous page. Default: from the start. */
  readonly cursor?: string;
}

export interface RunPage {
  readonly runs: readonly RunSummary[];
  /** Absent on the last page. Runs that end between pages may be listed twice or not at all. */
  readonly next?: string;
}

export type RunStepState =
  /** Waits for steps before it. */
  | "waiting"
  /** Its turn has not come, and will not come in the present state of the run. */
  | "not-begun"
  /** The state of its job. A fan-out is `active` while its items run. */
  | "pending"
  | "scheduled"
  | "active"
  | "retry"
  | "completed"
  | "skipped"
  | "failed"
  | "cancelled";

/** Items of a fan-out, counted by how they ended. */
export interface RunItems {
  readonly total: number;
  readonly completed: number;
  readonly failed: number;
  readonly cancelled: number;
  /** The first failed items, at most ten. `run`: id of the child run, if the items are runs. */
  readonly failures: readonly { readonly index: number; readonly failure: string; readonly run?: string }[];
  /** For items that are runs: prefix of their ids, followed by a dot and the index. */
  readonly runs?: string;
}

export interface RunUndoing {
  readonly task: string;
  readonly state: "pending" | "scheduled" | "active" | "retry" | "completed" | "failed";
  readonly endedAt?: number;
  readonly failure?: string;
}

export interface RunStep {
  readonly name: string;
  /** Absent for a step that only waits or is a child run. */
  readonly task?: string;
  /** Present for a step that is a child run. */
  readonly workflow?: string;
  /** Present for a step that waits for an event. */
  readonly event?: string;
  /** Id of the child run once it has been started; absent for a fan-out. */
  readonly run?: string;
  readonly state: RunStepState;
  /** When the step's job was enqueued. */
  readonly begunAt?: number;
  readonly endedAt?: number;
  /** scheduled, retry: when the job is due. */
  readonly dueAt?: number;
  /** Attempts of the job, including those that lost their worker; absent for a fan-out. */
  readonly attempts?: number;
  /** active: the worker that holds the job. */
  readonly worker?: string;
  /** Id of the step's job, while it exists. */
  readonly job?: string;
  /** completed: the result, if there was one; absent for a fan-out. */
  readonly result?: unknown;
  /** failed: the reason. retry: the last error. */
  readonly failure?: string;
  /** Present for a fan-out that has begun. */
  readonly items?: RunItems;
  /** waiting: needed steps that have not ended. */
  readonly waitsFor?: readonly string[];
  /** waiting: how many of `waitsFor` must end before the step begins, if not all. */
  readonly waitsForCount?: number;
  /** The compensation of the step, if it was requested. */
  readonly undoing?: RunUndoing;
}

/** All details of a run. */
export interface RunDetails extends RunSummary {
  /** First 8 hex digits of the hash of the definition that the run is pinned to. */
  readonly hash: string;
  readonly input: unknown;
  /** completed only; absent if the workflow has no output. */
  readonly output?: unknown;
  /** True if `input` and `output` are left out because it is unknown which fields are sensitive. */
  readonly hidden: boolean;
  /** In topological order: each step after those it needs. */
  readonly steps: readonly RunStep[];
}
