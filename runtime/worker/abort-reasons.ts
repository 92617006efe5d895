/** Why an attempt was aborted: `ctx.signal.reason` is one of these; and why one was never begun, or ended without its handler. */
import { PermanentError } from "../errors.js";

/** Another attempt could only be later still, so it is permanent. */
export class StartedTooLate extends PermanentError {
  override readonly name = "StartedTooLate";
  constructor(task: string, lateMs: number) {
    super(
      `${task} was to start within its startWithin, and a worker came to it ${lateMs} ms later; it was not run`,
    );
  }
}

/** The handler has done its work and would do it again: permanent. */
export class ResultTooLarge extends PermanentError {
  override readonly name = "ResultTooLarge";
  constructor(task: string, characters: number, most: number) {
    super(resultTooLarge(`the handler of ${task} returned a result`, characters, most));
  }
}

export function resultTooLarge(what: string, characters: number, most: number): string {
  return `${what} of ${characters} characters of JSON, of which a result may have ${most}; keep what is large elsewhere and return what finds it again, or raise worker.maxResult`;
}

/** Of the JSON of a run's output. Redis stores and every reader gets it in one piece; beyond half a gigabyte it takes no text at all. */
export const MOST_OUTPUT_CHARACTERS = 16 * 1024 * 1024;

/** Why a run has failed that would have such an output. */
export function outputTooLarge(characters: number): string {
  return `ResultTooLarge: the run has an output of ${characters} characters of JSON, of which one may have ${MOST_OUTPUT_CHARACTERS}; name in \`output\` only what is needed of its steps`;
}

export class TimeoutExceeded extends Error {
  override readonly name = "TimeoutExceeded";
  constructor(task: string, timeoutMs: number) {
    super(`${task} ran longer than its timeout of ${timeoutMs} ms`);
  }
}

export class Cancelled extends Error {
  override readonly name = "Cancelled";
  constructor() {
    super("the job was cancelled");
  }
}

/**
 * The handler awaits `ctx.sleep` or `ctx.waitFor`: the attempt ends here, unspent, and another one goes on when the time has come, or the
 * event.
 */
export class Suspended extends Error {
  override readonly name = "Suspended";
  /** Redis time (ms). */
  readonly wakeAt: number;
  /** Name of the wait for an event; `undefined` where only time ends it. */
  readonly wait: string | undefined;
  constructor(kind: "sleeps" | "waits", name: string, wakeAt: number) {
    super(
      `the job ${kind} (${JSON.stringify(name)}) until ${new Date(wakeAt).toISOString()}; let this error pass`,
    );
    this.wakeAt = wakeAt;
    this.wait = kind === "waits" ? name : undefined;
  }
}

/** The thread or process of an isolated task died while the handler ran there: its attempt has failed, nothing else. */
export class HandlerCrashed extends Error {
  override readonly name = "HandlerCrashed";
  /** `how`: exit code or signal; `cause`: an error that nothing caught, where there was one. */
  constructor(kind: "process" | "thread", what: string, how: string, cause?: unknown) {
    const reason = cause instanceof Error ? `: ${cause.name}: ${cause.message}` : "";
    super(
      `the ${kind} that ran ${what} ended (${how})${reason}`,
      cause === undefined ? undefined : { cause },
    );
    if (cause instanceof Error) this.stack = `${this.stack}\ncaused by ${cause.stack}`;
  }
}

export class LeaseLost extends Error {
  override readonly name = "LeaseLost";
  constructor() {
    super("the worker's lease ended, so another worker may run this job; its outcome here is not recorded");
  }
}

export class ShuttingDown extends Error {
  override readonly name = "ShuttingDown";
  constructor() {
    super("the worker stops and the grace is over; the job is handed back and this attempt does not count");
  }
}
