// A real Redis of its own for a test file. No mocks: what a test sees is what a server does.
import { spawn, type ChildProcess } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Redis, type RedisOptions } from "ioredis";
import { afterAll } from "vitest";

const started = new Set<TestRedisServer>();

// One listener for all: a file with twelve servers would otherwise set off Node's warning about listeners.
process.once("exit", () => {
  for (const server of started) server.killNow();
});

// Registered while the test file is collected: a hook registered inside a running test would never run.
// Outside vitest (a script that reuses this module) the caller stops what it started.
if (process.env["VITEST"] !== undefined) {
  afterAll(async () => {
    await Promise.all([...started].map((server) => server.stop()));
  });
}

export interface StartRedisOptions {
  /** Server program. Default: REDIS_BIN, else `redis-server`; `valkey-server` works too. */
  readonly binary?: string;
  /** Keep an append-only file, so that data survives kill9() and restart(). Default false. */
  readonly persist?: boolean;
  /** Memory limit in bytes, 0 = none. Default 0. The policy is always noeviction. */
  readonly maxMemoryBytes?: number;
  /** More server arguments, such as ["--hz", "100"]. Default none. */
  readonly args?: readonly string[];
  /** Lines of a Sentinel's configuration: the program runs as one, and the other options mean nothing. */
  readonly sentinel?: readonly string[];
}

/** The connection options that tests vary; the names are those of ioredis. */
export type TestClientOptions = Pick<
  RedisOptions,
  "commandTimeout" | "connectTimeout" | "enableOfflineQueue" | "maxRetriesPerRequest" | "retryStrategy"
>;

export interface TestRedis {
  readonly url: string;
  readonly port: number;
  /** Process id of the server that runs now; changes at restart(). */
  readonly pid: number;
  /** A new connection, closed by stop(). */
  client(options?: TestClientOptions): Redis;
  /** Freezes the server (SIGSTOP): connections stay open and nothing answers. */
  pause(): void;
  resume(): void;
  /** Ends the server as a crash would, and waits until it is gone. */
  kill9(): Promise<void>;
  /** Starts it again on the same port and folder (after kill9, or stopping it first). */
  restart(): Promise<void>;
  /** Stops server and connections and deletes the folder. Called by afterAll in any case. */
  stop(): Promise<void>;
}

interface RunningServer {
  readonly child: ChildProcess;
  readonly exited: Promise<void>;
}

const PORT_ATTEMPTS = 5;
const START_TIMEOUT_MS = 10_000;
const SENTINEL_FILE = "sentinel.conf";
const READY = /Ready to accept connections|\+monitor master/;

/**
 * Starts a server on a free port of 127.0.0.1 and ends it in afterAll, so that a failing test
 * leaves no process and no folder behind. Call it at the top of a test file, in beforeAll or in a test.
 */
export async function startRedis(options: StartRedisOptions = {}): Promise<TestRedis> {
  const folder = await mkdtemp(join(tmpdir(), "weft-redis-"));
  // It rewrites the file while it runs, and reads what it wrote when it starts again.
  if (options.sentinel !== undefined)
    await writeFile(join(folder, SENTINEL_FILE), `${options.sentinel.join("\n")}\n`);
  const server = new TestRedisServer(folder, options);
  started.add(server);
  await server.startOnFreePort();
  return server;
}

class TestRedisServer implements TestRedis {
  port = 0;
  readonly #folder: string;
  readonly #options: StartRedisOptions;
  readonly #clients = new Set<Redis>();
  #server: RunningServer | undefined;

