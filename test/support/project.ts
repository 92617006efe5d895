// A small project without generated files: contracts, an enqueue function a task, and workers, on a prefix of its own.
import { randomBytes } from "node:crypto";
import { expect, onTestFinished } from "vitest";
import type { Redis } from "ioredis";
import {
  createClient,
  createEnqueueFunction,
  createWorker,
  type BatchContext,
  type ClientOptions,
  type EnqueueFunction,
  type EnqueueOptions,
  type Job,
  type DefinedMiddleware,
  type JobHandle,
  type QueueDefinition,
  type Registry,
  type TaskContext,
  type TaskContract,
  type TaskweftClient,
} from "taskweft/generated-v1";
import { ShardKeys, ShardRouter, parseRun, type JobRun } from "../../runtime/protocol/index.js";
import type { Logger, Worker, WorkerOptions } from "../../runtime/worker/index.js";
import { assertSound } from "./fsck.js";
import type { TestCluster } from "./cluster.js";
import type { TestRedis } from "./redis.js";

/** Handlers by task name; payloads are what the test enqueued. */
export type TestHandlers = Readonly<Record<string, (job: Job<never>, ctx: TaskContext) => unknown>>;

/** Handlers of tasks that run in batches, by task name. */
export type TestBatchHandlers = Readonly<
  Record<string, (jobs: readonly Job<never>[], ctx: BatchContext) => unknown>
>;

export interface LogLine {
  readonly level: "debug" | "info" | "warn" | "error";
  readonly message: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

/** Keeps every line instead of printing it. */
export class RecordingLogger implements Logger {
  readonly lines: LogLine[] = [];
  readonly debug = this.#at("debug");
  readonly info = this.#at("info");
  readonly warn = this.#at("warn");
  readonly error = this.#at("error");

  messages(level: LogLine["level"]): string[] {
    return this.lines.filter((line) => line.level === level).map((line) => line.message);
  }

  #at(level: LogLine["level"]): Logger["info"] {
    return (message, fields = {}) => void this.lines.push({ level, message, fields });
  }
}

export interface ProjectOptions {
  readonly redis: Pick<TestRedis, "client" | "url"> | Pick<TestCluster, "clientFor" | "url">;
  // Contracts of different payloads stand in one list.
  readonly tasks: readonly TaskContract<never, never>[];
  /** Default: one queue named `default`. */
  readonly queues?: readonly QueueDefinition[];
  /** Default: none. */
  readonly schedules?: NonNullable<Registry["schedules"]>;
  /** Of its clients and workers. Default: one. */
  readonly shards?: number;
}

export const DEFAULT_QUEUES: readonly QueueDefinition[] = [{ name: "default", weight: 1 }];

export interface TestWorkerOptions extends WorkerOptions {
  /** Default: those of the project. */
  readonly schedules?: NonNullable<Registry["schedules"]>;
  /** Default: none. */
  readonly batches?: TestBatchHandlers;
  /** Default: none. */
  readonly middleware?: DefinedMiddleware;
  /** Default: none. */
  readonly workflows?: Registry["workflows"];
}

/** What one test needs; everything it opens is closed when the test ends. */
export class Project {
  readonly prefix = `t${randomBytes(4).toString("hex")}`;
  /** Of the first shard. */
  readonly keys = new ShardKeys(this.prefix);
  readonly logger = new RecordingLogger();
  /** Where the first shard is. */
  readonly raw: Redis;
  readonly router: ShardRouter;
  /** Keys of each shard, and a connection to where it is. */
  readonly shards: readonly { readonly keys: ShardKeys; readonly raw: Redis }[];
  readonly #options: ProjectOptions;
  readonly #functions = new Map<string, EnqueueFunction<never, never>>();
  #client: TaskweftClient | undefined;

  constructor(options: ProjectOptions) {
    this.#options = options;
    const { redis, shards = 1 } = options;
    this.router = new ShardRouter(shards);
    this.shards = Array.from({ length: shards }, (_unused, shard) => {
      const keys = new ShardKeys(this.prefix, shard);
      return { keys, raw: "client" in redis ? redis.client() : redis.clientFor(keys.tag) };
    });
    this.raw = this.shards[0]!.raw;
    // Runs after everything that the test opened has been closed.
    onTestFinished(async () => {
      for (const { raw, keys } of this.shards) {
        await assertSound(raw, keys);
        const strayed = (await raw.hkeys(keys.jobs)).filter((id) => this.router.ofId(id) !== keys.shard);
        if (strayed.length > 0)
          throw new Error(`in ${keys.tag} are jobs that strayed: ${strayed.join(", ")}`);
      }
    });
  }

