/**
 * Runs claimed jobs in at most `concurrency` slots and reports the outcome of each. It knows nothing of
 * Redis: outcomes go to a sink, claims come from the intake.
 */
import type { Validator } from "../../definition/index.js";
import { PermanentError } from "../../errors.js";
import { Cancelled, LeaseLost, ShuttingDown, Suspended, TimeoutExceeded } from "../abort-reasons.js";
import { type Claim, isRetry, startableAt } from "../claims/claim.js";
import { copyOf } from "../claims/copy-of.js";
import { Deadlines } from "./deadlines.js";
import { ClaimedJob, Execution } from "./execution.js";
import type { AnyHandler, Logger } from "../handler.js";
import { type HandlerTable, meterOf, type TaskEntry } from "./handler-table.js";
import type { Notebook } from "./notebook.js";
import { describeError, issueText } from "./outcome.js";

export interface OutcomeSink {
  completed(execution: Execution, result: unknown, durationMs: number): void;
  failed(execution: Execution, error: unknown): void;
  cancelled(execution: Execution): void;
  /** The handler sleeps or waits: the attempt does not count, and the job is due when it continues. */
  suspended(execution: Execution, reason: Suspended): void;
  /** The attempt does not count: the job goes back to its queue. */
  handedBack(execution: Execution): void;
  /** This process has no handler for the task. */
  unserved(claim: Claim): void;
}

export interface ExecutorOptions {
  readonly handlers: HandlerTable;
  readonly sink: OutcomeSink;
  readonly logger: Logger;
  readonly notebook: Notebook;
  /** The name under which claims are held now. */
  readonly worker: () => string;
  /** Redis time (ms), now or at a local monotonic time. */
  readonly now: (monotonicMs?: number) => number;
  /** Called when an attempt has ended. */
  readonly onEnded: (execution: Execution, durationMs: number, now: number) => void;
}

export class Executor {
  readonly #options: ExecutorOptions;
  readonly #running = new Set<Execution>();
  readonly #deadlines: Deadlines;
  readonly #validators = new Map<string, Validator<unknown>>();
  readonly #resultValidators = new Map<string, Validator<unknown>>();
  #onEmpty: (() => void)[] = [];

  constructor(options: ExecutorOptions) {
    this.#options = options;
    this.#deadlines = new Deadlines(this.#running, (execution) => this.#expired(execution));
  }

  get running(): number {
    return this.#running.size;
  }

  /** @param startedAt local monotonic time, from a caller that has it already. */
  start(claim: Claim, startedAt?: number): void {
    const { handlers, sink, logger, notebook, worker } = this.#options;
    const entry = handlers.get(claim.record.task);
    if (entry === undefined) {
      sink.unserved(claim);
      return;
    }
    const execution = new Execution(claim, entry.contract, worker(), logger, notebook, undefined, startedAt);
    this.#begun(execution, entry);
    if (entry.handler !== undefined) this.#run(execution, entry.handler);
    else void this.#loadAndRun(execution, entry);
  }

  /** Runs an attempt that was created elsewhere: one of a batch. */
  begin(execution: Execution, entry: TaskEntry, handler: AnyHandler): void {
    this.#begun(execution, entry);
    this.#run(execution, handler);
  }

