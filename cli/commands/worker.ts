/**
 * `weft worker`: this process becomes a worker of the project. No child process, so that signals, exit code and
 * `kill -9` mean what they say; the generated entry handles SIGINT and SIGTERM itself.
 */
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import type { Command } from "commander";
import { goOnAfterBrokenPipe } from "../broken-pipe.js";
import { CliError } from "../errors.js";
import { EXIT, type ExitCode } from "../exit-codes.js";
import { durationOption, listOption, wholeNumberOption } from "../options.js";
import { generatedEntry } from "../project.js";
import type { Session } from "../session.js";
import { importProjectFile } from "../typescript.js";

interface WorkerOptions {
  readonly concurrency?: number;
  readonly queues?: readonly string[];
  readonly grace?: string;
  readonly entry?: string;
}

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
    .action(session.action((options: WorkerOptions) => worker(options, session)));
}

async function worker(options: WorkerOptions, session: Session): Promise<ExitCode> {
  const file =
    options.entry === undefined ? generatedEntry(session.root, "worker") : namedEntry(options.entry, session);
  const settings = {
    TASKWEFT_WORKER_CONCURRENCY: options.concurrency?.toString(),
    TASKWEFT_WORKER_QUEUES: options.queues?.join(","),
    TASKWEFT_WORKER_GRACE: options.grace,
    TASKWEFT_REDIS_URL: await session.redisUrl(),
  };
  for (const [name, value] of Object.entries(settings)) {
    if (value !== undefined) process.env[name] = value;
  }
  // Handlers read their files, and tsx its tsconfig.json, relative to the project.
  process.chdir(session.root);
  goOnAfterBrokenPipe();
  stopWithParent();
  await importProjectFile(file);
  return EXIT.ok;
}

/** Under `weft dev` the parent holds a channel: when it is killed hard, its worker must not stay behind. */
function stopWithParent(): void {
  if (!process.connected) return;
  process.once("disconnect", () => process.kill(process.pid, "SIGTERM"));
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
