/**
 * One host, as its worker sees it. It runs one turn at a time. When the handler there uses its context, the
 * execution of the job answers here.
 *
 *   starting --ready--> free --begin--> busy --ended--> free
 *   busy --(abort, and patience ends)--> gone       any --(it dies, or is ended when idle)--> gone
 */
import type { IsolateRule } from "../../definition/index.js";
import { HandlerCrashed, HostOutdated } from "../abort-reasons.js";
import { ABORT_PATIENCE_MS, type Execution } from "../attempts/execution.js";
import { processMetrics } from "../../metrics/index.js";
import type { Job, Logger } from "../handler.js";
import { Wait } from "../attempts/wait.js";
import { type Channel, openChannel } from "./channel.js";
import { decodeError, decodeFields, encodeError } from "./error-text.js";
import type { Answer, FromHost, HostStart, SleepTime } from "./messages.js";

/** Longest time to load the module (ms). */
const START_LIMIT_MS = 30_000;
/** How long a host may take to close its resources (ms). */
const END_LIMIT_MS = 1000;

/**
 * What a host does in one turn: run the attempt of a job, or load handlers to check that they can be loaded.
 */
export type Turn = {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
} & ({ readonly job: Job; readonly execution: Execution } | { readonly tasks: readonly string[] });

export interface HostPorts {
  readonly rule: IsolateRule;
  readonly start: HostStart;
  readonly logger: Logger;
  /** How long the host may be idle before it is ended (ms). */
  readonly idleMs: number;
  readonly onFree: () => void;
  /**
   * The host takes no more turns. `error`: for the job that it was started for, when it never became ready.
   */
  readonly onGone: (host: Host, error: unknown) => void;
}

export class Host {
  readonly #ports: HostPorts;
  readonly #channel: Channel;
  readonly #steps = new Map<number, { resolve(value: unknown): void; reject(error: unknown): void }>();
  readonly #waits = new Map<number, PromiseLike<unknown>>();
  #state: "starting" | "free" | "busy" | "gone" = "starting";
  #turn: Turn | undefined;
  /** The attempts of the last two turns, because late log lines of a job need the secrets of its task. */
  #latest: Execution | undefined;
  #before: Execution | undefined;
  #timer: NodeJS.Timeout | undefined;
  #killed = false;
  /** The error that the host reported before it ended. */
  #failure: unknown;
  #crash: unknown;