  constructor(folder: string, options: StartRedisOptions) {
    this.#folder = folder;
    this.#options = options;
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  get pid(): number {
    return this.#running().child.pid!;
  }

  client(options: TestClientOptions = { maxRetriesPerRequest: null }): Redis {
    const client = new Redis(this.port, "127.0.0.1", { ...options });
    // Tests kill servers on purpose; without a listener ioredis prints every refused connection.
    client.on("error", () => undefined);
    this.#clients.add(client);
    return client;
  }

  pause(): void {
    this.#running().child.kill("SIGSTOP");
  }

  resume(): void {
    this.#running().child.kill("SIGCONT");
  }

  async kill9(): Promise<void> {
    await this.#end("SIGKILL");
  }

  /** For the end of the process, in which nothing can be awaited. */
  killNow(): void {
    this.#server?.child.kill("SIGKILL");
  }

  async restart(): Promise<void> {
    if (this.#server) await this.#end("SIGTERM");
    await this.#start();
  }

  async stop(): Promise<void> {
    for (const client of this.#clients) client.disconnect();
    this.#clients.clear();
    if (this.#server) await this.#end("SIGKILL");
    started.delete(this);
    await rm(this.#folder, { recursive: true, force: true });
  }

  /** Between finding a free port and using it another process may take it: try again with the next one. */
  async startOnFreePort(): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      this.port = await freePort();
      try {
        await this.#start();
        return;
      } catch (error) {
        if (attempt === PORT_ATTEMPTS || !String(error).includes("in use")) throw error;
      }
    }
  }

  async #start(): Promise<void> {
    this.#server = await launch(this.#folder, this.port, this.#options);
  }

  async #end(signal: "SIGTERM" | "SIGKILL"): Promise<void> {
    const { child, exited } = this.#running();
    this.#server = undefined;
    child.kill(signal);
    // A paused process does not act on SIGTERM until it is continued.
    child.kill("SIGCONT");
    await exited;
  }

  #running(): RunningServer {
    if (!this.#server) throw new Error("The test's Redis is not running; call restart() first.");
    return this.#server;
  }
}

async function launch(folder: string, port: number, options: StartRedisOptions): Promise<RunningServer> {
  const binary = options.binary ?? process.env["REDIS_BIN"] ?? "redis-server";
  const child = spawn(binary, serverArguments(folder, port, options), { stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  const exited = new Promise<void>((resolve) => {
    child.once("exit", () => resolve());
    child.once("error", () => resolve());
  });
  await new Promise<void>((resolve, reject) => {
    const fail = (why: string): void => {
      child.kill("SIGKILL");
      reject(new Error(`${binary} did not start: ${why}\n${output}`));
    };
    const timer = setTimeout(() => fail(`not ready after ${START_TIMEOUT_MS} ms`), START_TIMEOUT_MS);
    const onOutput = (chunk: Buffer): void => {
      output += chunk.toString();
      if (!READY.test(output)) return;
      clearTimeout(timer);
      resolve();
    };
    child.stdout.on("data", onOutput);
    child.stderr.on("data", onOutput);
    child.once("error", (error) =>
      fail(`${error.message}. Install Redis, or name the program in REDIS_BIN.`),
    );
    child.once("exit", (code, signal) => {
      clearTimeout(timer);
      reject(new Error(`${binary} ended at start (${signal ?? code}):\n${output}`));
    });
  });
  return { child, exited };
}

function serverArguments(folder: string, port: number, options: StartRedisOptions): string[] {
  if (options.sentinel !== undefined) {
    const own = ["--port", String(port), "--bind", "127.0.0.1", "--dir", folder];
    return [join(folder, SENTINEL_FILE), "--sentinel", ...own];
  }
  const settings: Record<string, string> = {
    appendfsync: options.persist ? "always" : "everysec",
    appendonly: options.persist ? "yes" : "no",
    bind: "127.0.0.1",
    dir: folder,
    maxmemory: String(options.maxMemoryBytes ?? 0),
    "maxmemory-policy": "noeviction",
    port: String(port),
    save: "",
  };
  const flags = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]);
  return [...flags, ...(options.args ?? [])];
}

export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      const port = typeof address === "object" && address !== null ? address.port : 0;
      server.close(() => resolve(port));
    });
  });
}
