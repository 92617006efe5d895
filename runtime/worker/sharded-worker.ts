/**
 * A worker over several shards, with a part for each. Each part has a lease and connections of its own,
 * because every shard is an independent queue system and may be on another server. The parts share the
 * handlers and the slots of the process.
 */
import { setTimeout as delay } from "node:timers/promises";
import { isJoined } from "../connection/index.js";
import { hasLimit, limitKey } from "../definition/index.js";
import { randomName, ShardKeys, ShardRouter } from "../protocol/index.js";
import { HandlerTable } from "./attempts/handler-table.js";
import type { Logger, Registry } from "./handler.js";
import { HeartbeatThread } from "./leases/heartbeat-thread.js";
import { MeasuredWorker } from "./measured-worker.js";
import { assertKnown } from "./served-queues.js";
import { SharedSlots } from "./claims/shared-slots.js";
import { ShardWorker } from "./worker.js";
import { type Home, stoppedWhileStarting, type Worker } from "./worker-part.js";
import { resolveWorkerOptions, type WorkerOptions } from "./worker-options.js";

/**
 * How often the parts check for free slots even if nothing has happened (ms): a part may be keeping slots for
 * a Redis that has stopped answering.
 */
const LOOK_MS = 1000;
/** How long `start()` waits for unreachable shards once another shard has been started (ms). */
const START_PATIENCE_MS = 5000;

export class ShardedWorker implements Worker {
  readonly #parts: readonly ShardWorker[];
  readonly #handlers: HandlerTable;
  readonly #registry: Registry;
  readonly #logger: Logger;
  #timer: NodeJS.Timeout | undefined;
  #stopping: Promise<void> | undefined;

  constructor(registry: Registry, options: WorkerOptions) {
    const resolved = resolveWorkerOptions(options, registry.queues);
    const router = new ShardRouter(resolved.shards);
    const process = randomName();
    const slots = new SharedSlots(resolved.concurrency);
    this.#registry = registry;
    this.#logger = resolved.logger;
    this.#handlers = new HandlerTable(registry, resolved);
    const keys = Array.from(
      { length: router.count },
      (_unused, shard) => new ShardKeys(resolved.prefix, shard),
    );
    const thread = new HeartbeatThread({ ...resolved, keys });
    let known: Promise<void> | undefined;
    this.#parts = Array.from({ length: router.count }, (_unused, shard) => {
      const logger = withShard(resolved.logger, shard);
      return new ShardWorker(
        registry,
        { ...options, logger },
        {
          place: { router, shard },
          process,
          slots,
          thread,
          handlers: this.#handlers,
          queuesKnown: () =>
            (known ??= assertKnown(resolved.queues, registry.queues, this.#homes, resolved.logger)),
          homeOf: (id, key) => {
            const home = key === "" ? shard : router.ofKey(key);
            return { ...this.#parts[home]!.home, id: router.idIn(home, id) };
          },
        },
      );
    });
  }

  get parts(): readonly ShardWorker[] {
    return this.#parts;
  }

  get #homes(): readonly Home[] {
    return this.#parts.map(({ home }) => home);
  }

  get name(): string {
    return this.#parts[0]!.name;
  }

  async start(): Promise<this> {
    const [first, ...others] = this.#parts;
    // Before the last part has started: one whose Redis is unreachable may take long.
    this.#timer = setInterval(() => this.#parts.forEach((part) => part.look()), LOOK_MS).unref();
    try {
      const firstStarts = first!.start();
      await this.#started([firstStarts, ...others.map((part) => startAfter(firstStarts, part))]);
    } catch (error) {
      const wasStopped = this.#stopping !== undefined;
      clearInterval(this.#timer);
      await this.stop();
      throw wasStopped ? stoppedWhileStarting() : error;
    }
    this.#warnOfLimits();
    return this;
  }

  /**
   * `start()` must resolve although a shard is unreachable: the caller has to know that the worker runs, in
   * order to stop it properly.
   */
  async #started(starts: readonly Promise<unknown>[]): Promise<void> {
    const all = Promise.all(starts);
    const some = Promise.any(starts).then(() => delay(START_PATIENCE_MS, undefined, { ref: false }));
    await Promise.race([all, some]);
    all.catch((error: unknown) => {
      if (this.#stopping !== undefined) return;
      this.#logger.error("one shard could not be started; serving the others", { error });
    });
  }

  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  async #stop(): Promise<void> {
    clearInterval(this.#timer);
    await Promise.all(this.#parts.map((part) => part.stop()));
    this.#handlers.close();
    // After the last part has given up its lease, because a job that dies there may have its follow-up in
    // another shard.
    for (const { connection } of this.#homes) connection.disconnect();
  }

  /**
   * A limit with a key applies globally, because all jobs with the key live in one shard. Any other limit
   * applies in each shard.
   */
  #warnOfLimits(): void {
    const tasks = this.#registry.contracts.filter((task) => hasLimit(task) && limitKey(task) === undefined);
    const limited = [...tasks, ...this.#registry.queues.filter(hasLimit)].map(({ name }) => name);
    if (limited.length === 0) return;
    this.#logger.warn(
      "limits without a key apply to each shard separately, so all shards together allow more",
      {
        shards: this.#parts.length,
        limits: limited.join(","),
      },
    );
  }
}

/**
 * In a new system the first shard must be told the number of shards before any other. A shard that knows the
 * number already is not delayed by an unreachable first one.
 */
async function startAfter(first: Promise<unknown>, part: ShardWorker): Promise<void> {
  const { connection, keys } = part.home;
  if (!(await isJoined(connection.redis, keys))) await first;
  await part.start();
}

function withShard(logger: Logger, shard: number): Logger {
  const at =
    (level: keyof Logger): Logger["info"] =>
    (message, fields) =>
      logger[level](message, { shard, ...fields });
  return { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
}

/**
 * Makes a worker for a project's registry; call `start()` to begin.
 * @throws TaskweftError `OptionInvalid`.
 */
export function createWorker(registry: Registry, options: WorkerOptions = {}): Worker {
  const { concurrency, queues, shards, logger } = resolveWorkerOptions(options, registry.queues);
  const measured = {
    concurrency,
    queues: registry.queues.map(({ name }) => name),
    served: queues.map(({ name }) => name),
    logger,
  };
  if (shards === 1) {
    const worker = new ShardWorker(registry, options);
    return new MeasuredWorker(worker, [worker], measured);
  }
  const worker = new ShardedWorker(registry, options);
  return new MeasuredWorker(worker, worker.parts, measured);
}
