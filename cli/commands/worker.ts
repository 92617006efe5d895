/**
 * `weft worker`: this process becomes a worker of the project. No child process, so that signals, exit code and
 * `kill -9` mean what they say; the generated entry handles SIGINT and SIGTERM itself. With `--processes` it keeps several
 * such processes running instead.
 */
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import type { Command } from "commander";
import type { MetricsAddress } from "../../runtime/metrics/index.js";
import { goOnAfterBrokenPipe } from "../broken-pipe.js";
import { CliError } from "../errors.js";
import { EXIT, type ExitCode } from "../exit-codes.js";
import { durationOption, listOption, wholeNumberOption } from "../options.js";
import { generatedEntry, programFile } from "../project.js";
import type { Session } from "../session.js";
import { importProjectFile } from "../typescript.js";

interface WorkerOptions {
  readonly concurrency?: number;
  readonly queues?: readonly string[];
  readonly grace?: string;
  readonly entry?: string;
  readonly processes?: number;
  readonly metricsPort?: number;
  readonly metricsHost?: string;
}

const MAX_PROCESSES = 256;
/** How long a process may stay whose worker could not start (ms). */
const EXIT_PATIENCE_MS = 2000;

export function configure(command: Command, session: Session): void {
  command
    .option(
      "--concurrency <n>",
      "jobs that run at the same time (env TASKWEFT_WORKER_CONCURRENCY)",
      wholeNumberOption("--concurrency", 1, 10_000),
    )
    .option(
      "--queues <names>",
      "only these queues, comma-separated (env TASKWEFT_WORKER_QUEUES)",
      listOption("--queues"),
    )
    .option(
      "--grace <duration>",
      "how long running jobs may finish after SIGTERM, e.g. 30s (env TASKWEFT_WORKER_GRACE)",
      durationOption("--grace"),
    )
    .option(
      "--entry <file>",
      "the worker's entry file (default: generated/worker.ts, else generated/worker.js)",
    )
    .option(
      "--processes <n>",
      "keep so many worker processes running (env TASKWEFT_WORKER_PROCESSES; default 1: this process)",
      wholeNumberOption("--processes", 1, MAX_PROCESSES),
    )
    .option(
      "--metrics-port <n>",
      "serve GET /metrics for Prometheus there (env TASKWEFT_METRICS_PORT; default 0: nowhere)",
      wholeNumberOption("--metrics-port", 0, 65_535),
    )
    .option(
      "--metrics-host <address>",
      "listen on this address for it (env TASKWEFT_METRICS_HOST; default 127.0.0.1)",
    )
    .action(session.action((options: WorkerOptions) => worker(options, session)));
}

async function worker(options: WorkerOptions, session: Session): Promise<ExitCode> {
  const file =
    options.entry === undefined ? generatedEntry(session.root, "worker") : namedEntry(options.entry, session);
  const processes = options.processes ?? processesFromEnv(session.io.env);
  const asked = {
    TASKWEFT_WORKER_CONCURRENCY: options.concurrency?.toString(),
    TASKWEFT_WORKER_QUEUES: options.queues?.join(","),
    TASKWEFT_WORKER_GRACE: options.grace,
    TASKWEFT_METRICS_PORT: options.metricsPort?.toString(),
    TASKWEFT_METRICS_HOST: options.metricsHost,
    TASKWEFT_REDIS_URL: await session.redisUrl(),
    TASKWEFT_CONFIG: configFile(session),
  };
  const settings = Object.fromEntries(Object.entries(asked).filter(([, value]) => value !== undefined));
  goOnAfterBrokenPipe();
  stopWithParent();
  if (processes === 1) await become(file, settings, session);
  else return await keep(processes, file, settings, session);
  return EXIT.ok;
}

/** This process becomes the worker. */
async function become(file: string, settings: NodeJS.ProcessEnv, session: Session): Promise<void> {
  Object.assign(process.env, settings);
  // Handlers read their files, and tsx its tsconfig.json, relative to the project.
  process.chdir(session.root);
  try {
    await importProjectFile(file);
  } catch (error) {
    // What its handler files have opened (a database pool, a timer) must not keep a worker that is none.
    setTimeout(() => process.exit(), EXIT_PATIENCE_MS).unref();
    throw error;
  }
}

/** This process keeps workers running. */
async function keep(
  processes: number,
  file: string,
  settings: NodeJS.ProcessEnv,
  session: Session,
): Promise<ExitCode> {
  const { supervise } = await import("../supervisor/supervisor.js");
  const { host, port } = await metricsAddress(settings, session);
  return await supervise({
    processes,
    endpoint: port === 0 ? undefined : { host, port },
    args: [programFile(), "worker", "--processes", "1", "--entry", file],
    cwd: session.io.cwd,
    // One endpoint for all, and it is that of this process.
    env: { ...session.io.env, ...settings, TASKWEFT_METRICS_PORT: "0" },
    interrupted: session.io.interrupted(),
    log: (line) => session.note(`weft worker: ${line}`),
  });
}

/** What the flags say, else the environment or weft.config.yaml. */
async function metricsAddress(settings: NodeJS.ProcessEnv, session: Session): Promise<MetricsAddress> {
  const config = await session.config();
  return {
    host: settings["TASKWEFT_METRICS_HOST"] ?? String(config.setting("metrics.host").value),
    port: Number(settings["TASKWEFT_METRICS_PORT"] ?? config.setting("metrics.port").value),
  };
}

function processesFromEnv(env: NodeJS.ProcessEnv): number {
  // Set to nothing is not set, as compose files and shells leave it.
  const text = env["TASKWEFT_WORKER_PROCESSES"] || "1";
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (value >= 1 && value <= MAX_PROCESSES) return value;
  throw new CliError(
    "OptionInvalid",
    `TASKWEFT_WORKER_PROCESSES: expected a whole number from 1 to ${MAX_PROCESSES}, got ${JSON.stringify(text)}`,
    { exitCode: EXIT.usage },
  );
}

/** Named from where the command was called; the worker reads it in the project's folder. */
function configFile({ io, root }: Session): string | undefined {
  const named = io.env["TASKWEFT_CONFIG"];
  return named === undefined || named === "" ? undefined : resolve(root, named);
}

/**
 * Under `weft dev` or `--processes` the parent holds a channel. It asks for a stop by "stop"; and when it is killed hard, its
 * worker must not stay behind. Both are SIGTERM, unless that has come by itself: a second one would end the worker at once.
 */
function stopWithParent(): void {
  if (!process.connected) return;
  let signalled = false;
  const onSignal = (): void => {
    signalled = true;
    process.off("SIGTERM", onSignal);
    // Until the entry listens, the signal means what it means to any program.
    if (process.listenerCount("SIGTERM") === 0) process.kill(process.pid, "SIGTERM");
  };
  const stop = (): void => {
    if (!signalled) process.kill(process.pid, "SIGTERM");
  };
  process.on("SIGTERM", onSignal);
  process.once("disconnect", stop);
  process.on("message", (message) => {
    if (message === "stop") stop();
  });
  process.channel?.unref();
}

function namedEntry(name: string, session: Session): string {
  const file = resolve(session.io.cwd, name);
  if (existsSync(file)) return file;
  throw new CliError("EntryMissing", `expected a file at --entry ${name}, found none`, {
    exitCode: EXIT.usage,
    fix: "build the project first, or leave --entry out to run generated/worker.ts",
  });
}
