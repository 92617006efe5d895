import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Redis } from "ioredis";
import { nowUs } from "./clock.js";

const HOST = "127.0.0.1";
/** Same variable as in the tests and tools. */
export const REDIS_PROGRAM = process.env["REDIS_BIN"] ?? "redis-server";
const START_TIMEOUT_MS = 10_000;
const START_POLL_MS = 5;

/** What a Redis server has spent so far. */
export interface RedisCounters {
  readonly cpuUs: number;
  readonly usedMemory: number;
  /** Calls by command, those made inside scripts included. */
  readonly calls: Readonly<Record<string, number>>;
}

/** How long commands have held the server up since the last reset, in microseconds. */
export interface CommandTimes {
  /** Of scripts; 0 when none ran. */
  readonly scriptP99Us: number;
  readonly scriptMaxUs: number;
  /** The longest command of all. */
  readonly maxUs: number;
}

/** A server of its own for one sample, in a directory of its own, without persistence unless asked for. */
export class RedisServer {
  readonly host = HOST;
  readonly port: number;
  readonly #process: ChildProcess;
  readonly #directory: string;
  readonly #connection: Redis;
  static readonly #running = new Set<RedisServer>();

  static async start(options: { readonly aof: boolean }): Promise<RedisServer> {
    const port = await freePort();
    const directory = await mkdtemp(path.join(tmpdir(), "taskweft-bench-"));
    const child = spawn(REDIS_PROGRAM, serverArguments(port, directory, options.aof), { stdio: "ignore" });
    let failure: Error | undefined;
    child.on("error", (error) => (failure = error));
    const connection = new Redis({ host: HOST, port, lazyConnect: true, retryStrategy: null });
    const server = new RedisServer(port, child, directory, connection);
    await server.#ready(() => failure);
    return server;
  }

  private constructor(port: number, child: ChildProcess, directory: string, connection: Redis) {
    this.port = port;
    this.#process = child;
    this.#directory = directory;
    this.#connection = connection;
    RedisServer.#running.add(this);
    // Reported by the command that fails; without a listener ioredis prints each try while the server starts.
    connection.on("error", () => undefined);
  }

  /** For a harness that was told to stop: a server outlives the process that started it. */
  static async stopAll(): Promise<void> {
    await Promise.all([...RedisServer.#running].map((server) => server.stop()));
  }

  async counters(): Promise<RedisCounters> {
    return parseInfo(await this.#connection.info("everything"));
  }

  async ping(): Promise<void> {
    await this.#connection.ping();
  }

  /** Forgets the times (and counts) of commands so far. */
  async resetTimes(): Promise<void> {
    await this.#connection.config("SET", "latency-tracking-info-percentiles", "99 100");
    await this.#connection.config("RESETSTAT");
  }

  async commandTimes(): Promise<CommandTimes> {
    return parseTimes(await this.#connection.info("latencystats"));
  }

  /** Plain commands one after the other; how long each took, in microseconds. */
  async roundTrips(count: number): Promise<Float64Array> {
    const timesUs = new Float64Array(count);
    for (let index = 0; index < count; index++) {
      const startedAtUs = nowUs();
      await this.#connection.set("round-trip", index);
      timesUs[index] = nowUs() - startedAtUs;
    }
    return timesUs;
  }

  async stop(): Promise<void> {
    this.#connection.disconnect();
    if (
      this.#process.exitCode === null &&
      this.#process.signalCode === null &&
      this.#process.pid !== undefined
    ) {
      const exited = once(this.#process, "exit");
      this.#process.kill("SIGKILL");
      await exited;
    }
    await rm(this.#directory, { recursive: true, force: true });
    RedisServer.#running.delete(this);
  }

  async #ready(failure: () => Error | undefined): Promise<void> {
    const giveUpAt = Date.now() + START_TIMEOUT_MS;
    for (;;) {
      const started = await this.#connection.connect().then(
        () => true,
        () => false,
      );
      if (started) return;
      const cause = failure();
      if (cause !== undefined || Date.now() > giveUpAt || this.#process.exitCode !== null) {
        await this.stop();
        throw new Error("redis-server did not start: it must be installed and on the PATH", { cause });
      }
      await sleep(START_POLL_MS);
    }
  }
}

function serverArguments(port: number, directory: string, aof: boolean): string[] {
  const persistence = aof ? ["--appendonly", "yes", "--appendfsync", "everysec"] : ["--appendonly", "no"];
  return ["--port", String(port), "--bind", HOST, "--dir", directory, "--save", "", ...persistence];
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, HOST);
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  if (address === null || typeof address === "string") throw new Error("expected a TCP address");
  return address.port;
}

/** Reads what the figures need out of the reply to INFO. */
export function parseInfo(text: string): RedisCounters {
  const fields = new Map<string, string>();
  const calls: Record<string, number> = {};
  for (const line of text.split("\r\n")) {
    const colon = line.indexOf(":");
    if (colon < 0) continue;
    const name = line.slice(0, colon);
    const value = line.slice(colon + 1);
    if (name.startsWith("cmdstat_"))
      calls[name.slice("cmdstat_".length)] = Number(/calls=(\d+)/.exec(value)?.[1]);
    else fields.set(name, value);
  }
  const seconds = (name: string) => Number(fields.get(name));
  return {
    cpuUs: Math.round((seconds("used_cpu_user") + seconds("used_cpu_sys")) * 1e6),
    usedMemory: Number(fields.get("used_memory")),
    calls,
  };
}

/** Reads the percentiles that `resetTimes` has asked for out of the reply to INFO. */
export function parseTimes(text: string): CommandTimes {
  const times = { scriptP99Us: 0, scriptMaxUs: 0, maxUs: 0 };
  for (const [, name, p99, max] of text.matchAll(
    /^latency_percentiles_usec_(\S+):p99=([\d.]+),p100=([\d.]+)/gm,
  )) {
    // RESETSTAT itself, and what the harness asks for beside it.
    if (name === "info" || name?.startsWith("config") === true) continue;
    times.maxUs = Math.max(times.maxUs, Number(max));
    if (name !== "evalsha") continue;
    times.scriptP99Us = Number(p99);
    times.scriptMaxUs = Number(max);
  }
  return times;
}
