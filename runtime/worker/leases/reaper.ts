/**
 * Takes back the jobs of workers whose lease has ended. Every worker does this, and the script lets one of
 * them win. The task does not matter: a job goes back to its queue even if this worker could not run it.
 */
import type { Connection } from "../../connection/index.js";
import { processMetrics } from "../../metrics/index.js";
import { parseRecord, parseRun, type ShardKeys } from "../../protocol/index.js";
import { reclaim, type ReclaimReason } from "../../scripts/index.js";
import type { Logger } from "../handler.js";

/** Most jobs of one script call. */
const BATCH = 200;
/**
 * A job that has lost this many workers, the last one while it ran alone, goes dead; its events show the
 * crashes.
 */
export const MAX_CRASHES = 3;
/** How long a suspect is delayed, so that it does not block the front of its queue (ms). */
const SUSPECT_WAIT_MS = 500;
const JUDGEMENT = { maxCrashes: MAX_CRASHES, suspectWaitMs: SUSPECT_WAIT_MS };

export interface ReaperPorts {
  readonly connection: Connection;
  readonly keys: ShardKeys;
  /** Retention of jobs that go dead here (ms). */
  readonly deadKeepMs: number;
  readonly logger: Logger;
}

export class Reaper {
  readonly #ports: ReaperPorts;
  readonly #underWay = new Map<string, Promise<void>>();

  constructor(ports: ReaperPorts) {
    this.#ports = ports;
  }

  /** Starts to take back the jobs of each worker for which this is not under way already. */
  reap(workers: readonly string[]): void {
    for (const worker of workers) {
      if (this.#underWay.has(worker)) continue;
      const run = this.#reap(worker).finally(() => this.#underWay.delete(worker));
      this.#underWay.set(worker, run);
    }
  }

  async settled(): Promise<void> {
    await Promise.all(this.#underWay.values());
  }

  /** Hands the worker's own jobs back without recording a crash, then removes the worker. */
  async handBack(worker: string, ids: readonly string[]): Promise<void> {
    await this.#takeBack(worker, ids, "handed-back");
  }

  /**
   * Hands single jobs back to their queues, without recording a crash and without removing the worker.
   * @param ids loses the ids that were handed back, also when the rest fails: the worker may claim them again,
   *   and must not hand back the new claim with the rest.
   * @param started the jobs had started, so a rate limit counts them.
   */
  async handBackJobs(worker: string, ids: Set<string>, started: boolean): Promise<void> {
    await this.#takeBackJobs(worker, ids, started ? "handed-back" : "not-started");
  }

  async #reap(worker: string): Promise<void> {
    const { connection, keys, logger } = this.#ports;
    try {
      const ids = await connection.heldBy(keys, worker);
      const taken = await this.#takeBack(worker, ids, "crashed");
      if (taken > 0) logger.warn("took back the jobs of a lost worker", { worker, jobs: taken });
    } catch (error) {
      // The lease stays ended, so the next heartbeat of any worker tries again.
      logger.warn("taking back the jobs of a worker failed; trying again", { worker, error });
    }
  }

  async #takeBack(worker: string, ids: readonly string[], reason: ReclaimReason): Promise<number> {
    const { connection, keys, deadKeepMs } = this.#ports;
    const taken = await this.#takeBackJobs(worker, new Set(ids), reason);
    if (taken === "ALIVE") return 0;
    // A claim that was under way when the list was read shows only now.
    const late = await connection.heldBy(keys, worker);
    if (late.length > 0) return taken + (await this.#takeBack(worker, late, reason));
    await reclaim(connection, {
      keys,
      worker,
      reason,
      ...JUDGEMENT,
      keepMs: deadKeepMs,
      queues: [],
      ids: [],
    });
    return taken;
  }

  async #takeBackJobs(worker: string, ids: Set<string>, reason: ReclaimReason): Promise<number | "ALIVE"> {
    const { connection, keys, deadKeepMs } = this.#ports;
    let taken = 0;
    let queues = await knownQueues(connection, keys);
    while (ids.size > 0) {
      // Each goes to the front of its queue, so the last one first.
      const batch = [...ids].slice(-BATCH).reverse();
      const reply = await reclaim(connection, {
        keys,
        worker,
        reason,
        ...JUDGEMENT,
        keepMs: deadKeepMs,
        queues,
        ids: batch,
      });
      if (reply === "ALIVE") return "ALIVE";
      for (const id of reply.unknownQueues.length === 0 ? batch : reply.taken) ids.delete(id);
      queues = [...new Set([...queues, ...reply.unknownQueues])];
      taken += reply.taken.length;
      if (reason === "crashed") await this.#tellCrashed(reply.taken);
    }
    return taken;
  }

  /**
   * Counts crashes by task and queue, which the records contain. If they cannot be read, nothing is counted:
   * taking the jobs back matters more.
   */
  async #tellCrashed(ids: readonly string[]): Promise<void> {
    if (ids.length === 0) return;
    const { connection, keys, logger } = this.#ports;
    try {
      const [records, runs] = await Promise.all([
        connection.readRecords(keys, ids),
        connection.readRuns(keys, ids),
      ]);
      for (const [index, text] of records.entries()) {
        const record = text === null ? undefined : parseRecord(text);
        if (record === undefined) continue;
        const meter = processMetrics.jobs.of(record.task, record.queue);
        meter.crashed += 1;
        const { state, crashes } = parseRun(runs.get(index) ?? null);
        if (state !== "dead") continue;
        // The job was lost too often and is dead; nobody else would report its death.
        meter.outcomes.dead += 1;
        const error = `its worker was lost ${crashes} times`;
        logger.warn("job is dead", { job: ids[index], task: record.task, error });
      }
    } catch (error) {
      logger.warn("jobs that were taken back are missing in the metrics", { jobs: ids.length, error });
    }
  }
}

/** Every queue that any producer or worker of the shard has named. */
export async function knownQueues(connection: Connection, keys: ShardKeys): Promise<string[]> {
  const fields = await connection.redis.hkeys(keys.meta);
  return fields.filter((field) => field.startsWith("queue:")).map((field) => field.slice("queue:".length));
}
