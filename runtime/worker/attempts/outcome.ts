/**
 * Decides what happens to a job after an attempt that did not complete. Pure: error, definition and counts
 * in, decision out.
 *
 *   PermanentError, declared `retry: never`      -> dead
 *   declared `retry: { after }`                   -> retry after that; counts unless `countsAttempt: false`
 *   anything else, retries left                   -> retry by the policy
 *   anything else, no retries left                -> dead
 */
import {
  type AnyTaskContract,
  type ErrorRule,
  jitteredDelayMs,
  type ValidationIssue,
} from "../../definition/index.js";
import { PermanentError } from "../../errors.js";
import {
  type JobRun,
  type RecordOptions,
  type RunEvent,
  encodeRun,
  isUnserved,
  outdatedMessage,
  UNSERVED,
  unservedMessage,
  withEvent,
  withEventInstead,
} from "../../protocol/index.js";
import type { Claim } from "../claims/claim.js";

export interface FailedAttempt {
  readonly contract: AnyTaskContract;
  readonly options: RecordOptions;
  readonly run: JobRun;
  readonly error: unknown;
  /** Redis time (ms). */
  readonly now: number;
  /** Returns [0, 1). */
  readonly random: () => number;
}

export interface Decision {
  readonly outcome: "retry" | "dead";
  /** Delay until the retry, or retention of the dead job (ms). */
  readonly ms: number;
  readonly run: string;
}

/**
 * Long messages and stacks would fill Redis: a provider that echoes its request into its errors is enough for
 * that.
 */
const MAX_NAME_CHARACTERS = 120;
const MAX_MESSAGE_CHARACTERS = 4096;
const MAX_STACK_CHARACTERS = 8192;
/** Chains of causes may be circular. */
const MOST_CAUSES = 4;
/** Bounds of the time after which a job returns that was claimed without a handler for it (ms). */
const FIRST_UNSERVED_MS = 1000;
const LONGEST_UNSERVED_MS = 30_000;

export function decideFailure(attempt: FailedAttempt): Decision {
  const { contract, options, run, error } = attempt;
  const rule = ruleFor(contract, error);
  const counts = rule.countsAttempt !== false;
  const attempts = run.attempts + (counts ? 1 : 0);
  const maxRetries = options.maxRetries ?? contract.retry.maxRetries;
  const dead = rule.retry === "never" || (counts && attempts > maxRetries);
  const events = withEvent(run.events, failedEvent(attempt));
  if (dead) {
    return {
      outcome: "dead",
      ms: options.keepDeadMs ?? contract.retention.deadMs,
      run: encodeRun({ ...run, attempts, state: "dead", detail: null, events }),
    };
  }
  const ms =
    rule.retry === "after"
      ? (rule.afterMs ?? 0)
      : jitteredDelayMs(contract.retry.backoff, Math.max(1, attempts), attempt.random);
  return {
    outcome: "retry",
    ms,
    run: encodeRun({ ...run, attempts, state: "retry", detail: null, events }),
  };
}

/**
 * The run of a job whose handler sleeps or waits for an event. No attempt is spent. Only the last of several
 * such events in a row is kept, so that they do not push failures out of the history; workers without a
 * handler, which met the job in between during a deploy, do not break the row.
 */
export function restingRun(run: JobRun, now: number, kind: "slept" | "waited", wakeAt: number): string {
  const isBetween = isUnserved(run.events.at(-1)) && isRest(run.events.at(-2));
  const before = isBetween ? run.events.slice(0, -1) : run.events;
  const add = isRest(before.at(-1)) ? withEventInstead : withEvent;
  const events = add(before, [Math.round(now), kind, wakeAt]);
  return encodeRun({ ...run, state: "pending", detail: null, events });
}

function isRest(event: RunEvent | undefined): boolean {
  return event?.[1] === "slept" || event?.[1] === "waited";
}

