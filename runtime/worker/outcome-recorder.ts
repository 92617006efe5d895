/**
 * Records the outcome of an attempt. Completions ride with the next claim. Every other outcome is rare and
 * has a script of its own, which is retried until Redis accepts it: an outcome that is not written would
 * leave the job active for ever.
 */
import type { Connection, ServerClock } from "../connection/index.js";
import { type AnyTaskContract, DEFAULT_RETENTION } from "../definition/index.js";
import { type OutcomeCounts, processMetrics } from "../metrics/index.js";
import { type JobRun, type ShardKeys, encodeRun, UNSERVED, withEvent } from "../protocol/index.js";
import { type FailCall, discard, fail } from "../scripts/index.js";
import { Cancelled, HostOutdated, ResultTooLarge, type Suspended } from "./abort-reasons.js";
import { type Claim, mustTellThatItBegan } from "./claims/claim.js";
import type { Execution } from "./attempts/execution.js";
import type { OutcomeSink } from "./attempts/executor.js";
import type { Fetcher } from "./claims/fetcher.js";
import type { FollowUps } from "./attempts/follow-ups.js";
import type { Logger } from "./handler.js";
import { decideFailure, describeError, restingRun, unservedRun } from "./attempts/outcome.js";
import type { Reaper } from "./leases/reaper.js";
import type { Workflows } from "./runs/workflows.js";
import { UnservedLog } from "./unserved-log.js";

const FIRST_PAUSE_MS = 200;
const LONGEST_PAUSE_MS = 5000;

export interface RecorderPorts {
  readonly connection: Connection;
  readonly keys: ShardKeys;
  readonly clock: ServerClock;
  readonly logger: Logger;
  readonly random: () => number;
  readonly worker: () => string;
  readonly fetcher: Pick<
    Fetcher,
    "completed" | "completedAndKept" | "forget" | "invite" | "round" | "schedule"
  >;
  readonly reaper: Pick<Reaper, "handBackJobs">;
  readonly followUps: FollowUps;
  readonly workflows: Pick<Workflows, "beforeDeath" | "completed">;
  /** Replaces the definition's retention of completed jobs (ms), when set. */
  readonly keepCompletedMs: number | undefined;
  readonly maxResultCharacters: number;
}

/**
 * What to write for an attempt that did not complete. `contract` is `undefined` when this process has none
 * for the task.
 */
interface Settlement extends Pick<FailCall, "outcome" | "run" | "ms" | "wait"> {
  readonly contract: AnyTaskContract | undefined;
  /** What must be stored in Redis before the outcome is. */
  readonly before?: (() => Promise<void>) | undefined;
}

/** Cancelled jobs are kept like dead ones: a person may want to see or retry them. */
function keepCancelledMs(claim: Claim, contract: AnyTaskContract | undefined): number {
  return claim.record.options.keepDeadMs ?? (contract?.retention ?? DEFAULT_RETENTION).deadMs;
}

export class OutcomeRecorder implements OutcomeSink {
  readonly #ports: RecorderPorts;
  readonly #unservedLog: UnservedLog;
  readonly #underWay = new Set<Promise<void>>();
  #closed = false;

  constructor(ports: RecorderPorts) {
    this.#ports = ports;
    this.#unservedLog = new UnservedLog(ports.logger);
  }

  completed(execution: Execution, result: unknown, durationMs: number): void {
    if (this.#isStale(execution)) return;
    const { fetcher } = this.#ports;
    const { id, run, record } = execution.claim;
    if (record.options.run !== undefined) {
      this.#completedStep(execution, result);
      return;
    }
    const keepMs = this.#keepCompletedMs(execution);
    if (keepMs === 0) {
      count(execution, "completed");
      fetcher.completed(id);
      return;
    }
    let text: string;
    try {
      text = this.#completedRun(run, this.#resultText(execution, result), execution.worker, durationMs);
    } catch (error) {
      this.failed(execution, error);
      return;
    }
    count(execution, "completed");
    fetcher.completedAndKept({ id, run: text, keepMs });
  }

  #completedStep(execution: Execution, result: unknown): void {
    try {
      this.#resultText(execution, result);
    } catch (error) {
      this.failed(execution, error);
      return;
    }
    count(execution, "completed");
    this.#ports.workflows.completed(execution.claim, result);
  }

