// What the tests of the scripts share: one Redis a file, one shard a test, short names for the usual calls, and a check
// of the whole shard after every test.
import type { Redis } from "ioredis";
import { afterEach, beforeAll } from "vitest";
import { Connection } from "../../runtime/connection/index.js";
import {
  encodeLogLine,
  encodeRunRecord,
  parseRun,
  type JobRun,
  type JobState,
  ShardKeys,
  type RunStart,
} from "../../runtime/protocol/index.js";
import {
  advance,
  awaitJob,
  cancel,
  declare,
  discard,
  drain,
  enqueue,
  fail,
  heartbeat,
  keepEvent,
  log,
  runAlone,
  note,
  pause,
  purge,
  reclaim,
  recountGroup,
  regate,
  remove,
  retry,
  saveStep,
  suspend,
  sweep,
  take,
  tick,
  tickRun,
  type AdvanceCall,
  type Advanced,
  type AwaitReply,
  type CancelReply,
  type DeclareCall,
  type Declared,
  type Discarded,
  type EnqueueItem,
  type EnqueueReply,
  type FailCall,
  type FailReply,
  type Failed,
  type GroupRecount,
  type Heartbeat,
  type KeepEventCall,
  type PurgeCall,
  type Purged,
  type ReclaimCall,
  type Reclaimed,
  type RegateCall,
  type RemoveReply,
  type RetryReply,
  type ScriptRunner,
  type Swept,
  type SweepTurn,
  type Taken,
  type TickCall,
  type TickReply,
  type TickRunCall,
  type TickRunReply,
} from "../../runtime/scripts/index.js";
import { assertSound } from "../support/fsck.js";
import { startRedis, type TestRedis } from "../support/redis.js";
import { readShard, type Shard } from "../support/shard.js";
import { item, type NewJob, recordText, runText } from "./job-texts.js";

export { item, type NewJob, recordText, runText };

export const HOUR_MS = 3_600_000;

/** The time is always asked for here. */
type TimedReply = EnqueueReply & { readonly nowMs: number };

export class ShardBench {
  readonly keys: ShardKeys;
  readonly connection: Connection;
  readonly #runner: ScriptRunner;
  #call = 0;

  /** `connection` looks at the shard and sets it up; `runner` runs the scripts, by default the same. */
  constructor(connection: Connection, keys: ShardKeys, runner: ScriptRunner = connection) {
    this.connection = connection;
    this.keys = keys;
    this.#runner = runner;
  }

  get redis(): Redis {
    return this.connection.redis;
  }

  async shard(): Promise<Shard> {
    return await readShard(this.redis, this.keys);
  }

