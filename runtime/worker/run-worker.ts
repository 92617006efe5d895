/** The worker process that generated code starts: options from the environment, signals, exit code. */
import { parseDuration } from "../definition/index.js";
import { TaskweftError } from "../errors.js";
import type { Registry } from "./handler.js";
import { LOG_LEVELS, type LogLevel, createConsoleLogger } from "./logger.js";
import { createWorker } from "./worker.js";
import type { WorkerOptions } from "./worker-options.js";

/**
 * Runs a worker until SIGTERM or SIGINT; a second signal ends the process at once.
 * Environment: TASKWEFT_REDIS_URL, TASKWEFT_PREFIX, TASKWEFT_WORKER_CONCURRENCY, TASKWEFT_WORKER_QUEUES (comma-separated),
 * TASKWEFT_WORKER_GRACE, TASKWEFT_WORKER_LEASE, TASKWEFT_WORKER_CLAIM_AHEAD, TASKWEFT_RETENTION_COMPLETED,
 * TASKWEFT_LOG_LEVEL (debug, info, warn, error, silent). `options` win over the environment.
 */
export async function runWorker(registry: Registry, options: WorkerOptions = {}): Promise<void> {
  const worker = createWorker(registry, { ...workerOptionsFromEnv(process.env), ...options });
  let signals = 0;
  let started = false;
  const stopped = new Promise<void>((resolve, reject) => {
    const onSignal = (): void => {
      signals += 1;
      if (signals > 1) process.exit(130);
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
  await stopped;
}

/** @throws TaskweftError `OptionInvalid` naming the variable. */
export function workerOptionsFromEnv(env: NodeJS.ProcessEnv): WorkerOptions {
  const duration = (name: string): `${number}ms` | undefined => {
    const text = env[name];
    if (text === undefined || text === "") return undefined;
    const ms = text === "0" ? 0 : parseDuration(text);
    if (ms === undefined) throw envInvalid(name, "a duration such as 30s, or 0", text);
    return `${ms}ms`;
  };
  const defined = {
    url: env["TASKWEFT_REDIS_URL"],
    prefix: env["TASKWEFT_PREFIX"],
    concurrency: concurrencyOf(env["TASKWEFT_WORKER_CONCURRENCY"]),
    queues: env["TASKWEFT_WORKER_QUEUES"]?.split(",").map((name) => name.trim()),
    grace: duration("TASKWEFT_WORKER_GRACE"),
    lease: duration("TASKWEFT_WORKER_LEASE"),
    claimAhead: duration("TASKWEFT_WORKER_CLAIM_AHEAD"),
    retentionCompleted: duration("TASKWEFT_RETENTION_COMPLETED"),
    logger: createConsoleLogger(logLevel(env["TASKWEFT_LOG_LEVEL"])),
  };
  return Object.fromEntries(
    Object.entries(defined).filter(([, value]) => value !== undefined),
  ) as WorkerOptions;
}

function concurrencyOf(text: string | undefined): number | undefined {
  if (text === undefined || text === "") return undefined;
  if (!/^\d+$/.test(text)) throw envInvalid("TASKWEFT_WORKER_CONCURRENCY", "a whole number", text);
  return Number(text);
}

function logLevel(text: string | undefined): LogLevel {
  if (text === undefined || text === "") return "info";
  const level = LOG_LEVELS.find((name) => name === text);
  if (level === undefined) throw envInvalid("TASKWEFT_LOG_LEVEL", LOG_LEVELS.join(", "), text);
  return level;
}

function envInvalid(name: string, expected: string, got: string): TaskweftError {
  return new TaskweftError("OptionInvalid", `${name}: expected ${expected}, got ${JSON.stringify(got)}`);
}
