/**
 * The steps of one attempt, including sleeps and waits for events. It reads once what earlier attempts have
 * stored. A new step is run and stored before the handler continues. A step that could not be stored under
 * the lease of the attempt never counts as done.
 */
import type { Connection } from "../../connection/index.js";
import { PermanentError } from "../../errors.js";
import { parseSteps, type ShardKeys } from "../../protocol/index.js";
import { listen, saveStep } from "../../scripts/index.js";
import { LeaseLost, Suspended } from "../abort-reasons.js";
import type { Logger } from "../handler.js";
import { Wait, type WaitCall } from "./wait.js";

const MAX_NAME_CHARACTERS = 128;
const MAX_RESULT_BYTES = 64 * 1024;
/** All steps of a job are one text in Redis, which is copied with each new step. */
const MAX_JOB_BYTES = 1024 * 1024;
const FIRST_PAUSE_MS = 200;
const LONGEST_PAUSE_MS = 5000;

/** What a journal needs to know of its attempt. */
export interface Attempt {
  readonly claim: { readonly id: string };
  /** Name of the worker under which the job was claimed. */
  readonly worker: string;
  readonly abortReason: Error | undefined;
  readonly settled: boolean;
  readonly log: Logger;
  abort(reason: Error): void;
  rest(reason: Suspended, underWay: readonly Promise<unknown>[]): void;
}

export interface JournalPorts {
  readonly connection: Connection;
  readonly keys: ShardKeys;
  /** Name under which this worker holds its lease now. */
  readonly worker: () => string;
  /** Redis time (ms). */
  readonly now: () => number;
  /** The lease under that name is lost. */
  readonly onLost: () => void;
}

/** The state of a wait: pending until a time (ms), or ended, with an event if one arrived. */
type WaitState = { readonly until: number } | { readonly event: unknown };

/**
 * A step that cannot be stored. Permanent, because its effect has happened and each further attempt would
 * repeat it.
 */
export class StepInvalid extends PermanentError {
  override readonly name = "StepInvalid";
}

export class StepJournal {
  readonly #attempt: Attempt;
  readonly #ports: JournalPorts;
  readonly #used = new Set<string>();
  /**
   * Waits that Redis does not know yet. No step starts before it does, so that an answer to the step cannot
   * arrive too early.
   */
  readonly #listening = new Set<Promise<WaitState>>();
  readonly #underWay = new Set<Promise<unknown>>();
  #stored: Promise<Map<string, unknown>> | undefined;
  #bytes = 0;

  constructor(attempt: Attempt, ports: JournalPorts) {
    this.#attempt = attempt;
    this.#ports = ports;
  }

  run<Result>(name: string, fn: () => Result | Promise<Result>): Promise<Result> {
    return this.#begun(this.#watched(name, this.#run(name, fn)));
  }

