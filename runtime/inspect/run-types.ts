/** What is shown of workflow runs. Times are milliseconds since the epoch, by the clock of Redis. */

/** In the order of a run's life. The first five have not ended. */
export const RUN_STATES = [
  "running",
  /** A step has failed for good; what runs is waited for. */
  "failing",
  /** As `failing`, and then what completed is undone. */
  "compensating",
  "cancelling",
  "retrying",
  "completed",
  "failed",
  "cancelled",
] as const;
export type RunState = (typeof RUN_STATES)[number];

/** A run in one line. */
export interface RunSummary {
  readonly id: string;
  readonly workflow: string;
  /** Of a run that is a step of another: that one, and its step or, of a fan-out, item (`pack.3`). */
  readonly parent?: { readonly run: string; readonly step: string };
  readonly state: RunState;
  readonly startedAt: number;
  readonly endedAt?: number;
  /** When it will be removed, of one that has ended. One that is a step is removed with its parent. */
  readonly removedAt?: number;
  /** failed, cancelled: why. In a list for people without all schemas only the step and the name of its error. */
  readonly error?: string;
}

export interface RunListOptions {
  /** Only runs in this state. Default: all. */
  readonly state?: RunState;
  /** Only runs of this workflow. Default: all. */
  readonly workflow?: string;
  /** Only runs that are steps of this run. Default: all. */
  readonly parent?: string;
  /** Only runs that are no steps of others. Default: all. */
  readonly roots?: boolean;
  /** Most runs of a page, 1 to 1000. Default 50. */
  readonly limit?: number;
  /** `next` of the page before. Default: from the start. */
  readonly cursor?: string;
}

export interface RunPage {
  readonly runs: readonly RunSummary[];
  /** Absent on the last page. Runs that end while pages are read may be seen twice or not at all. */
  readonly next?: string;
}

export type RunStepState =
  /** For steps before it. */
  | "waiting"
  /** Its turn has not come, and does not come as the run is now. */
  | "not-begun"
  /** As its job. `active` also while the items of a fan-out run. */
  | "pending"
  | "scheduled"
  | "active"
  | "retry"
  | "completed"
  | "skipped"
  | "failed"
  | "cancelled";

/** Items of a fan-out by how they ended. */
export interface RunItems {
  readonly total: number;
  readonly completed: number;
  readonly failed: number;
  readonly cancelled: number;
  /** The first that failed, at most ten; `run`: of items that are runs, its id. */
  readonly failures: readonly { readonly index: number; readonly failure: string; readonly run?: string }[];
  /** Of items that are runs: what their ids begin with; a dot and the index follow. */
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
  /** Absent for a step that only waits, or is a run. */
  readonly task?: string;
  /** Of a step that is a run. */
  readonly workflow?: string;
  /** Of a step that waits for one. */
  readonly event?: string;
  /** Id of that run, once it has been started; not of a fan-out. */
  readonly run?: string;
  readonly state: RunStepState;
  /** When its job was enqueued. */
  readonly begunAt?: number;
  readonly endedAt?: number;
  /** scheduled, retry: when it is due. */
  readonly dueAt?: number;
  /** Of its job, with those that lost their worker; not of a fan-out. */
  readonly attempts?: number;
  /** active: who holds it. */
  readonly worker?: string;
  /** Id of its job, while there is one. */
  readonly job?: string;
  /** completed; not of a fan-out. Absent when there was none. */
  readonly result?: unknown;
  /** failed: why. retry: the last error. */
  readonly failure?: string;
  /** Of a fan-out that has begun. */
  readonly items?: RunItems;
  /** waiting: steps that it needs and that have not ended. */
  readonly waitsFor?: readonly string[];
  /** waiting: how many of `waitsFor` must end before it begins, where that is not all. */
  readonly waitsForCount?: number;
  /** What undoes it, when that was asked for. */
  readonly undoing?: RunUndoing;
}

/** All that is stored about a run. */
export interface RunDetails extends RunSummary {
  /** First 8 hex digits of the hash of the definition that it is pinned to. */
  readonly hash: string;
  readonly input: unknown;
  /** completed only; absent when the workflow has none. */
  readonly output?: unknown;
  /** True when `input` and `output` are left out because nobody said which fields are sensitive. */
  readonly hidden: boolean;
  /** Each after those that it needs. */
  readonly steps: readonly RunStep[];
}