  failed(execution: Execution, error: unknown): void {
    if (this.#isStale(execution)) return;
    if (error instanceof HostOutdated) {
      count(execution, "handed-back");
      this.unserved(execution.claim, error);
      return;
    }
    const { contract, claim } = execution;
    const { clock, followUps, random, workflows } = this.#ports;
    const decision = decideFailure({
      contract,
      options: claim.record.options,
      run: claim.run,
      error,
      now: clock.now(),
      random,
    });
    const { name, message } = describeError(error);
    execution.log.warn(decision.outcome === "dead" ? "job is dead" : "attempt failed", {
      error: `${name}: ${message}`,
      ...(decision.outcome === "retry" ? { retryInMs: decision.ms } : {}),
    });
    const { outcome, ms } = decision;
    count(execution, outcome);
    // The name may be made of the payload, and metrics leave the system.
    execution.meter?.failures.add(execution.withoutSecrets(name));
    const rule = outcome === "dead" ? contract.onExhausted : undefined;
    const follow = rule === undefined ? undefined : followUps.of(claim, rule, error);
    const tell =
      outcome === "dead"
        ? workflows.beforeDeath(claim, execution.withoutHeard(error), execution.worker)
        : undefined;
    const before = async (): Promise<void> => {
      await follow?.();
      await tell?.();
    };
    this.#settle(claim, execution.worker, { outcome, run: decision.run, ms, contract, before });
  }

  /**
   * A job that is not tried again, because it has lost its worker too often. Its record has the crashes
   * already.
   */
  quarantined(claim: Claim): void {
    const { workflows, worker } = this.#ports;
    const run = encodeRun({ ...claim.run, state: "dead", detail: null });
    const lost = new Error(`its worker was lost ${claim.run.crashes} times`);
    const name = worker();
    const before = workflows.beforeDeath(claim, lost, name);
    const ms = keepCancelledMs(claim, undefined);
    const { task, queue } = claim.record;
    this.#ports.logger.warn("job is dead", { job: claim.id, task, error: lost.message });
    processMetrics.jobs.of(task, queue).outcomes.dead += 1;
    this.#settle(claim, name, { outcome: "dead", run, ms, contract: undefined, before });
  }

  cancelled(execution: Execution): void {
    if (this.#isStale(execution)) return;
    count(execution, "cancelled");
    this.#cancel(execution.claim, execution.worker, execution.contract);
  }

  /**
   * Cancels a resting job that does not continue, and keeps it because its handler has stored steps.
   * @param contract of the task, when this process has it.
   */
  halted(claim: Claim, contract: AnyTaskContract | undefined): void {
    this.#cancel(claim, this.#ports.worker(), contract);
  }

  #cancel(claim: Claim, worker: string, contract: AnyTaskContract | undefined): void {
    const { clock, workflows } = this.#ports;
    const events = withEvent(claim.run.events, [clock.now(), "cancelled"]);
    const run = encodeRun({ ...claim.run, state: "cancelled", detail: null, events });
    const ms = keepCancelledMs(claim, contract);
    const before = workflows.beforeDeath(claim, new Cancelled(), worker);
    this.#settle(claim, worker, { outcome: "cancelled", run, ms, contract, before });
  }

  suspended(execution: Execution, { wakeAt, wait }: Suspended): void {
    if (this.#isStale(execution)) return;
    const kind = wait === undefined ? "slept" : "waited";
    count(execution, kind);
    const { claim, contract, worker } = execution;
    const now = this.#ports.clock.now();
    const run = restingRun(claim.run, now, kind, wakeAt);
    this.#settle(claim, worker, {
      outcome: "retry",
      run,
      ms: Math.max(0, Math.ceil(wakeAt - now)),
      wait,
      contract,
    });
  }

