/**
 * One attempt of one job: the context that the handler gets, and whether the outcome still counts.
 *
 *   running --(handler settles)--> settled
 *   running --(abort: timeout, cancel, lease, shutdown)--> aborting
 *   aborting --(handler settles, or patience ends)--> settled
 *
 * What only some handlers use (signal, logger, steps) is created on first use, because most attempts take
 * microseconds.
 */
import type { AnyTaskContract, Duration } from "../../definition/index.js";
import { PermanentError } from "../../errors.js";
import type { JobMeter } from "../../metrics/index.js";
import { durationMs, optionInvalid } from "../../option-values.js";
import { idTime } from "../../protocol/index.js";
import { AttemptSecrets } from "./attempt-secrets.js";
import { StartedTooLate, type Suspended } from "../abort-reasons.js";
import { type Claim, identityOf, latenessMs, mayBeLate } from "../claims/claim.js";
import type { EnqueueOf, Job, Logger, Progress, TaskContext } from "../handler.js";
import { keptBy, withFields } from "../logger.js";
import type { Notebook } from "./notebook.js";
import { childId, spawnChild } from "./spawn.js";
import type { StepJournal } from "./step-journal.js";
import { textWithoutSecrets, thrownWithoutSecrets, veiled } from "./veiled-log.js";
import { Wait, waitCall, type WaitOptions } from "./wait.js";

/** How long an aborted handler may take to settle before its slot is freed without it (ms). */
export const ABORT_PATIENCE_MS = 1000;

export class Execution implements TaskContext {
  readonly claim: Claim;
  readonly contract: AnyTaskContract;
  /** The worker name under which the job was claimed; an outcome under an older name is not recorded. */
  readonly worker: string;
  readonly startedAt: number;
  readonly timeoutMs: number;
  /**
   * Local monotonic time at which the attempt fails. An abort moves it, to bound how long the handler may
   * take to settle.
   */
  deadlineAt: number;
  abortReason: Error | undefined;
  /** The attempt rests when these steps have ended. */
  resting: Promise<unknown> | undefined;
  settled = false;
  /** Where the attempt is counted; `undefined` until it starts. */
  meter: JobMeter | undefined;
  readonly #logger: Logger;
  readonly #notebook: Notebook;
  #controller: AbortController | undefined;
  /** Why the handler was told to stop. */
  #stopReason: Error | undefined;
  #secrets: AttemptSecrets | undefined;
  #log: Logger | undefined;
  #journal: StepJournal | undefined;

  constructor(
    claim: Claim,
    contract: AnyTaskContract,
    worker: string,
    logger: Logger,
    notebook: Notebook,
    timeoutMs = claim.record.options.timeoutMs ?? contract.timeoutMs,
    startedAt = performance.now(),
  ) {
    this.claim = claim;
    this.contract = contract;
    this.worker = worker;
    this.startedAt = startedAt;
    this.timeoutMs = timeoutMs;
    this.deadlineAt = this.startedAt + timeoutMs;
    this.#logger = logger;
    this.#notebook = notebook;
  }

