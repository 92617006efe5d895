/**
 * A workflow as the runtime sees it: pure data that JSON holds, because a run keeps the definition it was started with. A deploy
 * in the middle of a run must not map half of it anew.
 */

import type { LimitedGroup } from "./limited-group.js";

/** What is computed from the run when a step begins. Missing parts of a path give `undefined`; nothing is ever called. */
export type Expression =
  | readonly ["value", unknown]
  /** Roots: `input`, `run` (its `id`), `steps` (then the step's name and `result` or `status`), `item`, `index`, `event`. */
  | readonly ["path", ...segments: (string | number)[]]
  | readonly ["object", Readonly<Record<string, Expression>>]
  | readonly ["list", readonly Expression[]]
  /** Text with values in it. */
  | readonly ["text", readonly Expression[]]
  | readonly ["not", Expression]
  | readonly ["??" | "&&" | "||" | "==" | "!=" | "<" | "<=" | ">" | ">=", Expression, Expression];

/** A job that a step makes. */
export interface StepJob {
  readonly task: string;
  readonly queue: string;
  readonly hash: string;
  readonly payload: Expression;
  /** Where they differ from the task's. */
  readonly maxRetries?: number;
  readonly timeoutMs?: number;
  /** The limit that counts for it, of the task or of its queue. */
  readonly limit?: LimitedGroup;
}

/** An event that a step waits for. A run hears of such events from its start, so that none can come too early. */
export interface StepWait {
  readonly event: string;
  /** A field of the event, and what the run knows from its start that it must be: by these an emit finds the run. */
  readonly field: readonly string[];
  readonly equals: Expression;
  /** All that the event must fulfil, with `event` as one more root. */
  readonly match: Expression;
  /** From when the step begins to wait (ms); then it has failed. */
  readonly timeoutMs: number;
}

/** A run that a step makes. */
export interface StepChild {
  /** One of the definition's `children`. */
  readonly workflow: string;
  readonly input: Expression;
}

/** What becomes of the run when a step has failed for good. */
export type FailureRule = "fail" | "continue" | "compensate";

export interface WorkflowStep {
  readonly name: string;
  /** Steps that come before; without any it begins with the run. */
  readonly needs: readonly string[];
  /** How many of `needs` must have ended before it begins. Default: all. */
  readonly join?: number;
  /** False: the step is skipped, and those after it go on. */
  readonly if?: Expression;
  /** Without, and without a child, the step only waits, for `delayMs` or for an event. */
  readonly job?: StepJob;
  /** The output of the run is the step's result. */
  readonly child?: StepChild;
  /** The payload of the event is the step's result. */
  readonly waitFor?: StepWait;
  /** Time between the end of what it needs and its begin (ms). */
  readonly delayMs?: number;
  /** A list: one job or child for each item, at most `maxParallel` at once. */
  readonly forEach?: Expression;
  readonly maxParallel?: number;
  /** Default: `fail`. */
  readonly onFailure?: FailureRule;
  /** Undoes the completed step when the run is compensated. */
  readonly compensate?: StepJob;
}

export interface WorkflowDefinition {
  readonly name: string;
  /** Of everything below; a run is pinned to it. */
  readonly hash: string;
  /** Where the jobs of the run itself wait. */
  readonly queue: string;
  /** Each after those that it needs. */
  readonly steps: readonly WorkflowStep[];
  readonly output?: Expression;
  /** From its start (ms): what has not ended by then begins nothing more. Default: no end. */
  readonly timeoutMs?: number;
  /** Default: `compensate`. */
  readonly onTimeout?: "compensate" | "fail";
  /** How long an ended run is kept (ms); one of a step is kept as long as the run of that. */
  readonly keepMs: number;
  /** Definitions of the workflows that steps run, by name: a deploy changes nothing of them either. */
  readonly children?: Readonly<Record<string, WorkflowDefinition>>;
}

/** Items of one `forEach` that run at once when the definition does not say. */
export const DEFAULT_MAX_PARALLEL = 1000;