  get queues(): readonly QueueDefinition[] {
    return this.#options.queues ?? DEFAULT_QUEUES;
  }

  /** The client that `enqueue` uses. */
  get client(): TaskweftClient {
    this.#client ??= this.newClient();
    return this.#client;
  }

  newClient(options: ClientOptions = {}): TaskweftClient {
    const { redis, shards = 1 } = this.#options;
    const client = createClient({ url: redis.url, prefix: this.prefix, shards, ...options });
    onTestFinished(() => client.close());
    return client;
  }

  function<Payload, Result>(task: TaskContract<Payload, Result>): EnqueueFunction<Payload, Result> {
    let made = this.#functions.get(task.name) as EnqueueFunction<Payload, Result> | undefined;
    if (made === undefined) {
      made = createEnqueueFunction(task, this.queues);
      this.#functions.set(task.name, made as unknown as EnqueueFunction<never, never>);
    }
    return made;
  }

  enqueue<Payload, Result>(
    task: TaskContract<Payload, Result>,
    payload: Payload,
    options: EnqueueOptions = {},
  ): Promise<JobHandle<Result>> {
    return this.function(task)(payload, { client: this.client, ...options });
  }

  many<Payload, Result>(
    task: TaskContract<Payload, Result>,
    payloads: readonly Payload[],
    options: EnqueueOptions = {},
  ): Promise<readonly JobHandle<Result>[]> {
    return this.function(task).many(payloads, { client: this.client, ...options });
  }

  /** A worker that is made but not started. */
  newWorker(
    handlers: TestHandlers,
    {
      schedules = this.#options.schedules ?? [],
      batches = {},
      middleware,
      workflows,
      ...options
    }: TestWorkerOptions = {},
  ): Worker {
    const worker = createWorker(
      {
        schedules,
        ...(middleware === undefined ? {} : { middleware: async () => middleware }),
        ...(workflows === undefined ? {} : { workflows }),
        contracts: this.#options.tasks,
        queues: this.queues,
        handlers: Object.fromEntries([
          ...Object.entries(handlers).map(([name, handler]) => [name, async () => ({ name, handler })]),
          ...Object.entries(batches).map(([name, batchHandler]) => [
            name,
            async () => ({ name, batchHandler }),
          ]),
        ]),
      },
      {
        url: this.#options.redis.url,
        prefix: this.prefix,
        shards: this.router.count,
        logger: this.logger,
        grace: "0ms",
        lease: "1s",
        ...options,
      },
    );
    onTestFinished(() => worker.stop());
    return worker;
  }

  async worker(handlers: TestHandlers, options: TestWorkerOptions = {}): Promise<Worker> {
    return await this.newWorker(handlers, options).start();
  }

  shardOf(id: string): Project["shards"][number] {
    return this.shards[this.router.ofId(id)]!;
  }

  /** What has happened to a job. */
  async run(id: string): Promise<JobRun> {
    const { raw, keys } = this.shardOf(id);
    return parseRun(await raw.hget(keys.runs, id));
  }

  /** Kinds of the events on record, oldest first. */
  async kinds(id: string): Promise<readonly string[]> {
    return (await this.run(id)).events.map((event) => event[1]);
  }

  /** Where the id stands, by the shard's indexes. */
  async state(id: string): Promise<string> {
    const { raw, keys } = this.shardOf(id);
    if ((await raw.hexists(keys.active, id)) === 1) return "active";
    if ((await raw.zscore(keys.done, id)) !== null) return (await this.run(id)).state;
    if ((await raw.zscore(keys.dead, id)) !== null) return "dead";
    for (const { name } of this.queues) {
      if ((await raw.zscore(keys.queue(name).due, id)) !== null) return "due";
      if ((await raw.lpos(keys.queue(name).pending, id)) !== null) return "pending";
    }
    return (await raw.hexists(keys.jobs, id)) === 1 ? "LOST" : "gone";
  }
}

export function setupProject(options: ProjectOptions): Project {
  return new Project(options);
}

/** Calls of a command since the server started, from INFO: what clients really sent. */
export async function commandCalls(raw: Redis, command: string): Promise<number> {
  const stats = await raw.info("commandstats");
  const line = stats.split("\r\n").find((text) => text.startsWith(`cmdstat_${command}:`));
  return Number(/calls=(\d+)/.exec(line ?? "")?.[1] ?? 0);
}

/** The error that a promise rejects with; fails when it resolves. */
export async function rejection(promise: Promise<unknown>): Promise<Error> {
  try {
    await promise;
  } catch (error) {
    expect(error).toBeInstanceOf(Error);
    return error as Error;
  }
  throw new Error("expected a rejection, but the promise resolved");
}

export { defineTask } from "./task.js";
