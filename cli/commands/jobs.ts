/** `weft jobs`: lists and shows jobs; retries, cancels and deletes one or many. */
import { Option, type Command } from "commander";
import { JOB_STATES, type JobFilter, type JobState } from "../../runtime/inspect/index.js";
import { actOnJobs, type JobAction, type JobVerb } from "../act-on-jobs.js";
import { EXIT, type ExitCode } from "../exit-codes.js";
import { withInspector } from "../inspection.js";
import { noteUnknownName } from "../manifest.js";
import { wholeNumberOption } from "../options.js";
import { jobColumns, jobText } from "../output/job-text.js";
import { formatTable } from "../output/table.js";
import type { Session } from "../session.js";

interface FilterOptions {
  readonly state?: JobState;
  readonly queue?: string;
  readonly task?: string;
}

interface ListOptions extends FilterOptions {
  readonly limit: number;
  readonly cursor?: string;
}

interface BulkOptions extends FilterOptions {
  readonly yes?: boolean;
}

interface VerbEntry {
  readonly verb: JobVerb;
  readonly summary: string;
  readonly act: JobAction["act"];
}

const VERBS: readonly VerbEntry[] = [
  {
    verb: "cancel",
    summary: "Cancel jobs; a running job is asked to stop",
    act: async (inspector, id, state) =>
      (await inspector.cancel(id, state)) === "requested"
        ? "cancel requested: its worker stops it"
        : "cancelled",
  },
  {
    verb: "delete",
    summary: "Delete jobs that are not running, with all their data",
    act: async (inspector, id, state) => {
      await inspector.remove(id, state);
      return "deleted";
    },
  },
  {
    verb: "retry",
    summary: "Run dead, cancelled, scheduled or retrying jobs now",
    act: async (inspector, id, state) => {
      await inspector.retry(id, state);
      return "pending";
    },
  },
];

export function configure(command: Command, session: Session): void {
  withFilter(command.command("list"))
    .summary("List jobs: active and waiting ones first, then ended ones")
    .description(
      "List jobs in pages: active, pending, scheduled and retry, dead, then completed and cancelled.",
    )
    .option("--limit <n>", "jobs per page, 1 to 1000", wholeNumberOption("--limit", 1, 1000), 50)
    .option("--cursor <cursor>", "continue from the cursor of the previous page")
    .action(session.action((options: ListOptions) => list(options, session)));
  command
    .command("show")
    .argument("<id>", "the job's id")
    .description("Show everything that is stored about a job")
    .action(session.action((_options: object, id) => show(id!, session)));
  for (const { verb, summary, act } of VERBS) {
    withFilter(command.command(verb))
      .argument("[ids...]", "the jobs' ids; without ids, all jobs that match the filters")
      .description(summary)
      .option("--yes", "act on all matching jobs")
      .action(
        session.action(async (options: BulkOptions, ids) =>
          actOnJobs(
            {
              verb,
              ids: ids as unknown as readonly string[],
              filter: filterOf(options),
              yes: options.yes === true,
              act,
            },
            session,
          ),
        ),
      );
  }
}

function withFilter(command: Command): Command {
  return command
    .addOption(new Option("--state <state>", "only jobs in this state").choices(JOB_STATES))
    .option("--queue <name>", "only jobs of this queue")
    .option("--task <name>", "only jobs of this task");
}

function filterOf({ state, queue, task }: FilterOptions): JobFilter {
  return {
    ...(state === undefined ? {} : { state }),
    ...(queue === undefined ? {} : { queue }),
    ...(task === undefined ? {} : { task }),
  };
}

async function list(options: ListOptions, session: Session): Promise<ExitCode> {
  const cursor = options.cursor === undefined ? {} : { cursor: options.cursor };
  const page = await withInspector(session, ({ inspector }) =>
    inspector.listJobs({ ...filterOf(options), limit: options.limit, ...cursor }),
  );
  const outcome = session.page(page, page.jobs, () =>
    formatTable(jobColumns(Date.now()), page.jobs, session.io.stdout, session.colors("stdout")),
  );
  if (!session.json && outcome === "empty") session.note("no jobs");
  if (!session.json && outcome !== "listed") await noteUnknownName(session, "task", options.task);
  return EXIT.ok;
}

async function show(id: string, session: Session): Promise<ExitCode> {
  const job = await withInspector(session, ({ inspector }) => inspector.showJob(id));
  session.result(job, () => jobText(job, Date.now(), session.colors("stdout")));
  return EXIT.ok;
}