  constructor(ports: HostPorts) {
    this.#ports = ports;
    this.#channel = openChannel(ports.rule, {
      message: (message) => this.#heard(message),
      gone: (how, cause) => this.#gone(how, cause),
    });
    this.#channel.post(ports.start);
    this.#after(START_LIMIT_MS, () => {
      this.#failure = new Error(`${ports.start.module} was not loaded within ${START_LIMIT_MS} ms`);
      this.#kill();
    });
  }

  get state(): "starting" | "free" | "busy" | "gone" {
    return this.#state;
  }

  begin(turn: Turn): void {
    this.#state = "busy";
    this.#turn = turn;
    clearTimeout(this.#timer);
    if (!("execution" in turn)) {
      this.#channel.post({ type: "load", tasks: turn.tasks });
      return;
    }
    [this.#before, this.#latest] = [this.#latest, turn.execution];
    turn.execution.deadlineAt = performance.now() + turn.execution.timeoutMs;
    const { id, task, queue, payload, attempt, enqueuedAt } = turn.job;
    const { idempotencyKey, contract } = turn.execution;
    const job = { id, task, queue, payload, attempt, enqueuedAt };
    this.#channel.post({ type: "run", job, idempotencyKey, hash: contract.hash });
  }

  /**
   * Tells the handler of a turn to stop, and kills the host when it does not. Ignored when another turn is
   * running.
   */
  abort(turn: Turn, reason: unknown): void {
    if (turn !== this.#turn) return;
    this.#channel.post({ type: "abort", reason: encodeError(reason) });
    this.#after(ABORT_PATIENCE_MS, () => this.#kill());
  }

  /** Lets the host close its resources, then ends it. */
  end(): void {
    if (this.#state === "gone") return;
    this.#state = "gone";
    this.#channel.post({ type: "end" });
    this.#after(END_LIMIT_MS, () => this.#kill());
  }

  #after(ms: number, what: () => void): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(what, ms).unref();
  }

  /** Later messages of the host are ignored, so that it gets no further turn. */
  #kill(): void {
    this.#killed = true;
    this.#channel.kill();
  }

  #heard(message: FromHost): void {
    if (this.#killed) return;
    const execution =
      this.#turn !== undefined && "execution" in this.#turn ? this.#turn.execution : undefined;
    switch (message.type) {
      case "ready":
        return this.#free();
      case "failed":
        this.#failure = decodeError(message.error);
        return this.#kill();
      case "crash":
        this.#crash = decodeError(message.error);
        return;
      case "ended":
        processMetrics.jobs.addEnqueued(message.enqueued ?? []);
        processMetrics.addCounted(message.counted ?? {});
        return this.#ended(message);
      case "outdated":
        this.#turn?.reject(new HostOutdated(execution?.contract.name ?? ""));
        this.#turn = undefined;
        return this.#free();
      case "log":
        return this.#logged(message);
      case "progress":
        return execution?.progress(JSON.parse(message.value) as number);
      case "step": {
        const turn = this.#turn;
        return this.#answer(
          message.call,
          execution?.step(message.name, () => this.#ask(turn, message.call)),
        );
      }
      case "stepRan":
        return this.#stepRan(message.call, message);
      case "sleep":
        return this.#answer(message.call, sleepOf(execution, message.name, message.time));
      case "listen":
        return this.#listen(message, execution);
      case "await":
        return this.#answer(message.call, this.#waits.get(message.call));
    }
  }

  /** A handler may log after it has ended; the line still belongs to its own job. */
  #logged({ job, level, message, fields }: FromHost & { type: "log" }): void {
    const of = this.#latest?.claim.id === job ? this.#latest : this.#before;
    if (of?.claim.id === job) of.log[level](message, decodeFields(fields));
    else
      this.#ports.logger[level](
        "a handler logged long after it had ended; the line is dropped, because its secrets are not known any more",
        { job },
      );
  }

  #free(): void {
    if (this.#state === "gone") return;
    this.#state = "free";
    this.#after(this.#ports.idleMs, () => {
      this.end();
      this.#ports.onGone(this, undefined);
    });
    this.#ports.onFree();
  }

  #ended(answer: Answer): void {
    const turn = this.#turn;
    this.#turn = undefined;
    this.#steps.clear();
    this.#waits.clear();
    if (turn !== undefined) settle(turn, answer);
    this.#free();
  }

  /**
   * Makes the host run the function of a step. Never settles when the turn is over first. Call numbers begin
   * anew with each turn, so a step that an earlier one left behind must not name a step of this one.
   */
  #ask(turn: Turn | undefined, call: number): Promise<unknown> {
    if (turn !== this.#turn) return new Promise(() => undefined);
    this.#channel.post({ type: "doStep", call });
    return new Promise((resolve, reject) => this.#steps.set(call, { resolve, reject }));
  }

  #stepRan(call: number, answer: Answer): void {
    const step = this.#steps.get(call);
    this.#steps.delete(call);
    if (step !== undefined) settle(step, answer);
  }

  /** An invalid wait is reported when the handler awaits it. */
  #listen({ call, name, event, options }: FromHost & { type: "listen" }, execution?: Execution): void {
    try {
      if (execution !== undefined) this.#waits.set(call, execution.waitFor(name, event, options));
    } catch (error) {
      this.#waits.set(call, new Wait(() => Promise.reject(error)));
    }
  }

  #answer(call: number, running: PromiseLike<unknown> | undefined): void {
    const turn = this.#turn;
    running?.then(
      (value) => this.#reply(turn, call, { json: JSON.stringify(value) as string | undefined }),
      (error: unknown) => this.#reply(turn, call, { error: encodeError(error) }),
    );
  }

  #reply(turn: Turn | undefined, call: number, answer: Answer): void {
    if (turn === this.#turn) this.#channel.post({ type: "reply", call, ...answer });
  }

  #gone(how: string, cause: unknown): void {
    const started = this.#state !== "starting";
    const expected = this.#state === "gone";
    this.#state = "gone";
    clearTimeout(this.#timer);
    const turn = this.#turn;
    this.#turn = undefined;
    if (expected && turn === undefined) return;
    const what = turn !== undefined && "job" in turn ? turn.job.task : "its handlers";
    const { rule } = this.#ports;
    const error = this.#failure ?? new HandlerCrashed(rule.in, what, how, this.#crash ?? cause);
    turn?.reject(error);
    this.#ports.onGone(this, started ? undefined : error);
  }
}

function settle(
  waiting: { resolve(value: unknown): void; reject(error: unknown): void },
  answer: Answer,
): void {
  const { error, unfit, json } = answer;
  if (error !== undefined) waiting.reject(decodeError(error));
  // Reading the JSON of such a value throws the original error, so that the worker reports it in its usual
  // words.
  else if (unfit !== undefined) waiting.resolve({ toJSON: () => raise(decodeError(unfit)) });
  else waiting.resolve(json === undefined ? undefined : JSON.parse(json));
}

function raise(error: unknown): never {
  throw error;
}

async function sleepOf(execution: Execution | undefined, name: string, time: SleepTime): Promise<void> {
  await execution?.sleep(name, "for" in time ? time.for : new Date(time.until));
}