  /** Enqueues one job, or each of a list, in one call. */
  async put(jobs: Readonly<Record<string, NewJob>>): Promise<TimedReply> {
    const items = Object.entries(jobs).map(([id, job]) => item(id, job));
    return await this.send(items, ++this.#call);
  }

  async send(items: readonly EnqueueItem[], call: number, slot = 0, client = "client"): Promise<TimedReply> {
    const reply = await enqueue(this.#runner, { keys: this.keys, client, slot, call, items });
    return reply as TimedReply;
  }

  async register(worker: string, leaseMs = HOUR_MS): Promise<void> {
    const about = JSON.stringify({ name: worker, leaseMs });
    await heartbeat(this.#runner, { keys: this.keys, worker, leaseMs, about });
  }

  /** From now on the worker's lease counts as ended, and is not prolonged again, although it may still renew it. */
  async endLease(worker: string): Promise<void> {
    await this.redis.zadd(this.keys.leases, "XX", 1.5, worker);
  }

  async advance(worker: string, call: Partial<AdvanceCall> = {}): Promise<Advanced | "LOST"> {
    return await advance(this.#runner, {
      keys: this.keys,
      worker,
      leaseMs: 0,
      want: 0,
      inlineUpTo: 16,
      dropped: [],
      kept: [],
      quotas: [{ queue: "q", quota: call.want ?? 0 }],
      ...call,
    });
  }

  /** Registers the worker and claims from queue `q`; fails when it gets another number of jobs than asked for. */
  async claim(worker: string, want: number): Promise<readonly string[]> {
    await this.register(worker);
    const reply = await this.advance(worker, { want });
    if (reply === "LOST" || reply.ids.length !== want) {
      throw new Error(`expected ${want} jobs for ${worker}, got ${JSON.stringify(reply)}`);
    }
    return reply.ids;
  }

  /** Claims one job as behind a blocking pop. */
  async take(worker: string, queues: readonly string[] = ["q"]): Promise<Taken | "LOST" | "NONE"> {
    return await take(this.#runner, { keys: this.keys, worker, queues });
  }

  async beat(worker: string, leaseMs = HOUR_MS, queues: readonly string[] = []): Promise<Heartbeat | "LOST"> {
    return await heartbeat(this.#runner, { keys: this.keys, worker, leaseMs, about: undefined, queues });
  }

  async fail(...call: Parameters<ShardBench["failed"]>): Promise<FailReply> {
    return (await this.failed(...call)).outcome;
  }

  async failed(
    worker: string,
    id: string,
    outcome: FailCall["outcome"],
    call: Partial<FailCall> = {},
  ): Promise<Failed> {
    return await fail(this.#runner, {
      keys: this.keys,
      worker,
      id,
      queue: "q",
      outcome,
      run: runText({ attempts: 1, state: outcome === "unserved" ? "retry" : outcome }),
      ms: HOUR_MS,
      keepCancelledMs: 2 * HOUR_MS,
      ...call,
    });
  }

  /** Takes jobs back after a crash, unless `call` says otherwise; says how many. */
  async reclaim(
    worker: string,
    ids: readonly string[],
    call: Partial<ReclaimCall> = {},
  ): Promise<(Omit<Reclaimed, "taken"> & { readonly taken: number }) | "ALIVE"> {
    const reply = await this.reclaimed(worker, ids, call);
    return reply === "ALIVE" ? reply : { ...reply, taken: reply.taken.length };
  }

  /** The same with their ids. */
  async reclaimed(
    worker: string,
    ids: readonly string[],
    call: Partial<ReclaimCall> = {},
  ): Promise<Reclaimed | "ALIVE"> {
    return await reclaim(this.#runner, {
      keys: this.keys,
      worker,
      reason: "crashed",
      maxCrashes: 3,
      suspectWaitMs: HOUR_MS,
      keepMs: HOUR_MS,
      queues: ["q"],
      ids,
      ...call,
    });
  }

  async runAlone(worker: string, id: string): Promise<string> {
    return await runAlone(this.#runner, { keys: this.keys, worker, id });
  }

  /** Saves a step; without a result it gave nothing. */
  async saveStep(
    worker: string,
    id: string,
    name = "a",
    ...result: readonly unknown[]
  ): Promise<"LOST" | "GONE" | "SAVED"> {
    const text = result.length === 0 ? undefined : JSON.stringify(result[0]);
    return await saveStep(this.#runner, { keys: this.keys, worker, id, name, result: text });
  }

  async note(worker: string, progress: Readonly<Record<string, unknown>>): Promise<number | "LOST"> {
    const jobs = Object.entries(progress).map(([id, value]) => ({ id, progress: JSON.stringify(value) }));
    return await note(this.#runner, { keys: this.keys, worker, jobs });
  }

  /** Adds lines to the logs of jobs; of each at most 5, of 200 bytes together. */
  async log(
    worker: string,
    lines: Readonly<Record<string, readonly string[]>>,
    leftOut = 0,
  ): Promise<number | "LOST"> {
    const jobs = Object.entries(lines).map(([id, texts]) => ({
      id,
      leftOut,
      lines: texts.map((text) => encodeLogLine({ at: 1, level: "info", text })).join(""),
    }));
    return await log(this.#runner, { keys: this.keys, worker, maxLines: 5, maxBytes: 200, jobs });
  }

  async regate(call: Omit<RegateCall, "keys">): Promise<string> {
    return await regate(this.#runner, { keys: this.keys, ...call });
  }

  async recount(call: Omit<GroupRecount, "keys">): Promise<string> {
    return await recountGroup(this.#runner, { keys: this.keys, ...call });
  }

  /** Says how many had come back to life. */
  async discard(...call: Parameters<ShardBench["discarded"]>): Promise<number> {
    return (await this.discarded(...call)).revived;
  }

  async discarded(worker: string, ids: readonly string[], queue = "q"): Promise<Discarded> {
    const jobs = ids.map((id) => ({ id, queue }));
    return await discard(this.#runner, { keys: this.keys, worker, jobs });
  }

  async cancel(id: string, keepMs = HOUR_MS, queue = "q", expected?: JobState): Promise<CancelReply> {
    return await cancel(this.#runner, { keys: this.keys, id, queue, keepMs, expected });
  }

  async retry(id: string, queue = "q", expected?: JobState, call = ""): Promise<RetryReply> {
    return await retry(this.#runner, { keys: this.keys, id, queue, expected, call });
  }

  async remove(id: string, queue = "q", expected?: JobState): Promise<RemoveReply> {
    return await remove(this.#runner, { keys: this.keys, id, queue, expected });
  }

  /** Looks once at up to 100 ids of a place of queue `q`, from the start. */
  async purge(place: PurgeCall["place"], state: PurgeCall["state"], more = {}): Promise<Purged> {
    const call = { keys: this.keys, queue: "q", place, state, task: "", most: 100, from: "", ...more };
    return await purge(this.#runner, call);
  }

  async await(id: string, client: string): Promise<AwaitReply> {
    return await awaitJob(this.#runner, { keys: this.keys, id, client });
  }

  /** Keeps an event `e` with an empty payload. */
  async keep(id: string, call: Partial<KeepEventCall> = {}): Promise<"CONFLICT" | "KEPT"> {
    const event = { event: "e", id, payload: "{}", keepMs: HOUR_MS, settled: [], open: [] };
    return await keepEvent(this.#runner, { keys: this.keys, ...event, ...call });
  }

  async sweep(limit = 500, turn?: SweepTurn): Promise<Swept | "SWEPT"> {
    return await sweep(this.#runner, this.keys, limit, turn);
  }

  /** Declares schedules by name with their timings, as a worker of the deploy `one` that starts. */
  async declare(
    timings: Readonly<Record<string, string>>,
    call: Partial<DeclareCall> = {},
  ): Promise<Declared | "OTHER"> {
    const schedules = Object.entries(timings).map(([name, timing]) => ({ name, timing, definition: timing }));
    const deploy = { fingerprint: "one", starts: true, patienceMs: HOUR_MS };
    return await declare(this.#runner, { keys: this.keys, ...deploy, schedules, ...call });
  }

  /** Settles the ticks given as `run`, the last of which is as far as it goes, for the schedule `s` in queue `q`. */
  async tick(lastMs: number, run: readonly number[], call: Partial<TickCall> = {}): Promise<TickReply> {
    const jobs = run.map((tickMs) => ({ tickMs, id: `t${tickMs}`, record: recordText(), dueMs: tickMs }));
    const base = {
      schedule: "s",
      queue: "q",
      overlap: "allow",
      maxPending: 0,
      missedMs: 0,
      group: undefined,
    } as const;
    const upToMs = run.at(-1) ?? 0;
    return await tick(this.#runner, { keys: this.keys, ...base, lastMs, upToMs, jobs, ...call });
  }

  /** Settles the ticks up to one, by the run `t<tick>` of one step in queue `q`, for the schedule `s`. */
  async tickRun(lastMs: number, upToMs: number, call: Partial<TickRunCall> = {}): Promise<TickRunReply> {
    const run = `t${upToMs}`;
    const record = recordText({ options: { run } });
    const step = { id: `${run}.a`, queue: "q", delayMs: 0, limit: "", record };
    const start: RunStart = {
      run,
      record: encodeRunRecord({ workflow: "w", hash: "h", startedAt: 1, key: "", input: {} }),
      definition: { field: "@w h", text: "{}" },
      begins: [step],
      timeout: undefined,
      listeners: [],
    };
    const base = { schedule: "s", overlap: "allow", missedMs: 0, start } as const;
    return await tickRun(this.#runner, { keys: this.keys, ...base, lastMs, upToMs, ...call });
  }

  /** True when it was not paused before. */
  async pause(task = "a:task"): Promise<boolean> {
    return await pause(this.#runner, {
      keys: this.keys,
      kind: "task",
      name: task,
      action: "pause",
      queues: [],
    });
  }

  async resume(task = "a:task", queues: readonly string[] = ["q"]): Promise<boolean> {
    return await pause(this.#runner, { keys: this.keys, kind: "task", name: task, action: "resume", queues });
  }

  async drain(kind: "queue" | "task", name: string, action: "drain" | "accept" = "drain"): Promise<boolean> {
    return await drain(this.#runner, { keys: this.keys, kind, name, action });
  }

  async suspend(action: "pause" | "resume", schedule = "s"): Promise<"NOTFOUND" | "OK"> {
    return await suspend(this.#runner, { keys: this.keys, schedule, action });
  }

  async runOf(id: string): Promise<JobRun> {
    return parseRun(await this.redis.hget(this.keys.runs, id));
  }
}

let server: TestRedis;
let connection: Connection;
let prefix = 0;
let used: ShardBench[] = [];

/** Call at the top of a test file; the function it returns makes a bench with an empty shard. */
export function useShards(): () => ShardBench {
  beforeAll(async () => {
    server = await startRedis();
    connection = new Connection({ url: server.url }, "test");
    return () => connection.disconnect();
  });
  afterEach(async () => {
    const benches = used;
    used = [];
    for (const bench of benches) await assertSound(bench.redis, bench.keys);
  });
  return () => {
    const bench = new ShardBench(connection, new ShardKeys(`test-${++prefix}`));
    used.push(bench);
    return bench;
  };
}
