/**
 * The context of a handler that runs in a host. It asks the worker for everything that needs the job's record
 * or Redis.
 */
import type { Duration } from "../../definition/index.js";
import { Suspended } from "../abort-reasons.js";
import { stubError } from "../attempts/execution.js";
import type { EnqueueOf, Job, Logger, Progress, TaskContext } from "../handler.js";
import { progressText } from "../attempts/notebook.js";
import { childId, spawnChild } from "../attempts/spawn.js";
import { StepInvalid } from "../attempts/step-journal.js";
import { Wait, type WaitOptions } from "../attempts/wait.js";
import { decodeError, encodeError, encodeFields } from "./error-text.js";
import type { Answer, FromHost, SleepTime } from "./messages.js";

interface Call {
  readonly run?: () => unknown;
  /** What `run` has thrown, so that the handler gets the error itself instead of a copy. */
  thrown?: { readonly error: unknown };
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
}

export class HostedContext implements TaskContext {
  readonly idempotencyKey: string;
  readonly log: Logger;
  readonly #job: Job;
  readonly #post: (message: FromHost) => void;
  readonly #controller = new AbortController();
  readonly #calls = new Map<number, Call>();
  readonly #steps = new Set<Promise<unknown>>();
  /** The handler was told that the attempt rests. */
  #rests = false;
  #made = 0;
  #over = false;

  constructor(job: Job, idempotencyKey: string, post: (message: FromHost) => void) {
    this.#job = job;
    this.#post = post;
    this.idempotencyKey = idempotencyKey;
    this.log = loggerTo(job.id, post);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  step<Result>(name: string, fn: () => Result | Promise<Result>): Promise<Result> {
    const asked = this.#ask((call) => ({ type: "step", call, name: sendable(name) }), fn);
    // Nobody has to await a step; the worker logs its failure.
    const ended = (): unknown => this.#steps.delete(asked);
    this.#steps.add(asked);
    asked.then(ended, ended);
    return asked as Promise<Result>;
  }

  spawn<Payload, Options extends object>(
    name: string,
    enqueue: EnqueueOf<Payload, Options>,
    payload: Payload,
    options?: Omit<Options, "id">,
  ): Promise<string> {
    return this.step(name, () => spawnChild(childId(this.idempotencyKey, name), enqueue, payload, options));
  }

  sleep(name: string, time: Duration | Date): Promise<void> {
    const wanted: SleepTime = time instanceof Date ? { until: time.getTime() } : { for: sendable(time) };
    const asked = this.#ask((call) => ({ type: "sleep", call, name: sendable(name), time: wanted }));
    asked.catch(() => undefined);
    return asked as Promise<void>;
  }

  waitFor(name: string, event: string, options: WaitOptions): Wait<never> {
    const { where, timeout } = (options as WaitOptions | undefined) ?? ({} as WaitOptions);
    this.#made += 1;
    const call = this.#made;
    if (!this.#over) {
      const sent = { where: sendableFields(where), timeout: sendable(timeout) };
      this.#post({ type: "listen", call, name: sendable(name), event: sendable(event), options: sent });
    }
    return new Wait(() => this.#answered(call, { type: "await", call }) as Promise<never>);
  }

  progress(value: Progress): void {
    const text = progressText(value);
    if (!this.#over) this.#post({ type: "progress", value: text });
  }

  notImplemented(): Error {
    return stubError(this.#job.task, "defineHandler");
  }

  /** Before an attempt rests, its steps under way end: they would be repeated after the rest. */
  async stepsBeforeRest(): Promise<void> {
    while (this.#rests && this.#steps.size > 0) await Promise.allSettled(this.#steps);
  }

  /** The worker wants the handler to stop. */
  abort(reason: unknown): void {
    this.#controller.abort(reason);
  }

  /** The worker answers that a step is not done yet, so it must be run. */
  async runStep(call: number): Promise<void> {
    const asked = this.#calls.get(call);
    if (asked?.run === undefined) return;
    let answer: Answer;
    try {
      answer = answerOf(await asked.run());
    } catch (error) {
      asked.thrown = { error };
      answer = { error: encodeError(error) };
    }
    if (!this.#over) this.#post({ type: "stepRan", call, ...answer });
  }

  replied(call: number, { error, json }: Answer): void {
    const asked = this.#calls.get(call);
    this.#calls.delete(call);
    if (asked === undefined) return;
    if (error === undefined) asked.resolve(json === undefined ? undefined : JSON.parse(json));
    else if (asked.thrown !== undefined) asked.reject(asked.thrown.error);
    else {
      const thrown = decodeError(error);
      this.#rests ||= thrown instanceof Suspended;
      asked.reject(thrown);
    }
  }

  /**
   * The handler has ended. The host may run another job by now, and calls of this one must not be attributed
   * to it.
   */
  close(): void {
    this.#over = true;
    const error = new StepInvalid("the handler has ended; await every step before it does");
    for (const call of this.#calls.values()) call.reject(error);
    this.#calls.clear();
  }

  #ask(message: (call: number) => FromHost, run?: () => unknown): Promise<unknown> {
    this.#made += 1;
    return this.#answered(this.#made, message(this.#made), run);
  }

  #answered(call: number, message: FromHost, run?: () => unknown): Promise<unknown> {
    if (this.#over)
      return Promise.reject(new StepInvalid("the handler has ended; await every step before it does"));
    this.#post(message);
    return new Promise((resolve, reject) => {
      this.#calls.set(call, { ...(run === undefined ? {} : { run }), resolve, reject });
    });
  }
}

/** The result of a call as JSON. */
export function answerOf(value: unknown): Answer {
  try {
    return { json: JSON.stringify(value) as string | undefined };
  } catch (error) {
    return { unfit: encodeError(error) };
  }
}

function loggerTo(job: string, post: (message: FromHost) => void): Logger {
  const at =
    (level: keyof Logger) =>
    (message: string, fields: Readonly<Record<string, unknown>> = {}): void =>
      post({ type: "log", job, level, message: String(message), fields: encodeFields(fields) });
  return { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
}

/**
 * A value that cannot be sent becomes null, and the worker refuses it as usual: handlers need not be
 * type-checked.
 */
function sendable<Value>(value: Value): Value {
  try {
    return structuredClone(value);
  } catch {
    return null as Value;
  }
}

function sendableFields(where: WaitOptions["where"]): WaitOptions["where"] {
  const fields = typeof where === "object" && where !== null ? Object.entries(where) : [];
  return Object.fromEntries(fields.map(([field, value]) => [field, sendable(value)]));
}
