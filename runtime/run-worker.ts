/** The worker process that generated code starts: options from the environment, a client for its handlers, signals, exit code. */
import { provideClient } from "./client/default-client.js";
import { createClient, disconnect } from "./client/index.js";
import { parseDuration } from "./definition/index.js";
import { TaskweftError } from "./errors.js";
import {
  LOG_LEVELS,
  type LogLevel,
  type Registry,
  type WorkerOptions,
  createConsoleLogger,
  createWorker,
} from "./worker/index.js";

/** How long what a handler file left open (a database pool, a timer) may keep the process once the worker has stopped (ms). */
const EXIT_PATIENCE_MS = 2000;
/** One wish to stop may arrive twice: from the terminal or systemd, and passed on by npm or a supervisor (ms). */
const SAME_REQUEST_MS = 500;

/**
 * Runs a worker until SIGTERM or SIGINT, then ends the process; a second signal, at least half a second later, ends it at
 * once. Handlers may enqueue without `connect()`: they get a client for the worker's own Redis and prefix.
 * Environment: TASKWEFT_REDIS_URL, TASKWEFT_PREFIX, TASKWEFT_WORKER_CONCURRENCY, TASKWEFT_WORKER_QUEUES (comma-separated),
 * TASKWEFT_WORKER_GRACE, TASKWEFT_WORKER_LEASE, TASKWEFT_WORKER_MAX_BLOCK, TASKWEFT_WORKER_CLAIM_AHEAD,
 * TASKWEFT_RETENTION_COMPLETED, TASKWEFT_LOG_LEVEL (debug, info, warn, error, silent). `options` win over the environment.
 */
export async function runWorker(registry: Registry, options: WorkerOptions = {}): Promise<void> {
  const all = { ...workerOptionsFromEnv(process.env), ...options };
  const worker = createWorker(registry, all);
  const { url, redis, prefix } = all;
  provideClient(() => createClient({ url, redis, ...(prefix === undefined ? {} : { prefix }) }));
  let signals = 0;
  let started = false;
  const stopped = new Promise<void>((resolve, reject) => {
    let firstAt = 0;
    const onSignal = (): void => {
      signals += 1;
      if (signals > 1) {
        if (performance.now() - firstAt > SAME_REQUEST_MS) process.exit(130);
        return;
      }
      firstAt = performance.now();
      // Before the start is done nothing was claimed, so there is nothing to hand back.
      if (!started) process.exit(0);
      worker.stop().then(resolve, reject);
    };
    process.on("SIGTERM", onSignal);
    process.on("SIGINT", onSignal);
  });
  try {
    await worker.start();
  } catch (error) {
    // A signal while it starts is no failure: it stops like any other worker.
    if (signals === 0) throw error;
  }
  started = true;
  // Whoever started this process may wait for it: `weft worker --processes` does, and others by the same word.
  process.send?.("ready", undefined, undefined, () => undefined);
  await stopped;
  await disconnect();
  // Not at once: a process that nothing keeps ends by itself, with everything written.
  setTimeout(() => process.exit(), EXIT_PATIENCE_MS).unref();
}

/** @throws TaskweftError `OptionInvalid` naming the variable. */
export function workerOptionsFromEnv(env: NodeJS.ProcessEnv): WorkerOptions {
  // Set to nothing is not set, as compose files and shells leave it.
  const textOf = (name: string): string | undefined => env[name] || undefined;
  const duration = (name: string): `${number}ms` | undefined => {
    const text = textOf(name);
    if (text === undefined) return undefined;
    const ms = text === "0" ? 0 : parseDuration(text);
    if (ms === undefined) throw envInvalid(name, "a duration such as 30s, or 0", text);
    return `${ms}ms`;
  };
  const defined = {
    url: textOf("TASKWEFT_REDIS_URL"),
    prefix: textOf("TASKWEFT_PREFIX"),
    concurrency: concurrencyOf(textOf("TASKWEFT_WORKER_CONCURRENCY")),
    queues: textOf("TASKWEFT_WORKER_QUEUES")
      ?.split(",")
      .map((name) => name.trim()),
    grace: duration("TASKWEFT_WORKER_GRACE"),
    lease: duration("TASKWEFT_WORKER_LEASE"),
    maxBlock: duration("TASKWEFT_WORKER_MAX_BLOCK"),
    claimAhead: duration("TASKWEFT_WORKER_CLAIM_AHEAD"),
    retentionCompleted: duration("TASKWEFT_RETENTION_COMPLETED"),
    logger: createConsoleLogger(logLevel(textOf("TASKWEFT_LOG_LEVEL"))),
  };
  return Object.fromEntries(
    Object.entries(defined).filter(([, value]) => value !== undefined),
  ) as WorkerOptions;
}

function concurrencyOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (!/^\d+$/.test(text)) throw envInvalid("TASKWEFT_WORKER_CONCURRENCY", "a whole number", text);
  return Number(text);
}

function logLevel(text: string | undefined): LogLevel {
  if (text === undefined) return "info";
  const level = LOG_LEVELS.find((name) => name === text);
  if (level === undefined) throw envInvalid("TASKWEFT_LOG_LEVEL", LOG_LEVELS.join(", "), text);
  return level;
}

function envInvalid(name: string, expected: string, got: string): TaskweftError {
  return new TaskweftError("OptionInvalid", `${name}: expected ${expected}, got ${JSON.stringify(got)}`);
}