  get attempt(): number {
    return this.claim.run.attempts + 1;
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#stopReason !== undefined) this.#controller.abort(this.#stopReason);
    }
    return this.#controller.signal;
  }

  /** The handler was told to stop. */
  get wasStopped(): boolean {
    return this.#stopReason !== undefined;
  }

  get idempotencyKey(): string {
    return identityOf(this.claim);
  }

  get log(): Logger {
    if (this.#log === undefined) {
      const fields = { job: this.claim.id, task: this.contract.name, attempt: this.attempt };
      const kept = keptBy(withFields(this.#logger, fields), (level, message, own) =>
        this.#notebook.lines.keep(this, level, message, own),
      );
      this.#log = veiled(kept, this.#knownSecrets()?.all);
    }
    return this.#log;
  }

  /** @throws StartedTooLate where `startWithin` has ended before this first attempt. */
  assertInTime(): void {
    if (!mayBeLate(this.claim)) return;
    const lateMs = latenessMs(this.claim, this.#notebook.now());
    if (lateMs > 0) throw new StartedTooLate(this.contract.name, lateMs);
  }

  step<Result>(name: string, fn: () => Result | Promise<Result>): Promise<Result> {
    this.#journal ??= this.#notebook.journalOf(this);
    return this.#journal.run(name, fn);
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
    this.#journal ??= this.#notebook.journalOf(this);
    const wakeAt = wakeTime(time);
    return this.#journal.sleep(name, () => Math.ceil(wakeAt(this.#notebook.now())));
  }

  waitFor(name: string, event: string, options: WaitOptions): Wait<never> {
    this.#journal ??= this.#notebook.journalOf(this);
    const { id, record } = this.claim;
    const call = waitCall({ id, queue: record.queue }, this.contract, name, event, options);
    const wait = this.#journal.waitFor(name, call);
    return new Wait(async () => {
      const heard = await wait;
      this.#knownSecrets()?.hear(event, heard);
      return heard as never;
    });
  }

  /**
   * The thrown value without the sensitive values of received events. They are removed here, because only
   * this attempt knows those events.
   */
  withoutHeard(thrown: unknown): unknown {
    return thrownWithoutSecrets(thrown, this.#secrets?.heard ?? []);
  }

  /** A text, such as the name of an error, without the sensitive values that this attempt knows. */
  withoutSecrets(text: string): string {
    const secrets = this.#knownSecrets();
    return secrets === undefined ? text : textWithoutSecrets(text, secrets.all());
  }

  #knownSecrets(): AttemptSecrets | undefined {
    return (this.#secrets ??= AttemptSecrets.of(this.contract, () => [this.claim.record.payload]));
  }

  progress(value: Progress): void {
    this.#notebook.progress(this, value);
  }

  notImplemented(): Error {
    return stubError(this.contract.name, "defineHandler");
  }

  /**
   * Tells the handler to stop. Only the first reason counts: every heartbeat reports a cancel again, and that
   * must not postpone the deadline.
   */
  abort(reason: Error): void {
    if (this.#stopReason !== undefined || this.settled) return;
    this.abortReason ??= reason;
    this.#stopReason = reason;
    this.deadlineAt = Math.min(this.deadlineAt, performance.now()) + ABORT_PATIENCE_MS;
    this.#controller?.abort(reason);
  }

  /**
   * The attempt rests, and begins no step any more. What is under way ends first: it would be repeated after
   * the rest.
   */
  rest(reason: Suspended, underWay: readonly Promise<unknown>[]): void {
    if (this.abortReason !== undefined || this.settled) return;
    this.abortReason = reason;
    this.resting = Promise.allSettled(underWay).then(() => {
      this.resting = undefined;
      this.abort(reason);
    });
  }
}

export function stubError(task: string, define: string): PermanentError {
  return new PermanentError(
    `the handler of ${task} is still the stub; write it where ${define}("${task}", ...) stands`,
  );
}

/** The job that the handler is called with. A class, because creating a getter for each job is slow. */
export class ClaimedJob implements Job {
  readonly id: string;
  readonly task: string;
  readonly queue: string;
  readonly payload: unknown;
  readonly attempt: number;
  readonly #claim: Claim;

  constructor(claim: Claim, payload: unknown) {
    this.id = claim.id;
    this.task = claim.record.task;
    this.queue = claim.record.queue;
    this.payload = payload;
    this.attempt = claim.run.attempts + 1;
    this.#claim = claim;
  }

  get enqueuedAt(): number {
    return this.#claim.record.options.at ?? idTime(this.id) ?? 0;
  }
}

/**
 * The time is validated when `sleep` is called, although it is computed from the moment at which the sleep is
 * stored.
 */
function wakeTime(time: Duration | Date): (now: number) => number {
  if (!(time instanceof Date)) {
    const ms = durationMs("sleep", time, 0);
    return (now) => now + ms;
  }
  const at = time.getTime();
  if (Number.isNaN(at)) throw optionInvalid("sleep", "a duration or a valid Date", time);
  return () => at;
}
