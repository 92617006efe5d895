/**
 * A workflow as the runtime sees it: pure JSON data, because a run keeps the definition with which it was
 * started. A deploy during a run must not change the data flow of its remaining steps.
 */

import type { LimitedGroup } from "./limited-group.js";

/**
 * An expression that is evaluated with the run's data when a step begins. A missing part of a path gives
 * `undefined`; nothing is ever called.
 */
export type Expression =
  | readonly ["value", unknown]
  /**
   * A path from a root: `input`, `run` (its `id`), `steps` (then the step's name and `result` or `status`),
   * `item`, `index` or `event`.
   */
  | readonly ["path", ...segments: (string | number)[]]
  | readonly ["object", Readonly<Record<string, Expression>>]
  | readonly ["list", readonly Expression[]]
  /** Text with embedded values. */
  | readonly ["text", readonly Expression[]]
  | readonly ["not", Expression]
  | readonly ["??" | "&&" | "||" | "==" | "!=" | "<" | "<=" | ">" | ">=", Expression, Expression];

/** The job of a step. */
export interface StepJob {
  readonly task: string;
  readonly queue: string;
  readonly hash: string;
  readonly payload: Expression;
  /** Overrides of the task's values. */
  readonly maxRetries?: number;
  readonly timeoutMs?: number;
  /** The limit that applies to the job: that of the task or of its queue. */
  readonly limit?: LimitedGroup;
}

/**
 * The event that a step waits for. A run receives such events from its start on, so that none can come too
 * early.
 */
export interface StepWait {
  readonly event: string;
  /**
   * A field of the event, and the value that it must have, which the run knows from its start: an emit finds
   * the run by both.
   */
  readonly field: readonly string[];
  readonly equals: Expression;
  /** The whole condition on the event, with `event` as an additional root. */
  readonly match: Expression;
  /** Counted from when the step begins to wait (ms); after it, the step has failed. */
  readonly timeoutMs: number;
}

/** The run that a step starts. */
export interface StepChild {
  /** One of the definition's `children`. */
  readonly workflow: string;
  readonly input: Expression;
}

/** What happens to the run when a step has failed for good. */
export type FailureRule = "fail" | "continue" | "compensate";

export interface WorkflowStep {
  readonly name: string;
  /** Steps that come before this one; without any, the step begins with the run. */
  readonly needs: readonly string[];
  /** How many of `needs` must have ended before the step begins. Default: all. */
  readonly join?: number;
  /** If false, the step is skipped and the steps after it begin. */
  readonly if?: Expression;
  /** Without a job or a child, the step only waits, for `delayMs` or for an event. */
  readonly job?: StepJob;
  /** The output of the run becomes the step's result. */
  readonly child?: StepChild;
  /** The payload of the event becomes the step's result. */
  readonly waitFor?: StepWait;
  /** Time between the end of the needed steps and the beginning of this one (ms). */
  readonly delayMs?: number;
  /** A list: one job or child per item, at most `maxParallel` at a time. */
  readonly forEach?: Expression;
  readonly maxParallel?: number;
  /** Default: `fail`. */
  readonly onFailure?: FailureRule;
  /** Undoes the completed step when the run is compensated. */
  readonly compensate?: StepJob;
}

export interface WorkflowDefinition {
  readonly name: string;
  /** Hash of all other fields; a run is pinned to it. */
  readonly hash: string;
  /** The queue of the run's own jobs. */
  readonly queue: string;
  /** In topological order: each step after those it needs. */
  readonly steps: readonly WorkflowStep[];
  readonly output?: Expression;
  /** Counted from the run's start (ms); after it, the run begins nothing more. Default: no timeout. */
  readonly timeoutMs?: number;
  /** Default: `compensate`. */
  readonly onTimeout?: "compensate" | "fail";
  /** How long an ended run is kept (ms); a child run is kept as long as its parent. */
  readonly keepMs: number;
  /** Definitions of the child workflows by name, so that a deploy does not change them either. */
  readonly children?: Readonly<Record<string, WorkflowDefinition>>;
}

/** Default `maxParallel` of a `forEach`. */
export const DEFAULT_MAX_PARALLEL = 1000;