  handedBack(execution: Execution): void {
    if (this.#isStale(execution)) return;
    count(execution, "handed-back");
    const { claim, worker, contract } = execution;
    const { clock } = this.#ports;
    if (!mustTellThatItBegan(claim)) {
      this.#giveBack([claim.id], true);
      return;
    }
    const events = withEvent(claim.run.events, [clock.now(), "handed-back", worker]);
    const run = encodeRun({ ...claim.run, state: "retry", detail: null, events });
    this.#settle(claim, worker, { outcome: "retry", run, ms: 0, contract });
  }

  /** Hands claimed jobs that this worker does not run back to their queues, without counting an attempt. */
  returned(ids: readonly string[]): void {
    this.#giveBack(ids, false);
  }

  #giveBack(ids: readonly string[], started: boolean): void {
    const { reaper, fetcher, worker } = this.#ports;
    const name = worker();
    if (ids.length === 0) return;
    const { round } = fetcher;
    const left = new Set(ids);
    this.#persist("hand-back", "handing jobs back", async () => {
      await reaper.handBackJobs(name, left, started);
      for (const id of ids) fetcher.forget(id, round);
      // These jobs counted as work in hand, and there may be no other end of a job that triggers the next
      // claim.
      fetcher.schedule();
    });
  }

  unserved(claim: Claim, outdated?: HostOutdated): void {
    const { clock, worker } = this.#ports;
    const { task, queue } = claim.record;
    processMetrics.jobs.of(task, queue).failures.add(UNSERVED);
    this.#unservedLog.met(claim.id, claim.record, outdated);
    const { run, ms } = unservedRun(claim, clock.now(), outdated !== undefined);
    // A start that was long ago may not be taken back: later ones count instead of it.
    const outcome = outdated === undefined ? "unserved" : "retry";
    this.#settle(claim, worker(), { outcome, run, ms, contract: undefined });
  }

  /** Ids that were claimed but must not run: deleted or cancelled while they waited. */
  discard(holes: readonly { readonly id: string; readonly queue: string }[], fallbackQueue: string): void {
    const { connection, keys, worker, fetcher } = this.#ports;
    const name = worker();
    const jobs = holes.map((hole) => ({
      id: hole.id,
      queue: hole.queue === "" ? fallbackQueue : hole.queue,
    }));
    const { round } = fetcher;
    this.#persist("discard", "discarding cancelled jobs", async () => {
      const { invited } = await discard(connection, { keys, worker: name, jobs });
      for (const { id } of jobs) fetcher.forget(id, round);
      if (invited.length > 0) fetcher.invite(invited);
    });
  }

  /** Resolves when everything has been written. */
  async settled(): Promise<void> {
    while (this.#underWay.size > 0) await Promise.all(this.#underWay);
  }

  close(): void {
    this.#closed = true;
  }

  /** The lease under which the attempt ran is gone; its outcome must not be written. */
  #isStale(execution: Execution): boolean {
    if (execution.worker === this.#ports.worker()) return false;
    count(execution, "lost");
    return true;
  }

  #keepCompletedMs(execution: Execution): number {
    const { options } = execution.claim.record;
    const contract: AnyTaskContract = execution.contract;
    return options.keepCompletedMs ?? this.#ports.keepCompletedMs ?? contract.retention.completedMs;
  }

  /** @throws what `JSON.stringify` throws, and ResultTooLarge */
  #resultText({ contract }: Execution, result: unknown): string {
    // JSON has no text for a function or a symbol, as for undefined; the text "undefined" would make the run
    // unreadable.
    const text = (JSON.stringify(result) as string | undefined) ?? "null";
    const { maxResultCharacters } = this.#ports;
    if (text.length > maxResultCharacters)
      throw new ResultTooLarge(contract.name, text.length, maxResultCharacters);
    return text;
  }

  /** The text of `encodeRun`, assembled by hand for a job that completes at once: this is the hot path. */
  #completedRun(run: JobRun, detail: string, worker: string, durationMs: number): string {
    const event = `[${this.#ports.clock.now()},"completed","${worker}",${Math.round(durationMs)}]`;
    if (run.events.length === 0) {
      return `[${run.attempts + 1},${run.crashes},"completed",${detail},[${event}]]`;
    }
    const events = withEvent(run.events, JSON.parse(event) as JobRun["events"][number]);
    return `[${run.attempts + 1},${run.crashes},"completed",${detail},${JSON.stringify(events)}]`;
  }

  #settle(claim: Claim, worker: string, settlement: Settlement): void {
    const { connection, keys, fetcher, logger } = this.#ports;
    const { outcome, run, ms, wait, contract, before } = settlement;
    const { round } = fetcher;
    this.#persist("outcome", "writing an outcome", async () => {
      if (this.#ports.worker() !== worker) {
        // Nothing may be told of this end: the job runs again, and may end otherwise.
        logger.debug("the lease of the job was lost before its outcome was written", { job: claim.id });
        return;
      }
      await before?.();
      const { outcome: reply, invited } = await fail(connection, {
        keys,
        worker,
        id: claim.id,
        queue: claim.record.queue,
        outcome,
        run,
        ms,
        wait,
        keepCancelledMs: keepCancelledMs(claim, contract),
      });
      if (reply === "GONE") logger.debug("the job was settled already", { job: claim.id });
      fetcher.forget(claim.id, round);
      if (invited.length > 0) fetcher.invite(invited);
    });
  }

  /** @param operation the label in the metrics. @param doing the words in the log. */
  #persist(operation: string, doing: string, write: () => Promise<void>): void {
    const run = this.#untilWritten(operation, doing, write).finally(() => this.#underWay.delete(run));
    this.#underWay.add(run);
  }

  async #untilWritten(operation: string, doing: string, write: () => Promise<void>): Promise<void> {
    for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS)) {
      try {
        await write();
        return;
      } catch (error) {
        if (this.#closed) return;
        processMetrics.count("taskweft_worker_redis_errors_total", { operation });
        this.#ports.logger.warn(`${doing} failed; trying again`, { error });
        await new Promise((resolve) => setTimeout(resolve, pauseMs));
      }
    }
  }
}

/** A job that was cancelled before it started has no meter, because it is not an attempt. */
function count({ meter }: Execution, outcome: keyof OutcomeCounts): void {
  if (meter !== undefined) meter.outcomes[outcome] += 1;
}
