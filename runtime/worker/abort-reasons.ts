/**
 * Why an attempt was aborted (`ctx.signal.reason` is one of these errors), was never started, or failed
 * without its handler.
 */
import { PermanentError } from "../errors.js";

/** Permanent, because another attempt could only be later still. */
export class StartedTooLate extends PermanentError {
  override readonly name = "StartedTooLate";
  constructor(task: string, lateMs: number) {
    super(
      `${task} was to start within its startWithin, and a worker came to it ${lateMs} ms later; it was not run`,
    );
  }
}

/** Permanent, because the handler has done its work and another attempt would do it again. */
export class ResultTooLarge extends PermanentError {
  override readonly name = "ResultTooLarge";
  constructor(task: string, characters: number, most: number) {
    super(resultTooLarge(`the handler of ${task} returned a result`, characters, most));
  }
}

export function resultTooLarge(what: string, characters: number, most: number): string {
  return `${what} of ${characters} characters of JSON, of which a result may have ${most}; keep what is large elsewhere and return what finds it again, or raise worker.maxResult`;
}

/**
 * Limit for the JSON of a run's output. Redis stores it and sends it to every reader in one piece, and
 * refuses texts above half a gigabyte.
 */
export const MOST_OUTPUT_CHARACTERS = 16 * 1024 * 1024;

/** The reason of a run that fails because of the size of its output. */
export function outputTooLarge(characters: number): string {
  return `ResultTooLarge: the run has an output of ${characters} characters of JSON, of which one may have ${MOST_OUTPUT_CHARACTERS}; name in \`output\` only what is needed of its steps`;
}

/** The project's files were replaced under a running worker. The job waits for one that has read them. */
export class HostOutdated extends Error {
  override readonly name = "HostOutdated";
  constructor(task: string) {
    super(`the host of ${task} has loaded another definition of it than its worker`);
  }
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
 * The handler awaits `ctx.sleep` or `ctx.waitFor`: this attempt ends without being counted, and another one
 * continues when the time has come or the event has arrived.
 */
export class Suspended extends Error {
  override readonly name = "Suspended";
  /** Redis time (ms). */
  readonly wakeAt: number;
  /** Name of the wait for an event; `undefined` for a sleep. */
  readonly wait: string | undefined;
  constructor(kind: "sleeps" | "waits", name: string, wakeAt: number) {
    super(
      `the job ${kind} (${JSON.stringify(name)}) until ${new Date(wakeAt).toISOString()}; let this error pass`,
    );
    this.wakeAt = wakeAt;
    this.wait = kind === "waits" ? name : undefined;
  }
}

/**
 * The thread or process of an isolated task died while the handler ran in it. Only the attempt fails; the
 * worker is not affected.
 */
export class HandlerCrashed extends Error {
  override readonly name = "HandlerCrashed";
  /**
   * @param how exit code or signal.
   * @param cause the uncaught error, if there was one.
   */
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
