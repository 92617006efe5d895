/**
 * One call of a batch handler. Each of its jobs is an attempt of its own, with payload validation,
 * middleware, retries and an outcome as any other job; only the innermost handler is one call for all of
 * them.
 *
 *   each attempt --(payload valid, middleware calls next)--> joined --+
 *                --(ended before)--> left                            --+--(all have)--> called
 *   called --> each attempt gets its own outcome
 */
import { AttemptSecrets } from "./attempt-secrets.js";
import type { AnyTaskContract } from "../../definition/index.js";
import { PermanentError } from "../../errors.js";
import { optionInvalid } from "../../option-values.js";
import { Cancelled } from "../abort-reasons.js";
import type { Claim } from "../claims/claim.js";
import { Execution, stubError } from "./execution.js";
import { type AnyBatchHandler, type AnyHandler, type BatchContext, FailedJob } from "../handler.js";
import type { Job, Logger } from "../handler.js";
import { withFields } from "../logger.js";
import { veiled } from "./veiled-log.js";
import type { Notebook } from "./notebook.js";

interface Member {
  readonly attempt: BatchAttempt;
  readonly job: Job;
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: unknown) => void;
}

/** The attempt of one job of a batch, as the executor sees it. */
export class BatchAttempt extends Execution {
  readonly call: BatchCall;
  joined = false;
  /**
   * A cancel was requested. The batch runs on for the other jobs, and this one with them: its outcome counts,
   * but it is not retried.
   */
  cancelAsked = false;

  constructor(claim: Claim, call: BatchCall, worker: string, logger: Logger, notebook: Notebook) {
    super(claim, call.contract, worker, logger, notebook, call.timeoutMs);
    this.call = call;
  }

  override abort(reason: Error): void {
    if (reason instanceof Cancelled) this.call.cancel(this, reason);
    else this.stop(reason);
  }

  stop(reason: Error): void {
    super.abort(reason);
    this.call.aborted(reason);
  }
}

export class BatchCall {
  readonly contract: AnyTaskContract;
  /** The longest timeout of the jobs, because one call serves all of them. */
  readonly timeoutMs: number;
  readonly attempts: readonly BatchAttempt[];
  readonly #logger: Logger;
  readonly #members: Member[] = [];
  #unsettled: number;
  /** Attempts that have neither joined nor left. */
  #expected: number;
  #handler: AnyBatchHandler | undefined;
  #controller: AbortController | undefined;
  #abortReason: Error | undefined;

  constructor(
    claims: readonly Claim[],
    contract: AnyTaskContract,
    worker: string,
    logger: Logger,
    notebook: Notebook,
  ) {
    this.contract = contract;
    this.timeoutMs = Math.max(...claims.map(({ record }) => record.options.timeoutMs ?? contract.timeoutMs));
    this.#logger = logger;
    this.attempts = claims.map((claim) => new BatchAttempt(claim, this, worker, logger, notebook));
    this.#unsettled = claims.length;
    this.#expected = claims.length;
  }

