// A shard with jobs in every state, made by the scripts that the runtime uses.
import { Connection } from "../../../runtime/connection/index.js";
import type { LimitedGroup } from "../../../runtime/definition/index.js";
import {
  encodeRun,
  recordHead,
  ShardKeys,
  type JobRun,
  type RecordOptions,
} from "../../../runtime/protocol/index.js";
import { advance, enqueue, fail, heartbeat, note, saveStep } from "../../../runtime/scripts/index.js";

export const WORKER = "worker-1";
const LEASE_MS = 60_000;
const KEEP_MS = 3_600_000;
const AN_ERROR_AT = 1_700_000_000_000;

export class TestShard {
  readonly connection: Connection;
  readonly keys = new ShardKeys("test");
  #call = 0;

  constructor(url: string) {
    this.connection = new Connection({ url }, "test");
  }

  async add(
    id: string,
    { task = "mail:send", queue = "default", payload = {}, due = "", group, options }: AddOptions = {},
  ): Promise<void> {
    const record = `${recordHead(task, queue, "0a1b2c3d", options)}${JSON.stringify(payload)}]`;
    const key = options?.key ?? "";
    const item = {
      id,
      queue,
      record,
      due,
      key,
      keyTtlMs: key === "" ? 0 : KEEP_MS,
      ownId: true,
      group,
      maxPending: 0,
    };
    await enqueue(this.connection, {
      keys: this.keys,
      client: "client",
      slot: 0,
      call: ++this.#call,
      items: [item],
    });
  }

  /** Registers the worker and lets it claim up to `want` jobs. */
  async claim(want: number, queue = "default"): Promise<readonly string[]> {
    const about = JSON.stringify({ host: "here" });
    await heartbeat(this.connection, { keys: this.keys, worker: WORKER, leaseMs: LEASE_MS, about });
    const reply = await this.#advance({ want, queue });
    return reply === "LOST" ? [] : reply.ids;
  }

  async complete(id: string, result: unknown): Promise<void> {
    const events: JobRun["events"] = [[AN_ERROR_AT, "completed", WORKER, 12]];
    const run = encodeRun({ attempts: 1, crashes: 0, state: "completed", detail: result, events });
    await this.#advance({ want: 0, queue: "default", kept: [{ id, run, keepMs: KEEP_MS }] });
  }

  async fail(
    id: string,
    outcome: "dead" | "retry",
    message: string,
    queue = "default",
    name = "Error",
  ): Promise<void> {
    const events: JobRun["events"] = [[AN_ERROR_AT, "failed", 1, name, message, `at ${message}`]];
    const run = encodeRun({ attempts: 1, crashes: 0, state: outcome, detail: null, events });
    await fail(this.connection, {
      keys: this.keys,
      worker: WORKER,
      id,
      queue,
      outcome,
      run,
      ms: KEEP_MS,
      keepCancelledMs: KEEP_MS,
    });
  }

  /** What a handler of the running job has noted. */
  async note(id: string, steps: Readonly<Record<string, unknown>>, progress: unknown): Promise<void> {
    const job = { keys: this.keys, worker: WORKER, id };
    for (const [name, result] of Object.entries(steps)) {
      await saveStep(this.connection, { ...job, name, result: JSON.stringify(result) as string | undefined });
    }
    await note(this.connection, { ...job, jobs: [{ id, progress: JSON.stringify(progress) }] });
  }

  async clear(): Promise<void> {
    await this.connection.redis.flushdb();
  }

  #advance({
    want,
    queue,
    kept = [],
  }: {
    want: number;
    queue: string;
    kept?: { id: string; run: string; keepMs: number }[];
  }) {
    return advance(this.connection, {
      keys: this.keys,
      worker: WORKER,
      leaseMs: LEASE_MS,
      want,
      inlineUpTo: 0,
      dropped: [],
      kept,
      quotas: [{ queue, quota: want }],
    });
  }
}

interface AddOptions {
  readonly task?: string;
  readonly queue?: string;
  readonly payload?: unknown;
  readonly due?: string;
  readonly group?: LimitedGroup | undefined;
  readonly options?: RecordOptions;
}
