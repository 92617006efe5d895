/** The worker process that generated code starts: its settings, a client for its handlers, signals, exit code. */
import { provideClient } from "./client/default-client.js";
import { createClient, disconnect } from "./client/index.js";
import { type Config, configFromEnv, loadConfig } from "./config/index.js";
import {
  METRICS_QUESTION,
  metricsText,
  type MetricsEndpoint,
  processMetrics,
  serveMetrics,
} from "./metrics/index.js";
import { thisHost } from "./worker/hosts/this-host.js";
import { type Registry, type WorkerOptions, createConsoleLogger, createWorker } from "./worker/index.js";

/** How long what a handler file left open (a database pool, a timer) may keep the process once the worker has stopped (ms). */
const EXIT_PATIENCE_MS = 2000;
/** One wish to stop may arrive twice: from the terminal or systemd, and passed on by npm or a supervisor (ms). */
const SAME_REQUEST_MS = 500;

/**
 * Runs a worker until SIGTERM or SIGINT, then ends the process; a second signal, at least half a second
 * later, ends it at once. Handlers may enqueue without `connect()`: they get a client for the worker's own Redis and prefix.
 * Its settings come from the environment, from weft.config.yaml in the working directory (or the file that TASKWEFT_CONFIG
 * names), and from the profile; see docs/configuration.md. `options` win over all of them.
 */
export async function runWorker(registry: Registry, options: WorkerOptions = {}): Promise<void> {
  // The host of an isolated task has imported a bundle in which this call stands: a worker is there already.
  if (thisHost() !== undefined) return;
  const config = await loadConfig();
  const all = { ...workerOptions(config), ...options };
  const worker = createWorker(registry, all);
  const { url, redis, prefix, shards } = all;
  const place = {
    ...(prefix === undefined ? {} : { prefix }),
    ...(shards === undefined ? {} : { shards }),
  };
  provideClient(() => createClient({ url, redis, ...place }));
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
  const endpoint = await metricsEndpoint(config);
  try {
    await worker.start();
  } catch (error) {
    // A signal while it starts is no failure: it stops like any other worker.
    if (signals === 0) throw error;
  }
  started = true;
  const lastAnswer = answerSupervisor();
  // Whoever started this process may wait for it: `weft worker --processes` does, and others by the same word.
  process.send?.("ready", undefined, undefined, () => undefined);
  await stopped;
  await endpoint?.close();
  await lastAnswer();
  await disconnect();
  // Not at once: a process that nothing keeps ends by itself, with everything written.
  setTimeout(() => process.exit(), EXIT_PATIENCE_MS).unref();
}

/** Before the worker starts, so that a port which is taken fails the start and leaves nothing behind. */
async function metricsEndpoint(config: Config): Promise<MetricsEndpoint | undefined> {
  const port = config.said("metrics.port") ?? 0;
  if (port === 0) return undefined;
  const host = String(config.setting("metrics.host").value);
  return await serveMetrics({ host, port }, metricsText);
}

/**
 * `weft worker --processes` serves the metrics of all its workers, and asks each for its own. Gives the function that tells it of the
 * last ones, without being asked.
 */
function answerSupervisor(): () => Promise<void> {
  if (process.send === undefined) return async () => undefined;
  const answer = async (): Promise<void> => {
    const metrics = await processMetrics.snapshot();
    await new Promise<void>((resolve) => {
      // It may be gone by now, and then nobody wants to know.
      if (process.connected) process.send?.({ taskweft: { metrics } }, undefined, undefined, () => resolve());
      else resolve();
    });
  };
  const heard = (message: unknown): void => {
    if (message === METRICS_QUESTION) void answer();
  };
  process.on("message", heard);
  return async () => {
    process.off("message", heard);
    await answer();
  };
}

/** The options of a worker from the environment alone. @throws TaskweftError `OptionInvalid` naming the variable. */
export function workerOptionsFromEnv(env: NodeJS.ProcessEnv): WorkerOptions {
  return workerOptions(configFromEnv(env));
}

/** What the configuration says; where it says nothing, the worker's own defaults are left in force. */
export function workerOptions(config: Config): WorkerOptions {
  const defined = {
    url: config.said("redis.url"),
    prefix: config.said("redis.prefix"),
    shards: config.said("redis.shards"),
    concurrency: config.said("worker.concurrency"),
    queues: config.said("worker.queues"),
    grace: config.said("worker.grace"),
    lease: config.said("worker.lease"),
    maxBlock: config.said("worker.maxBlock"),
    maxResult: config.said("worker.maxResult"),
    claimAhead: config.said("worker.claimAhead"),
    retentionCompleted: config.said("retention.completed"),
    jobLog: config.said("log.jobs"),
    logger: createConsoleLogger(config.said("log.level")),
  };
  return Object.fromEntries(
    Object.entries(defined).filter(([, value]) => value !== undefined),
  ) as WorkerOptions;
}
