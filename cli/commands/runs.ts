/** `weft runs`: lists and shows workflow runs, cancels them, and resumes failed or cancelled ones. */
import { Option, type Command } from "commander";
import { RUN_STATES, type RunState } from "../../runtime/inspect/index.js";
import { actOnIds } from "../act-on-jobs.js";
import { EXIT, type ExitCode } from "../exit-codes.js";
import { withInspector } from "../inspection.js";
import { readJsonArgument } from "../json-argument.js";
import { noteUnknownName } from "../manifest.js";
import { wholeNumberOption } from "../options.js";
import { runColumns, runText } from "../output/run-text.js";
import { printable } from "../output/sanitize.js";
import { formatTable } from "../output/table.js";
import { checkEvent, checkOutput, checkResult } from "../result-check.js";
import type { Session } from "../session.js";

interface ListOptions {
  readonly state?: RunState;
  readonly workflow?: string;
  readonly parent?: string;
  readonly roots?: boolean;
  readonly limit: number;
  readonly cursor?: string;
}

export function configure(command: Command, session: Session): void {
  command
    .command("list")
    .summary("List runs: running first, then ended")
    .description("List workflow runs in pages: running first, then ended, the newest first.")
    .addOption(new Option("--state <state>", "only runs in this state").choices(RUN_STATES))
    .option("--workflow <name>", "only runs of this workflow")
    .option("--parent <id>", "only runs that are steps of this run")
    .option("--roots", "only top-level runs")
    .option("--limit <n>", "runs per page, 1 to 1000", wholeNumberOption("--limit", 1, 1000), 50)
    .option("--cursor <cursor>", "continue from the cursor of the previous page")
    .action(session.action((options: ListOptions) => list(options, session)));
  command
    .command("show")
    .argument("<id>", "the run's id")
    .description("Show a run and the state of each of its steps")
    .action(session.action((_options: object, id) => show(id!, session)));
  command
    .command("cancel")
    .argument("<ids...>", "the runs' ids")
    .description("Cancel runs and compensate their completed steps")
    .action(session.action((_options: object, ids) => cancel(ids as unknown as readonly string[], session)));
  command
    .command("retry")
    .argument("<ids...>", "the runs' ids")
    .description("Resume failed or cancelled runs; completed steps are not run again")
    .action(session.action((_options: object, ids) => retry(ids as unknown as readonly string[], session)));
  command
    .command("skip")
    .argument("<id>", "the run's id")
    .argument("<step>", "the failed step; for one item of a fan-out e.g. pack.3")
    .argument("[result]", "its result: JSON; - reads it from standard input, @file from a file", "null")
    .description("Resume a run, giving a failed step a result by hand")
    .action(session.action((_options: object, id, step, result) => skip(id!, step!, result!, session)));
}

async function list(options: ListOptions, session: Session): Promise<ExitCode> {
  const { state, workflow, parent, roots, limit, cursor } = options;
  const page = await withInspector(session, ({ inspector }) =>
    inspector.listRuns({
      limit,
      ...(state === undefined ? {} : { state }),
      ...(workflow === undefined ? {} : { workflow }),
      ...(parent === undefined ? {} : { parent }),
      ...(roots === undefined ? {} : { roots }),
      ...(cursor === undefined ? {} : { cursor }),
    }),
  );
  const outcome = session.page(page, page.runs, () =>
    formatTable(runColumns(Date.now()), page.runs, session.io.stdout, session.colors("stdout")),
  );
  if (!session.json && outcome === "empty") session.note("no runs");
  if (!session.json && outcome !== "listed") await noteUnknownName(session, "workflow", workflow);
  return EXIT.ok;
}

async function cancel(ids: readonly string[], session: Session): Promise<ExitCode> {
  return await withInspector(session, ({ inspector }) =>
    actOnIds(
      "runs",
      [...new Set(ids)],
      async (id) => CANCELLED[await inspector.cancelRun(id)] ?? "",
      session,
    ),
  );
}

async function retry(ids: readonly string[], session: Session): Promise<ExitCode> {
  return await withInspector(session, ({ inspector }) =>
    actOnIds(
      "runs",
      [...new Set(ids)],
      async (id) => {
        await inspector.retryRun(id);
        return "retrying";
      },
      session,
    ),
  );
}

async function skip(id: string, name: string, argument: string, session: Session): Promise<ExitCode> {
  const result = await readJsonArgument(argument, "result", session.io);
  const checked = await withInspector(session, async ({ inspector }) => {
    const { steps } = await inspector.showRun(id);
    const { task, workflow, event } = steps.find((step) => step.name === name.split(".", 1)[0]) ?? {};
    const known =
      (task !== undefined && (await checkResult(session.root, task, result))) ||
      (workflow !== undefined && (await checkOutput(session.root, workflow, result))) ||
      (event !== undefined && (await checkEvent(session.root, event, result)));
    await inspector.skipStep(id, name, result);
    return known;
  });
  session.result({ id, step: name, checked }, () => `${printable(id)}  retrying, without ${printable(name)}`);
  if (!checked && !session.json)
    session.note("the result was not checked: no schema for it was found in this project");
  return EXIT.ok;
}

/** What to print for the state that the run has after the cancel request. */
const CANCELLED: Partial<Readonly<Record<RunState, string>>> = {
  cancelling: "cancelling: running steps are stopped, completed steps are compensated",
  compensating: "compensating already: running steps are stopped, completed steps are compensated",
  failing: "failing already: running steps are stopped",
};

async function show(id: string, session: Session): Promise<ExitCode> {
  const run = await withInspector(session, ({ inspector }) => inspector.showRun(id));
  session.result(run, () => runText(run, Date.now(), session.colors("stdout")));
  return EXIT.ok;
}