  /** True until the last attempt has ended. */
  get running(): boolean {
    return this.#unsettled > 0;
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#abortReason !== undefined) this.#controller.abort(this.#abortReason);
    }
    return this.#controller.signal;
  }

  /** Settles with what the batch handler returns for this job. */
  join(attempt: BatchAttempt, job: Job, handler: AnyBatchHandler): Promise<unknown> {
    // The attempt was given up before its middleware called the handler.
    if (attempt.settled) return Promise.reject(attempt.abortReason ?? new Cancelled());
    this.#handler = handler;
    return new Promise((resolve, reject) => {
      this.#members.push({ attempt, job, resolve, reject });
      attempt.joined = true;
      this.#expected -= 1;
      this.#callWhenComplete();
    });
  }

  /** The attempt has ended. */
  left(attempt: BatchAttempt): void {
    this.#unsettled -= 1;
    if (attempt.joined) return;
    this.#expected -= 1;
    this.#callWhenComplete();
  }

  /**
   * The one handler is told to stop only when all of its jobs are cancelled, because it works for all of
   * them.
   */
  cancel(attempt: BatchAttempt, reason: Error): void {
    attempt.cancelAsked = true;
    const unsettled = this.attempts.filter(({ settled }) => !settled);
    if (unsettled.every(({ cancelAsked }) => cancelAsked)) for (const one of unsettled) one.stop(reason);
  }

  aborted(reason: Error): void {
    if (this.attempts.some(({ settled, abortReason }) => !settled && abortReason === undefined)) return;
    this.#abortReason ??= reason;
    this.#controller?.abort(reason);
  }

  #callWhenComplete(): void {
    if (this.#expected > 0 || this.#handler === undefined) return;
    // Jobs that were cancelled or aborted while others were still on their way are not started.
    for (const { attempt } of this.#members) if (attempt.cancelAsked) attempt.stop(new Cancelled());
    const members = this.#members.filter(({ attempt, reject }) => {
      if (attempt.abortReason !== undefined) reject(attempt.abortReason);
      return attempt.abortReason === undefined;
    });
    if (members.length > 0) void this.#run(members, this.#handler);
  }

  async #run(members: readonly Member[], handler: AnyBatchHandler): Promise<void> {
    const jobs = members.map(({ job }) => job);
    const context = new CallContext(this, this.#logger, jobs);
    try {
      const returned = await handler(jobs, context);
      const results = this.#resultsOf(returned, jobs.length);
      for (const [index, { job, resolve, reject }] of members.entries()) {
        if (context.failures.has(job.id)) reject(context.failures.get(job.id));
        else if (results instanceof PermanentError) reject(results);
        else if (FailedJob.is(results?.[index])) reject(this.#misplaced());
        else resolve(results?.[index]);
      }
    } catch (error) {
      for (const { job, reject } of members)
        reject(context.failures.has(job.id) ? context.failures.get(job.id) : error);
    }
  }

  #misplaced(): PermanentError {
    return new PermanentError(
      `the batch handler of ${this.contract.name} returned what ctx.fail gave for another job in the place of this one; results stand in the order of the jobs`,
    );
  }

  /**
   * One result for each job, or `undefined` for a task without a result. An error when the returned list does
   * not say which result belongs to which job.
   */
  #resultsOf(returned: unknown, jobs: number): readonly unknown[] | PermanentError | undefined {
    const { name, schemas } = this.contract;
    if (schemas.result === undefined) return undefined;
    const got = Array.isArray(returned) ? `${returned.length} results` : "no list";
    if (Array.isArray(returned) && returned.length === jobs) return returned;
    return new PermanentError(
      `the batch handler of ${name} was to return a list of ${jobs} results, one for each job in their order, and returned ${got}; ctx.fail(job, error) stands for one that has failed`,
    );
  }
}

class CallContext implements BatchContext {
  readonly log: Logger;
  readonly failures = new Map<string, unknown>();
  readonly #call: BatchCall;
  readonly #ids: ReadonlySet<string>;

  constructor(call: BatchCall, logger: Logger, jobs: readonly Job[]) {
    this.#call = call;
    this.#ids = new Set(jobs.map(({ id }) => id));
    const { contract } = call;
    // The payloads of the claims, because the handler may modify the jobs that it was given.
    const payloads = () => call.attempts.map(({ claim }) => claim.record.payload);
    const secrets = AttemptSecrets.of(contract, payloads);
    this.log = veiled(withFields(logger, { task: contract.name, jobs: jobs.length }), secrets?.all);
  }

  get signal(): AbortSignal {
    return this.#call.signal;
  }

  fail(job: Job, error: unknown): FailedJob {
    if (!this.#ids.has(job.id)) throw optionInvalid("fail", "a job of this batch", job.id);
    if (!this.failures.has(job.id)) this.failures.set(job.id, error);
    return new FailedJob(job.id);
  }

  notImplemented(): Error {
    return stubError(this.#call.contract.name, "defineBatchHandler");
  }
}

/** The innermost handler of each job of a batch. */
export function batchMember(handler: AnyBatchHandler): AnyHandler {
  return (job, ctx) => {
    if (ctx instanceof BatchAttempt) return ctx.call.join(ctx, job, handler);
    throw new Error("a job of a batch was started without one; this is a fault of taskweft");
  };
}