  /** Tracks the step: a wait lets it end before the attempt does. */
  #begun<Result>(running: Promise<Result>): Promise<Result> {
    const ended = (): unknown => this.#underWay.delete(running);
    this.#underWay.add(running);
    running.then(ended, ended);
    return running;
  }

  /** Stores the wake-up time as a step, and ends the attempt until that time has come. */
  sleep(name: string, wakeAt: () => number): Promise<void> {
    return this.#begun(this.#watched(name, this.#sleep(name, wakeAt)));
  }

  /**
   * Listens from now on. When the result is awaited before an event or the timeout, the attempt ends; both
   * are stored as steps.
   */
  waitFor(name: string, call: WaitCall): Wait<unknown> {
    const listening = this.#watched(name, this.#listen(name, call));
    let wasTold = false;
    this.#listening.add(listening);
    listening.then(
      () => (wasTold = this.#listening.delete(listening)),
      // A failed wait stays in the set: no step may start as if the job were listening.
      () => undefined,
    );
    return new Wait(() => this.#watched(name, this.#wait(name, call, listening, wasTold)));
  }

  /**
   * The promise may be ignored: a step that nobody awaits must not cause an unhandled rejection, which would
   * end the process and all of its jobs.
   */
  #watched<Result>(name: string, running: Promise<Result>): Promise<Result> {
    running.catch((error: unknown) => {
      const { settled, log } = this.#attempt;
      if (error instanceof Suspended) return;
      if (settled)
        log.error("a step failed after its handler had returned; await every step", { step: name, error });
      else log.debug("a step failed", { step: name, error });
    });
    return running;
  }

  async #run<Result>(name: string, fn: () => Result | Promise<Result>): Promise<Result> {
    this.#use(name);
    this.#stored ??= this.#read();
    const stored = await this.#stored;
    this.#assertGoesOn();
    if (stored.has(name)) return stored.get(name) as Result;
    if (this.#listening.size > 0) {
      await Promise.all(this.#listening);
      this.#assertGoesOn();
    }
    const result = this.#encode(name, await fn());
    await this.#save(name, result);
    return (result === undefined ? undefined : JSON.parse(result)) as Result;
  }

  async #sleep(name: string, wakeAt: () => number): Promise<void> {
    const stored: unknown = await this.#run(name, wakeAt);
    if (typeof stored !== "number") {
      throw new StepInvalid(
        `the sleep ${JSON.stringify(name)}: this job has done a step of that name, which was no sleep`,
      );
    }
    if (stored <= this.#ports.now()) return;
    const reason = new Suspended("sleeps", name, stored);
    // The sleep itself is under way.
    if (this.#underWay.size > 1) this.#attempt.rest(reason, [...this.#underWay]);
    else this.#attempt.abort(reason);
    throw this.#over();
  }

  async #listen(name: string, call: WaitCall): Promise<WaitState> {
    this.#use(name);
    this.#stored ??= this.#read();
    const stored = await this.#stored;
    this.#assertGoesOn();
    if (!stored.has(name)) return await this.#ask(name, call);
    const event = stored.get(name);
    if (event === undefined || (typeof event === "object" && event !== null)) return { event };
    throw new StepInvalid(
      `the wait ${JSON.stringify(name)}: this job has done a step of that name, which was no wait`,
    );
  }

  /** @param wasTold the known state may be outdated by now. */
  async #wait(
    name: string,
    call: WaitCall,
    listening: Promise<WaitState>,
    wasTold: boolean,
  ): Promise<unknown> {
    let state = await listening;
    let isOld = wasTold;
    for (;;) {
      this.#assertGoesOn();
      if ("until" in state && isOld) state = await this.#ask(name, call);
      if (!("until" in state)) return state.event;
      // Steps that the handler started besides the wait are finished before the attempt ends: one of them may
      // be the request that the event answers.
      await new Promise((resolve) => setImmediate(resolve));
      if (this.#underWay.size === 0) break;
      await Promise.allSettled(this.#underWay);
      isOld = true;
    }
    this.#attempt.abort(new Suspended("waits", name, state.until));
    throw this.#over();
  }

  async #ask(name: string, call: WaitCall): Promise<WaitState> {
    const { connection, keys } = this.#ports;
    const { claim, worker } = this.#attempt;
    const reply = await this.#untilDone("listening to an event", () =>
      listen(connection, { keys, worker, id: claim.id, name, ...call }),
    );
    if (typeof reply === "string") throw this.#refused(reply);
    if ("bytes" in reply) this.#bytes += reply.bytes;
    return reply;
  }

  #assertGoesOn(): void {
    const { abortReason, settled } = this.#attempt;
    if (abortReason !== undefined || settled) throw this.#over();
  }

  #use(name: string): void {
    if (typeof name !== "string" || name === "" || name.length > MAX_NAME_CHARACTERS) {
      throw new StepInvalid(
        `the name of a step: expected text of 1 to ${MAX_NAME_CHARACTERS} characters, got ${JSON.stringify(name)}`,
      );
    }
    if (this.#used.has(name)) {
      throw new StepInvalid(
        `this attempt has a step ${JSON.stringify(name)} already; names are how a later attempt finds what is done, so give each its own, in a loop for example \`${name}-\${i}\``,
      );
    }
    this.#used.add(name);
  }

  async #read(): Promise<Map<string, unknown>> {
    const { connection, keys } = this.#ports;
    const text = await this.#untilDone("reading the steps of a job", () =>
      connection.readSteps(keys, this.#attempt.claim.id),
    );
    this.#bytes = Buffer.byteLength(text ?? "");
    return parseSteps(text);
  }

  /** The result as JSON; `undefined` for a value without JSON: a step without a result, or a function. */
  #encode(name: string, value: unknown): string | undefined {
    const step = JSON.stringify(name);
    let text: string | undefined;
    try {
      text = JSON.stringify(value) as string | undefined;
    } catch (error) {
      throw new StepInvalid(`the result of the step ${step} has no JSON, so it cannot be stored`, {
        cause: error,
      });
    }
    const bytes = Buffer.byteLength(text ?? "");
    if (bytes > MAX_RESULT_BYTES) {
      throw new StepInvalid(
        `the result of the step ${step} is ${bytes} bytes of JSON, and a step may store ${MAX_RESULT_BYTES}; keep it elsewhere and return what finds it again`,
      );
    }
    this.#bytes += bytes + Buffer.byteLength(step) + "[,]\n".length;
    if (this.#bytes > MAX_JOB_BYTES) {
      throw new StepInvalid(
        `with the step ${step} this job would store ${this.#bytes} bytes of steps, and a job may store ${MAX_JOB_BYTES}; return less from each, or make several jobs of it`,
      );
    }
    return text;
  }

  async #save(name: string, result: string | undefined): Promise<void> {
    const { connection, keys } = this.#ports;
    const { claim, worker } = this.#attempt;
    const reply = await this.#untilDone("storing a step", () =>
      saveStep(connection, { keys, worker, id: claim.id, name, result }),
    );
    if (reply !== "SAVED") throw this.#refused(reply);
  }

  /** The job does not belong to this attempt any more. */
  #refused(reply: "GONE" | "LOST"): Error {
    const { worker, onLost } = this.#ports;
    if (reply === "LOST" && worker() === this.#attempt.worker) onLost();
    this.#attempt.abort(new LeaseLost());
    return this.#over();
  }

  /**
   * Retries until Redis accepts, because the effect of the step has happened. Stops when the attempt has
   * ended, because the job may be running again by then.
   */
  async #untilDone<Reply>(what: string, call: () => Promise<Reply>): Promise<Reply> {
    const { log } = this.#attempt;
    for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS)) {
      if (this.#attempt.settled || this.#attempt.abortReason instanceof LeaseLost) throw this.#over();
      try {
        return await call();
      } catch (error) {
        log.warn(`${what} failed; trying again`, { error });
        await new Promise((resolve) => setTimeout(resolve, pauseMs));
      }
    }
  }

  /** Why nothing more may be done or stored. */
  #over(): Error {
    return (
      this.#attempt.abortReason ?? new StepInvalid("the handler has ended; await every step before it does")
    );
  }
}
