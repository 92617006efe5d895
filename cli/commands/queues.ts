/** `weft queues`: shows, pauses, drains and purges queues. */
import { Option, type Command } from "commander";
import { PURGE_STATES, type Inspector, type QueueSummary } from "../../runtime/inspect/index.js";
import { EXIT, type ExitCode } from "../exit-codes.js";
import { withInspector } from "../inspection.js";
import { queueColumns, queueText } from "../output/queue-text.js";
import { durationOption } from "../options.js";
import { formatTable } from "../output/table.js";
import { purgeQueue, type PurgeCommandOptions } from "../purge-queue.js";
import type { Session } from "../session.js";
import { assertWaits, noteOfRuns, waitUntilDrained, type WaitOptions } from "../wait-drained.js";

export function configure(command: Command, session: Session): void {
  command
    .command("list")
    .description("List the queues with their job counts")
    .action(session.action(() => list(session)));
  command
    .command("show")
    .argument("<name>", "the queue's name")
    .description("Show one queue")
    .action(session.action((_options: object, name) => show(name!, session)));
  command
    .command("pause")
    .argument("<names...>", "the queues' names")
    .description("Pause these queues: workers take no more jobs; running jobs finish")
    .action(session.action((_options: object, names) => change(names, "paused", {}, session)));
  command
    .command("resume")
    .argument("<names...>", "the queues' names")
    .description("Resume these queues")
    .action(session.action((_options: object, names) => change(names, "resumed", {}, session)));
  command
    .command("drain")
    .argument("<names...>", "the queues' names")
    .description("Refuse new jobs for these queues; jobs already there still run")
    .option("--wait", "wait until no job of these queues is waiting or running")
    .option("--timeout <duration>", "with --wait: give up after this time", durationOption("--timeout"))
    .action(session.action((options: WaitOptions, names) => change(names, "draining", options, session)));
  command
    .command("accept")
    .argument("<names...>", "the queues' names")
    .description("Accept new jobs for these queues again")
    .action(session.action((_options: object, names) => change(names, "accepting", {}, session)));
  command
    .command("purge")
    .argument("<name>", "the queue's name")
    .description("Remove all jobs in one state from a queue, however many, while workers run")
    .addOption(new Option("--state <state>", "jobs in this state").choices(PURGE_STATES).default("pending"))
    .option("--task <name>", "only jobs of this task")
    .option("--yes", "confirm the removal")
    .action(session.action((options: PurgeCommandOptions, name) => purgeQueue(name!, options, session)));
}

type Outcome = "accepting" | "draining" | "paused" | "resumed";

async function list(session: Session): Promise<ExitCode> {
  const queues = await withInspector(session, ({ inspector }) => inspector.listQueues());
  session.result({ queues }, () =>
    queues.length === 0
      ? ""
      : formatTable(queueColumns(), queues, session.io.stdout, session.colors("stdout")),
  );
  if (queues.length === 0 && !session.json)
    session.note(
      "no queues: no worker has used this Redis yet, and the current folder is not a taskweft project",
    );
  return EXIT.ok;
}

async function show(name: string, session: Session): Promise<ExitCode> {
  const queue = await withInspector(session, ({ inspector }) => inspector.showQueue(name));
  session.result(queue, () => queueText(queue, Date.now(), session.colors("stdout")));
  return EXIT.ok;
}

async function change(
  names: unknown,
  outcome: Outcome,
  options: WaitOptions,
  session: Session,
): Promise<ExitCode> {
  assertWaits(options);
  const asked = names as readonly string[];
  const { queues, notes } = await withInspector(session, async ({ inspector }) => {
    // All or none: of a list with a misspelt name nobody could say how far it was done.
    for (const name of asked) await inspector.showQueue(name);
    for (const name of asked) await apply(inspector, name, outcome);
    if (options.wait === true)
      await waitUntilDrained(asked, (name) => inspector.isQueueEmpty(name), options, session);
    const changed: QueueSummary[] = [];
    for (const name of asked) changed.push(await inspector.showQueue(name));
    return { queues: changed, notes: options.wait === true ? await noteOfRuns(inspector) : [] };
  });
  const word = options.wait === true ? "drained" : outcome;
  session.result({ queues }, () => queues.map(({ name }) => `${name}  ${word}`).join("\n"), notes);
  return EXIT.ok;
}

function apply(inspector: Inspector, name: string, outcome: Outcome): Promise<void> {
  switch (outcome) {
    case "accepting":
      return inspector.acceptQueue(name);
    case "draining":
      return inspector.drainQueue(name);
    case "paused":
      return inspector.pauseQueue(name);
    case "resumed":
      return inspector.resumeQueue(name);
  }
}
