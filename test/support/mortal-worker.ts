// Workers that die at a chosen call to Redis, as if their process had been killed there; many in one process, and no time passes.
import { Command, Redis } from "ioredis";
import { Connection } from "../../runtime/connection/index.js";
import { Reaper } from "../../runtime/worker/leases/reaper.js";
import type { Logger, Worker } from "../../runtime/worker/index.js";
import type { Project } from "./project.js";
import { signal } from "./signal.js";

/**
 * `unsent`: it dies before the call goes out; `unanswered`: Redis has executed the call, and nobody hears the answer; `stopped`: it
 * is told to stop with the call, and has time to put things in order; `frozen`: it stands still, this call and all later ones wait for
 * `thaw()`, and so do the answers.
 */
export type Death = "frozen" | "stopped" | "unanswered" | "unsent";

const nothing = (): void => undefined;
/** Thousands of workers that die have much to say. */
export const SILENT: Logger = { debug: nothing, info: nothing, warn: nothing, error: nothing };

const lives = new Map<string, Life>();
type Send = (this: Redis, ...args: Parameters<Redis["sendCommand"]>) => unknown;
const send = Reflect.get(Redis.prototype, "sendCommand") as Send;
Redis.prototype.sendCommand = function (...args): unknown {
  const life = lives.get(this.options.connectionName ?? "");
  const pass = (): unknown => send.apply(this, args);
  return life === undefined ? pass() : life.call(this, args[0].name, pass);
};

/** Stands between a worker and its connections: counts the calls, and lets none pass after its end. */
export class Life {
  static #made = 0;
  /** Give it to the worker as `redis: { connectionName }`. */
  readonly connectionName = `mortal-${Life.#made++}`;
  dead = false;
  /** It has stood still, or does. */
  frozen = false;
  /** It does not stand still any more. */
  readonly thawed = signal();
  /** Nothing that it has sent is under way any more. */
  readonly ended = signal();
  /** The worker whose life it is. */
  worker: Worker | undefined;
  readonly #connections = new Set<Redis>();
  /** Of these, those that answer nothing while they wait. */
  readonly #blocked = new Set<Redis>();
  #asleep = false;
  #left = Infinity;
  #death: Death = "unsent";

  constructor() {
    lives.set(this.connectionName, this);
  }

  /** Its last call has come. */
  get over(): boolean {
    return this.#left <= 0;
  }

  /** Nobody has put things in order. */
  get killed(): boolean {
    return this.over && this.#death !== "stopped";
  }

  /** Dies at the nth call from now on. */
  endAt(nth: number, death: Death): void {
    this.#left = nth;
    this.#death = death;
  }

  /** It goes on as if nothing had been, and sends what it wanted to. */
  thaw(): void {
    this.#asleep = false;
    this.thawed.send();
  }

  /** Dies at no call. */
  goOn(): void {
    this.#left = Infinity;
  }

  call(redis: Redis, name: string, pass: () => unknown): unknown {
    this.#connections.add(redis);
    if (this.dead) return never();
    if (this.#asleep) return this.#whileAlive(this.thawed.promise.then(pass));
    // A blocking pop, and what is sent behind it, is answered at any time: counted, it would make every number mean something else.
    if (name === "blpop" || this.#blocked.has(redis)) {
      this.#blocked.add(redis);
      return this.#whileAlive(pass());
    }
    this.#left -= 1;
    if (this.#left !== 0) return this.#whileAlive(pass());
    if (this.#death === "stopped") {
      void this.#stop();
      return pass();
    }
    if (this.#death === "frozen") {
      this.#asleep = true;
      this.frozen = true;
      void this.#freeze();
      return this.#whileAlive(this.thawed.promise.then(pass));
    }
    this.dead = true;
    void this.#end(this.#death === "unanswered" ? pass() : undefined);
    return never();
  }

  /** Answers to what was sent before are not heard either. */
  #whileAlive(answer: unknown): unknown {
    const tell = (say: () => void): unknown =>
      this.#asleep ? this.thawed.promise.then(say) : this.dead || say();
    const heard = new Promise((resolve, reject) => {
      (answer as Promise<unknown>).then(
        (value) => tell(() => resolve(value)),
        (error: unknown) => tell(() => reject(error as Error)),
      );
    });
    // Where ioredis asks with a callback, nobody looks at the promise.
    heard.catch(() => undefined);
    return heard;
  }

  async #stop(): Promise<void> {
    await this.worker?.stop();
    this.dead = true;
    this.ended.send();
  }

  async #freeze(): Promise<void> {
    for (const redis of this.#connections) {
      // A hint that comes now is for others.
      if (this.#blocked.has(redis)) redis.disconnect();
      else await answered(redis);
    }
    this.ended.send();
  }

  async #end(last: unknown): Promise<void> {
    await Promise.resolve(last).catch(() => undefined);
    for (const redis of this.#connections) {
      // Answers come in the order of the calls: with this one all that was sent before has been executed.
      if (!this.#blocked.has(redis)) await answered(redis);
      redis.disconnect();
    }
    this.#connections.clear();
    this.#blocked.clear();
    // What is left of it in this process ends by itself, without Redis.
    void this.worker?.stop();
    this.ended.send();
  }
}

/** Nothing that was sent before is under way any more. A connection that is being closed still says that it is ready. */
async function answered(redis: Redis): Promise<void> {
  if (redis.status !== "ready") return;
  await (send.call(redis, new Command("ping")) as Promise<unknown>).catch(() => undefined);
}

function never(): Promise<never> {
  return new Promise(() => undefined);
}

/** What happens to a worker whose lease has ended: its jobs are taken back. Nobody waits for the lease here. */
export async function bury(project: Project, worker: Worker, url: string): Promise<void> {
  const { keys, raw } = project;
  await raw.zadd(keys.leases, "XX", 1.5, worker.name);
  const connection = new Connection({ url }, "test");
  const reaper = new Reaper({ connection, keys, logger: SILENT, deadKeepMs: 60_000 });
  reaper.reap([worker.name]);
  await reaper.settled();
  connection.disconnect();
  // A suspect stands back for a while after its second crash. What waits is due at once; only the time of runs is not over.
  const { due } = keys.queue("default");
  const waiting = (await raw.zrange(due, 0, "-1")).filter((id) => !id.endsWith(":timeout"));
  if (waiting.length > 0) await raw.zadd(due, "XX", ...waiting.flatMap((id) => [1, id]));
}
