/**
 * The worker process that generated code starts: settings, a client for the handlers, signals and exit code.
 */
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

/**
 * How long an open handle of a handler file (a database pool, a timer) may keep the process after the worker
 * has stopped (ms).
 */
const EXIT_PATIENCE_MS = 2000;
/**
 * Signals within this time count as one (ms): a stop request may arrive twice, from the terminal or systemd
 * and from npm or a supervisor.
 */
const SAME_REQUEST_MS = 500;

/**
 * Runs a worker until SIGTERM or SIGINT, then ends the process; a second signal, at least half a second
 * later, ends it at once. Handlers may enqueue without `connect()`: they get a client for the worker's own
 * Redis and prefix.
 * Settings come from the environment, from weft.config.yaml in the working directory (or the file named by
 * TASKWEFT_CONFIG), and from the profile; see docs/configuration.md. `options` take precedence over all of
 * them.
 */
export async function runWorker(registry: Registry, options: WorkerOptions = {}): Promise<void> {
  // In the host of an isolated task, a bundle may contain this call, but the worker exists already.
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
      // Until the start has finished, nothing is claimed and so nothing must be handed back.
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
    // A signal during the start is not a failure: the worker stops as usual.
    if (signals === 0) throw error;
  }
  started = true;
  const lastAnswer = answerSupervisor();
  // Tells a parent process that the worker is ready: `weft worker --processes` waits for it, and PM2 knows
  // the same message.
  process.send?.("ready", undefined, undefined, () => undefined);
  await stopped;
  await endpoint?.close();
  await lastAnswer();
  await disconnect();
  // Not at once: without open handles the process ends by itself, after all output is written.
  setTimeout(() => process.exit(), EXIT_PATIENCE_MS).unref();
}

/** Opened before the worker starts, so that a port in use fails the start and leaves nothing behind. */
async function metricsEndpoint(config: Config): Promise<MetricsEndpoint | undefined> {
  const port = config.said("metrics.port") ?? 0;
  if (port === 0) return undefined;
  const host = String(config.setting("metrics.host").value);
  return await serveMetrics({ host, port }, metricsText);
}

/**
 * `weft worker --processes` serves the metrics of all its workers and asks each for its own. Returns a
 * function that sends the final metrics unasked.
 */
function answerSupervisor(): () => Promise<void> {
  if (process.send === undefined) return async () => undefined;
  const answer = async (): Promise<void> => {
    const metrics = await processMetrics.snapshot();
    await new Promise<void>((resolve) => {
      // The supervisor may be gone; then nobody needs the answer.
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

/**
 * The worker options from the environment alone.
 * @throws TaskweftError `OptionInvalid` naming the variable.
 */
export function workerOptionsFromEnv(env: NodeJS.ProcessEnv): WorkerOptions {
  return workerOptions(configFromEnv(env));
}

/** The configured options; settings that are absent leave the worker's defaults in force. */
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