  #begun(execution: Execution, entry: TaskEntry): void {
    const { claim, startedAt } = execution;
    const meter = meterOf(entry, claim.record.queue);
    execution.meter = meter;
    const since = startableAt(claim);
    // The clocks of a producer and of this process may differ a little, and a latency must not be negative.
    if (since !== undefined) meter.latency.observe(Math.max(0, this.#options.now(startedAt) - since));
    if (isRetry(claim)) meter.retryAttempts += 1;
    this.#running.add(execution);
    this.#deadlines.watch();
  }

  /** Aborts the attempt of a job, if it runs here. */
  cancel(id: string): void {
    for (const execution of this.#running) {
      if (execution.claim.id === id) execution.abort(new Cancelled());
    }
  }

  abandonAll(): void {
    for (const execution of this.#running) execution.abort(new LeaseLost());
  }

  abortForShutdown(): void {
    for (const execution of this.#running) execution.abort(new ShuttingDown());
  }

  /** Resolves when no attempt is running. */
  async idle(): Promise<void> {
    while (this.#running.size > 0) await new Promise<void>((resolve) => this.#onEmpty.push(resolve));
  }

  stop(): void {
    this.#deadlines.stop();
  }

  async #loadAndRun(execution: Execution, entry: TaskEntry): Promise<void> {
    try {
      const handler = await entry.load();
      // The attempt may have been given up during the import; another worker may hold its job by now.
      if (!execution.settled) this.#run(execution, handler);
    } catch (error) {
      this.#settle(execution, () => this.#options.sink.failed(execution, error));
    }
  }

  #run(execution: Execution, handler: AnyHandler): void {
    let returned: unknown;
    try {
      execution.assertInTime();
      returned = handler(new ClaimedJob(execution.claim, this.#payload(execution)), execution);
      // Inside the try as well: a user's own `then` (a query builder) may throw.
      if (isThenable(returned)) {
        returned.then(
          (result) => this.#returned(execution, result),
          (error: unknown) => this.#threw(execution, error),
        );
        return;
      }
    } catch (error) {
      this.#threw(execution, error);
      return;
    }
    this.#returned(execution, returned);
  }

  #payload(execution: Execution): unknown {
    const { contract, claim } = execution;
    let validator = this.#validators.get(contract.name);
    if (validator === undefined) {
      validator = contract.schemas.payloadLoose();
      this.#validators.set(contract.name, validator);
    }
    // Handlers may change their payload, and what it was tells the secrets of the attempt, and the follow-up.
    const isKept = contract.sensitive !== undefined || contract.onExhausted !== undefined;
    const { payload } = claim.record;
    const checked = validator.safeParse(isKept ? copyOf(payload) : payload);
    if (checked.success) return checked.data;
    throw new PermanentError(
      `the stored payload does not fit the schema of this worker (job made with definition ${claim.record.hash}, worker has ${contract.hash}): ${issueText(checked.error.issues)}`,
    );
  }

  #returned(execution: Execution, result: unknown): void {
    const { sink } = this.#options;
    if (execution.abortReason !== undefined) {
      this.#afterAbort(execution, result, true);
      return;
    }
    const problem = this.#resultProblem(execution, result);
    this.#settle(execution, (durationMs) => {
      if (problem === undefined) sink.completed(execution, result, durationMs);
      else sink.failed(execution, new PermanentError(problem));
    });
  }

  #threw(execution: Execution, error: unknown): void {
    if (execution.abortReason !== undefined) this.#afterAbort(execution, error, false);
    else this.#settle(execution, () => this.#options.sink.failed(execution, error));
  }

  /**
   * The handler settled after it was told to stop. Work that was completed despite a cancel or a shutdown
   * still counts.
   */
  #afterAbort(execution: Execution, value: unknown, returned: boolean): void {
    const reason = execution.abortReason;
    if (returned && (reason instanceof ShuttingDown || reason instanceof Cancelled)) {
      execution.abortReason = undefined;
      this.#returned(execution, value);
      return;
    }
    if (execution.resting === undefined) this.#settleAborted(execution);
    else void execution.resting.then(() => this.#settleAborted(execution));
  }

  #settleAborted(execution: Execution): void {
    const { sink } = this.#options;
    const reason = execution.abortReason;
    this.#settle(execution, () => {
      if (reason instanceof Cancelled) sink.cancelled(execution);
      else if (reason instanceof Suspended) sink.suspended(execution, reason);
      else if (reason instanceof ShuttingDown) sink.handedBack(execution);
      else if (reason instanceof TimeoutExceeded) sink.failed(execution, reason);
      // LeaseLost: another worker may hold the job by now, so nothing may be recorded.
      else if (execution.meter !== undefined) execution.meter.outcomes.lost += 1;
    });
  }

  #resultProblem(execution: Execution, result: unknown): string | undefined {
    const { contract } = execution;
    if (contract.schemas.result === undefined) return undefined;
    let validator = this.#resultValidators.get(contract.name);
    if (validator === undefined) {
      validator = contract.schemas.result();
      this.#resultValidators.set(contract.name, validator);
    }
    try {
      const checked = validator.safeParse(result);
      if (checked.success) return undefined;
      return `the handler of ${contract.name} returned a result that does not fit its schema: ${issueText(checked.error.issues)}`;
    } catch (error) {
      // A getter of the result has thrown; uncaught, that would end the process and all its jobs.
      const { message } = describeError(error);
      return `the handler of ${contract.name} returned a result that cannot be read: ${message}`;
    }
  }

  #expired(execution: Execution): void {
    // The second expiry: the handler did not settle in time after the abort, so the slot is freed without it.
    if (execution.wasStopped) this.#settleAborted(execution);
    else execution.abort(new TimeoutExceeded(execution.contract.name, execution.timeoutMs));
  }

  #settle(execution: Execution, report: (durationMs: number) => void): void {
    if (execution.settled) return;
    execution.settled = true;
    this.#running.delete(execution);
    const now = performance.now();
    const durationMs = now - execution.startedAt;
    execution.meter?.duration.observe(durationMs);
    report(durationMs);
    this.#options.onEnded(execution, durationMs, now);
    if (this.#onEmpty.length > 0 && this.#running.size === 0)
      for (const resolve of this.#onEmpty.splice(0)) resolve();
  }
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === "object" && value !== null && "then" in value && typeof value.then === "function";
}
