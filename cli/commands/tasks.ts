/** `weft tasks`: pauses or drains single tasks across all queues. */
import type { Command } from "commander";
import type { Inspector, TaskSummary } from "../../runtime/inspect/index.js";
import { EXIT, type ExitCode } from "../exit-codes.js";
import { withInspector } from "../inspection.js";
import { durationOption } from "../options.js";
import { formatTable } from "../output/table.js";
import { taskColumns, taskText } from "../output/task-text.js";
import type { Session } from "../session.js";
import { assertWaits, noteOfRuns, waitUntilDrained, type WaitOptions } from "../wait-drained.js";

interface VerbEntry {
  readonly verb: string;
  readonly description: string;
  readonly outcome: string;
  readonly act: (inspector: Inspector, name: string) => Promise<void>;
}

const VERBS: readonly VerbEntry[] = [
  {
    verb: "pause",
    description:
      "Pause these tasks: workers start no more of their jobs; new jobs are accepted, running jobs finish",
    outcome: "paused",
    act: (inspector, name) => inspector.pauseTask(name),
  },
  {
    verb: "resume",
    description: "Resume these tasks: their jobs start again, in order",
    outcome: "resumed",
    act: (inspector, name) => inspector.resumeTask(name),
  },
  {
    verb: "drain",
    description: "Refuse new jobs of these tasks; jobs already there still run",
    outcome: "draining",
    act: (inspector, name) => inspector.drainTask(name),
  },
  {
    verb: "accept",
    description: "Accept new jobs of these tasks again",
    outcome: "accepting",
    act: (inspector, name) => inspector.acceptTask(name),
  },
];

export function configure(command: Command, session: Session): void {
  command
    .command("list")
    .description("List the tasks and show which are paused or drained")
    .action(session.action(() => list(session)));
  command
    .command("show")
    .argument("<name>", "the task's name")
    .description("Show one task")
    .action(session.action((_options: object, name) => show(name!, session)));
  for (const entry of VERBS) {
    const verb = command
      .command(entry.verb)
      .argument("<names...>", "the tasks' names")
      .description(entry.description);
    if (entry.verb === "drain") {
      verb
        .option("--wait", "wait until no job of these tasks is waiting or running")
        .option("--timeout <duration>", "with --wait: give up after this time", durationOption("--timeout"));
    }
    verb.action(session.action((options: WaitOptions, names) => change(names, entry, options, session)));
  }
}

async function list(session: Session): Promise<ExitCode> {
  const tasks = await withInspector(session, ({ inspector }) => inspector.listTasks());
  session.result({ tasks }, () =>
    tasks.length === 0 ? "" : formatTable(taskColumns(), tasks, session.io.stdout, session.colors("stdout")),
  );
  if (tasks.length === 0 && !session.json)
    session.note("no tasks: the current folder is not a taskweft project, and no task is paused or drained");
  return EXIT.ok;
}

async function show(name: string, session: Session): Promise<ExitCode> {
  const task = await withInspector(session, ({ inspector }) => inspector.showTask(name));
  session.result(task, () => taskText(task, Date.now(), session.colors("stdout")));
  return EXIT.ok;
}

async function change(
  names: unknown,
  { act, outcome }: VerbEntry,
  options: WaitOptions,
  session: Session,
): Promise<ExitCode> {
  assertWaits(options);
  const asked = names as readonly string[];
  const { tasks, notes } = await withInspector(session, async ({ inspector, manifest }) => {
    // All or none: of a list with a misspelt name nobody could say how far it was done.
    for (const name of asked) await inspector.showTask(name);
    for (const name of asked) await act(inspector, name);
    if (options.wait === true)
      await waitUntilDrained(asked, (name) => inspector.isTaskEmpty(name), options, session);
    const changed: TaskSummary[] = [];
    for (const name of asked) changed.push(await inspector.showTask(name));
    const isChecked = (manifest?.tasks.size ?? 0) > 0;
    return {
      tasks: changed,
      notes: [
        ...(isChecked ? [] : ["not checked whether there are such tasks: no generated code here names any"]),
        ...(options.wait === true ? await noteOfRuns(inspector) : []),
      ],
    };
  });
  const word = options.wait === true ? "drained" : outcome;
  session.result({ tasks }, () => tasks.map(({ name }) => `${name}  ${word}`).join("\n"), notes);
  return EXIT.ok;
}
