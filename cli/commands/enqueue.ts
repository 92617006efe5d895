/**
 * `weft enqueue`: enqueues one job through the project's generated code, with the same checks and defaults as
 * a program.
 */
import type { Command } from "commander";
import { closest } from "../../codegen/load/did-you-mean.js";
import { HIDDEN } from "../../runtime/inspect/index.js";
import { CliError, codeOf } from "../errors.js";
import { EXIT, type ExitCode } from "../exit-codes.js";
import { type Handle, importGenerated } from "../generated-index.js";
import { withInspector } from "../inspection.js";
import { readJsonArgument } from "../json-argument.js";
import { readManifest, redactorFor } from "../manifest.js";
import { dateOption, durationOption } from "../options.js";
import { printable, printableLines } from "../output/sanitize.js";
import { reachPrimary } from "../redis/reach.js";
import type { Session } from "../session.js";
import { assertWaits } from "../wait-drained.js";

interface EnqueueCommandOptions {
  readonly at?: Date;
  readonly delay?: string;
  readonly id?: string;
  readonly key?: string;
  readonly queue?: string;
  readonly timeout?: string;
  readonly wait?: boolean;
}

const DEFAULT_TIMEOUT = "30s";

export function configure(command: Command, session: Session): void {
  command
    .argument("<task>", "the task's name")
    .argument("[payload]", "JSON; - reads it from standard input, @file from a file", "{}")
    .option(
      "--at <time>",
      "run at this time or later (2026-03-01T12:00:00Z, or milliseconds since 1970)",
      dateOption("--at"),
    )
    .option("--delay <duration>", "run after this delay, e.g. 30s", durationOption("--delay"))
    .option("--id <id>", "the job's id; enqueueing the same id again returns the same job")
    .option("--key <key>", "the idempotency key; overrides the definition's")
    .option("--queue <name>", "the queue; overrides the definition's")
    .option(
      "--timeout <duration>",
      `how long --wait waits (default ${DEFAULT_TIMEOUT})`,
      durationOption("--timeout"),
    )
    .option("--wait", "wait for the job to end and print its result; exit 7 if it does not end well")
    .action(
      session.action((options: EnqueueCommandOptions, task, payload) =>
        enqueue(task!, payload!, options, session),
      ),
    );
}

async function enqueue(
  task: string,
  payload: string,
  options: EnqueueCommandOptions,
  session: Session,
): Promise<ExitCode> {
  if (options.at !== undefined && options.delay !== undefined) {
    throw new CliError("OptionsConflict", "--at and --delay both say when: give one of them", {
      exitCode: EXIT.usage,
    });
  }
  assertWaits(options);
  const value = await readJsonArgument(payload, "payload", session.io);
  await assertTask(task, session.root);
  const url = await session.redisUrl();
  const prefix = await session.prefix();
  const shards = await reachPrimary(url, prefix, await session.saidShards());
  const generated = await importGenerated(session.root);
  const client = await generated.connect({ url, prefix, shards });
  try {
    const job = await generated.enqueue(task, value, enqueueOptions(options));
    return options.wait === true
      ? await report(task, job, options.timeout ?? DEFAULT_TIMEOUT, session)
      : announce(task, job, session);
  } finally {
    await client.close();
  }
}

function enqueueOptions({
  at,
  delay,
  id,
  key,
  queue,
}: EnqueueCommandOptions): Readonly<Record<string, unknown>> {
  const all = { runAt: at, delay, id, idempotencyKey: key, queue };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
}

const NOTES = {
  stored: (task: string) => `enqueued ${task}`,
  existing: (task: string) => `already there: ${task} has this job`,
  replaced: (task: string) => `already there: ${task} has this job, and it has the new payload now`,
};

function announce(task: string, { id, deduplicated, outcome }: Handle, session: Session): ExitCode {
  session.result({ id, task, deduplicated, outcome }, () => id);
  if (!session.json) session.note(NOTES[outcome](task));
  return EXIT.ok;
}

async function report(task: string, job: Handle, timeout: string, session: Session): Promise<ExitCode> {
  if (!session.json)
    session.note(`${job.deduplicated ? "already there" : "enqueued"}: ${task} ${job.id}, waiting`);
  const given = await resultOf(job, task, timeout, session);
  const redactor = redactorFor(await readManifest(session.root));
  const shown = redactor.redact(task, "result", given);
  const result = shown === undefined ? HIDDEN : shown.value;
  session.result(
    { id: job.id, task, deduplicated: job.deduplicated, outcome: job.outcome, result: result ?? null },
    () => (result === undefined ? "" : printableLines(JSON.stringify(result, undefined, 2))),
  );
  if (!session.json) session.note("completed");
  return EXIT.ok;
}

/**
 * A handler's error message may repeat sensitive payload fields, so it is shown redacted, as in `weft jobs
 * show`.
 */
async function resultOf(job: Handle, task: string, timeout: string, session: Session): Promise<unknown> {
  try {
    return await job.result({ timeout });
  } catch (error) {
    if (codeOf(error) === "JobNotFound") {
      // A job that an earlier enqueue created may have ended long ago.
      const why = job.deduplicated
        ? "whether it completed is not known, its retention has ended or it was deleted"
        : "it failed where retention.dead is 0, or was deleted";
      const message = `${task} job ${job.id} is over, and nothing is kept of it: ${why}`;
      throw new CliError("JobNotFound", message, {
        exitCode: job.deduplicated ? EXIT.notFound : EXIT.jobFailed,
      });
    }
    if (codeOf(error) !== "JobDead") throw error;
    const { timeline } = await withInspector(session, ({ inspector }) => inspector.showJob(job.id));
    const last = timeline.at(-1);
    if (last?.kind !== "failed") throw error;
    const what = `attempt ${last.attempt} failed with ${last.error}: ${last.message}`;
    throw new CliError("JobDead", `${task} job ${job.id} is dead: ${what}`, { exitCode: EXIT.jobFailed });
  }
}

/** Rejects an unknown task before connecting to Redis. Without a manifest, the generated code does. */
async function assertTask(task: string, root: string): Promise<void> {
  const manifest = await readManifest(root);
  if (manifest === undefined || manifest.tasks.has(task)) return;
  const names = [...manifest.tasks.keys()];
  const suggestion = closest(task, names);
  throw new CliError("TaskUnknown", `no task named ${printable(task)} in the definitions`, {
    exitCode: EXIT.notFound,
    fix: suggestion === undefined ? `tasks: ${names.join(", ")}` : `did you mean ${suggestion}?`,
  });
}
