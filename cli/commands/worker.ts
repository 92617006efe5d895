/**
 * `weft worker`: turns this process into a worker of the project. No child process is involved, so that
 * signals, the exit code and `kill -9` act on the worker itself; the generated entry handles SIGINT and
 * SIGTERM. With `--processes` it supervises several such processes instead.
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
/** How long a process may linger after its worker failed to start (ms). */
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
      "time for running jobs to finish after SIGTERM, e.g. 30s (env TASKWEFT_WORKER_GRACE)",
      durationOption("--grace"),
    )
    .option(
      "--entry <file>",
      "the worker's entry file (default: generated/worker.ts, else generated/worker.js)",
    )
    .option(
      "--processes <n>",
      "number of worker processes to keep running (env TASKWEFT_WORKER_PROCESSES; default 1: this process)",
      wholeNumberOption("--processes", 1, MAX_PROCESSES),
    )
    .option(
      "--metrics-port <n>",
      "serve GET /metrics for Prometheus on this port (env TASKWEFT_METRICS_PORT; default 0: off)",
      wholeNumberOption("--metrics-port", 0, 65_535),
    )
    .option(
      "--metrics-host <address>",
      "address of the metrics endpoint (env TASKWEFT_METRICS_HOST; default 127.0.0.1)",
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

/** Turns this process into the worker. */
async function become(file: string, settings: NodeJS.ProcessEnv, session: Session): Promise<void> {
  Object.assign(process.env, settings);
  // Handlers open files, and tsx looks for tsconfig.json, relative to the project folder.
  process.chdir(session.root);
  try {
    await importProjectFile(file);
  } catch (error) {
    // Handler files may have opened a database pool or a timer; those must not keep a failed worker process
    // alive.
    setTimeout(() => process.exit(), EXIT_PATIENCE_MS).unref();
    throw error;
  }
}

/** Supervises several worker processes. */
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
    // The supervisor serves the metrics of all workers on one endpoint, so the workers serve none.
    env: { ...session.io.env, ...settings, TASKWEFT_METRICS_PORT: "0" },
    interrupted: session.io.interrupted(),
    log: (line) => session.note(`weft worker: ${line}`),
  });
}

/** The metrics address from the flags, else from the environment or weft.config.yaml. */
async function metricsAddress(settings: NodeJS.ProcessEnv, session: Session): Promise<MetricsAddress> {
  const config = await session.config();
  return {
    host: settings["TASKWEFT_METRICS_HOST"] ?? String(config.setting("metrics.host").value),
    port: Number(settings["TASKWEFT_METRICS_PORT"] ?? config.setting("metrics.port").value),
  };
}

function processesFromEnv(env: NodeJS.ProcessEnv): number {
  // An empty variable counts as unset: compose files and shells leave variables empty.
  const text = env["TASKWEFT_WORKER_PROCESSES"] || "1";
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (value >= 1 && value <= MAX_PROCESSES) return value;
  throw new CliError(
    "OptionInvalid",
    `TASKWEFT_WORKER_PROCESSES: expected a whole number from 1 to ${MAX_PROCESSES}, got ${JSON.stringify(text)}`,
    { exitCode: EXIT.usage },
  );
}

/** The config file as an absolute path: the worker changes to the project folder before it reads the file. */
function configFile({ io, root }: Session): string | undefined {
  const named = io.env["TASKWEFT_CONFIG"];
  return named === undefined || named === "" ? undefined : resolve(root, named);
}

/**
 * Under `weft dev` or `--processes` the parent holds an IPC channel. The parent asks for a stop with "stop",
 * and if the parent is killed, the closed channel must stop the worker too. Both are turned into SIGTERM,
 * unless SIGTERM has already arrived: a second one would end the worker at once.
 */
function stopWithParent(): void {
  // Not `process.connected`: the parent may have been killed while this process was loading.
  if (process.send === undefined) return;
  let signalled = false;
  const onSignal = (): void => {
    signalled = true;
    process.off("SIGTERM", onSignal);
    // Until the worker entry has its own listener, SIGTERM must keep its default effect.
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
  if (!process.connected) stop();
}

function namedEntry(name: string, session: Session): string {
  const file = resolve(session.io.cwd, name);
  if (existsSync(file)) return file;
  throw new CliError("EntryMissing", `expected a file at --entry ${name}, found none`, {
    exitCode: EXIT.usage,
    fix: "build the project first, or leave --entry out to run generated/worker.ts",
  });
}