/**
 * The run of a job for which this worker has no handler, and the time until the next claim: soon at first,
 * because during a deploy other workers have one, and then twice the time since the last such claim. Only the
 * last of several such events in a row is kept, so that they do not push failures out of the history. A job
 * that rests stays under way, which a retry does not where a newer job has its dedupe key.
 */
export function unservedRun(
  { record, run }: Pick<Claim, "record" | "run">,
  now: number,
  isOutdated = false,
): Pick<Decision, "ms" | "run"> {
  const last = run.events.at(-1);
  const sinceLast = isUnserved(last) ? now - (last?.[0] ?? now) : 0;
  const add = isUnserved(last) ? withEventInstead : withEvent;
  const message = isOutdated ? outdatedMessage(record) : unservedMessage(record);
  const events = add(run.events, [now, "failed", run.attempts + 1, UNSERVED, message, ""]);
  const before = run.events.findLast((event) => !isUnserved(event));
  const state = isRest(before) ? run.state : "retry";
  return {
    ms: Math.min(Math.max(2 * sinceLast, FIRST_UNSERVED_MS), LONGEST_UNSERVED_MS),
    run: encodeRun({ ...run, state, detail: null, events }),
  };
}

function ruleFor(contract: AnyTaskContract, error: unknown): ErrorRule {
  if (error instanceof PermanentError) return { retry: "never" };
  const name = error instanceof Error ? describeError(error).name : "";
  return Object.hasOwn(contract.errors, name)
    ? (contract.errors[name] ?? { retry: "policy" })
    : { retry: "policy" };
}

function failedEvent(attempt: FailedAttempt): JobRun["events"][number] {
  const { name, message, stack } = describeError(attempt.error);
  const number = attempt.run.attempts + 1;
  return [Math.round(attempt.now), "failed", number, name, message, stack];
}

/**
 * Name, message and stack of any thrown value, truncated to what Redis should hold. The message names the
 * causes too: those of `fetch` alone tell why it failed.
 */
export function describeError(error: unknown): { name: string; message: string; stack: string } {
  if (!(error instanceof Error)) {
    return { name: "Error", message: textOf(() => error, MAX_MESSAGE_CHARACTERS), stack: "" };
  }
  return {
    name: textOf(() => error.name, MAX_NAME_CHARACTERS),
    message: textOf(() => messageWithCauses(error), MAX_MESSAGE_CHARACTERS),
    stack: textOf(() => error.stack ?? "", MAX_STACK_CHARACTERS),
  };
}

function messageWithCauses(error: Error, most: number = MOST_CAUSES): string {
  const { cause, message } = error;
  if (cause === undefined || cause === null || most === 0) return message;
  const isError = cause instanceof Error;
  const text = isError ? messageWithCauses(cause, most - 1) || codeOf(cause) : textOf(() => cause, Infinity);
  return message.includes(text) ? message : `${message}; cause: ${text}`;
}

/** An error that stands for several, as for the addresses of a host, may have a code and no message. */
function codeOf(error: Error): string {
  return "code" in error ? String(error.code) : error.name;
}

/**
 * Getters and `toString` of a thrown value may throw themselves; uncaught, that would end the process and all
 * its jobs.
 */
export function textOf(read: () => unknown, length: number): string {
  try {
    return cut(String(read()), length);
  } catch {
    return "(a thrown value that has no text)";
  }
}

function cut(text: string, length: number): string {
  const kept =
    text.length <= length ? text : `${text.slice(0, length)}… (${text.length - length} characters cut)`;
  // Half a surrogate pair, which truncation may create too, is invalid text for readers in other languages.
  return kept.replaceAll(/\p{Surrogate}/gu, "\ufffd");
}

/** The issues of a failed validation, in one line. */
export function issueText(issues: readonly Pick<ValidationIssue, "message" | "path">[]): string {
  return issues.map((issue) => `${issue.path.map(String).join(".") || "value"}: ${issue.message}`).join("; ");
}
