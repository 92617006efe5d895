/** Finds a Redis or Valkey server program on this machine and runs it for one project. */
import { spawn, type ChildProcess } from "node:child_process";
import { access, constants, mkdir, readFile, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { delimiter, join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { CliError, codeOf } from "../errors.js";
import { EXIT } from "../exit-codes.js";
import { isAlive } from "./dev-state.js";
import { answersPing, readServerInfo } from "./probe.js";
import { MINIMUM_VERSIONS } from "./server-info.js";

export interface StartedServer {
  readonly pid: number;
  readonly port: number;
  /** For example `Redis 7.0.15`. */
  readonly product: string;
}

const PROGRAMS = ["redis-server", "valkey-server"] as const;
/** Time to load a dev database of some gigabytes; without data the server is up in 20 ms. */
const START_WAIT_MS = 30_000;
const STOP_WAIT_MS = 10_000;
const POLL_MS = 10;
/** Another process may take the free port in the moment before the server binds it. */
const PORT_TRIES = 3;

/** The first server program in PATH, Redis before Valkey; `undefined` if there is none. */
export async function findServerProgram(path: string | undefined): Promise<string | undefined> {
  const folders = (path ?? "").split(delimiter).filter((folder) => folder !== "");
  for (const name of PROGRAMS) {
    for (const folder of folders) {
      const file = join(folder, process.platform === "win32" ? `${name}.exe` : name);
      if (await isExecutable(file)) return file;
    }
  }
  return undefined;
}

async function isExecutable(file: string): Promise<boolean> {
  try {
    await access(file, constants.X_OK);
    return true;
  } catch (error) {
    const code = codeOf(error);
    if (code === "ENOENT" || code === "EACCES" || code === "ENOTDIR") return false;
    throw error;
  }
}

/**
 * Runs the server with its data in `folder`: reachable from this machine only, writes on disk within a
 * second, no eviction.
 */
export async function startServer(program: string, folder: string): Promise<StartedServer> {
  await mkdir(folder, { recursive: true });
  for (let attempt = 1; ; attempt++) {
    const started = await tryStart(program, folder, await freePort());
    if (typeof started !== "string") return started;
    if (attempt < PORT_TRIES && started.includes("Address already in use")) continue;
    throw new CliError("RedisNotStarted", `${program} did not start\n${lastLines(started)}`, {
      exitCode: EXIT.redisUnreachable,
      fix: `look into ${join(folder, "redis.log")}, or set TASKWEFT_REDIS_URL to another server`,
    });
  }
}

/** The server, or its log if it ended before it answered. */
async function tryStart(program: string, folder: string, port: number): Promise<StartedServer | string> {
  const log = join(folder, "redis.log");
  await rm(log, { force: true });
  const child = spawnServer(program, folder, port, log);
  const spawnError = await new Promise<Error | undefined>((resolve) => {
    child.once("spawn", () => resolve(undefined));
    child.once("error", resolve);
  });
  if (spawnError !== undefined || child.pid === undefined) return String(spawnError);
  if (!(await waitUntilReady(child, port))) {
    await stopServer(child.pid);
    return readLog(log);
  }
  return { pid: child.pid, port, product: await checkProduct(child.pid, port) };
}

function spawnServer(program: string, folder: string, port: number, log: string): ChildProcess {
  const settings = {
    bind: "127.0.0.1",
    port: String(port),
    dir: folder,
    logfile: log,
    appendonly: "yes",
    appendfsync: "everysec",
    save: "",
    "maxmemory-policy": "noeviction",
    daemonize: "no",
  };
  const args = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]);
  // A process group of its own: Ctrl-C reaches the terminal's whole group, and would stop Redis under workers
  // that are still finishing their jobs.
  const child = spawn(program, args, { detached: true, stdio: "ignore", cwd: folder });
  child.unref();
  return child;
}

async function waitUntilReady(child: ChildProcess, port: number): Promise<boolean> {
  const giveUpAt = performance.now() + START_WAIT_MS;
  while (performance.now() < giveUpAt) {
    if (child.exitCode !== null || child.signalCode !== null) return false;
    if (await answersPing(port)) return true;
    await pause(POLL_MS);
  }
  return false;
}

async function checkProduct(pid: number, port: number): Promise<string> {
  const info = await readServerInfo(port);
  const product = info === undefined ? "a server that hides its version" : `${info.product} ${info.version}`;
  if (info?.supported === true) return product;
  await stopServer(pid);
  throw new CliError("RedisUnsuitable", `expected Redis >= ${MINIMUM_VERSIONS.Redis}, got ${product}`, {
    exitCode: EXIT.redisUnreachable,
    fix: "install a newer Redis or Valkey, or set TASKWEFT_REDIS_URL to one",
  });
}

/** Asks the server to stop and waits until it has; the server saves its data first. */
export async function stopServer(pid: number): Promise<void> {
  if (!signal(pid, "SIGTERM")) return;
  const giveUpAt = performance.now() + STOP_WAIT_MS;
  while (isAlive(pid)) {
    if (performance.now() > giveUpAt) {
      signal(pid, "SIGKILL");
      return;
    }
    await pause(POLL_MS);
  }
}

/** False if the process is already gone. */
export function signal(pid: number, name: "SIGTERM" | "SIGKILL"): boolean {
  try {
    return process.kill(pid, name);
  } catch (error) {
    if (codeOf(error) === "ESRCH") return false;
    throw error;
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => {
        if (typeof address === "object" && address !== null) resolve(address.port);
        else reject(new Error("the system gave no port"));
      });
    });
  });
}

async function readLog(file: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    if (codeOf(error) === "ENOENT") return "it wrote no log";
    throw error;
  }
}

function lastLines(log: string): string {
  return log.trimEnd().split("\n").slice(-5).join("\n");
}
