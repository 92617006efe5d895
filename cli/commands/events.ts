/** `weft events`: look at events that are kept, and bring them to the observers that there are now. */
import type { Command } from "commander";
import { closest } from "../../codegen/load/did-you-mean.js";
import { CliError } from "../errors.js";
import { EXIT, type ExitCode } from "../exit-codes.js";
import {
  type EmitResult,
  type GeneratedEvent,
  generatedEvents,
  importGenerated,
} from "../generated-index.js";
import { withInspector } from "../inspection.js";
import { listOption, wholeNumberOption } from "../options.js";
import { eventColumns, eventText } from "../output/event-text.js";
import { printable } from "../output/sanitize.js";
import { formatTable } from "../output/table.js";
import { reachPrimary } from "../redis/reach.js";
import type { Session } from "../session.js";

interface ListOptions {
  readonly event?: string;
  readonly limit: number;
  readonly cursor?: string;
}

interface ReplayCommandOptions {
  readonly again?: boolean;
  readonly observers?: readonly string[];
}

export function configure(command: Command, session: Session): void {
  command
    .command("list")
    .summary("List events that are kept, the one that is kept longest first")
    .description(
      "List events that are kept for their `retention`, the one that is kept longest first; in pages.",
    )
    .option("--event <name>", "only events of this name")
    .option("--limit <n>", "most events of a page", wholeNumberOption("--limit", 1, 1000), 50)
    .option("--cursor <cursor>", "go on where the page before ended")
    .action(session.action((options: ListOptions) => list(options, session)));
  command
    .command("show")
    .argument("<event>", "its name")
    .argument("<id>", "its id")
    .description("Show an event, and the actions of observers that are settled")
    .action(session.action((_options: object, event, id) => show(event!, id!, session)));
  command
    .command("replay")
    .argument("<event>", "its name")
    .argument("<id>", "its id")
    .option("--again", "everything runs again, as an event of its own with a new id")
    .option("--observers <names>", "only these, separated by commas", listOption("--observers"))
    .summary("Bring an event to the observers that there are now")
    .description(
      "Bring an event to the observers that there are now: to those that were added since, and for actions that failed or were not stored.",
    )
    .action(
      session.action((options: ReplayCommandOptions, event, id) => replay(event!, id!, options, session)),
    );
}

async function list({ event, limit, cursor }: ListOptions, session: Session): Promise<ExitCode> {
  const page = await withInspector(session, ({ inspector }) =>
    inspector.listEvents({
      limit,
      ...(event === undefined ? {} : { event }),
      ...(cursor === undefined ? {} : { cursor }),
    }),
  );
  const outcome = session.page(page, page.events, () =>
    formatTable(eventColumns(Date.now()), page.events, session.io.stdout, session.colors("stdout")),
  );
  if (!session.json && outcome === "empty") session.note("no events: only those with a `retention` are kept");
  return EXIT.ok;
}

async function show(event: string, id: string, session: Session): Promise<ExitCode> {
  const found = await withInspector(session, ({ inspector }) => inspector.showEvent(event, id));
  session.result(found, () => eventText(found, Date.now(), session.colors("stdout")));
  return EXIT.ok;
}

/** Through the project's own generated code: conditions and payloads are those of the definitions as they are here. */
async function replay(
  name: string,
  id: string,
  options: ReplayCommandOptions,
  session: Session,
): Promise<ExitCode> {
  const url = await session.redisUrl();
  const prefix = await session.prefix();
  const shards = await reachPrimary(url, prefix, await session.saidShards());
  const generated = await importGenerated(session.root);
  const event = eventOf(name, generatedEvents(generated));
  const client = await generated.connect({ url, prefix, shards });
  try {
    const result = await event.replay(id, options);
    session.result(shown(result), () => lines(result).join("\n"));
    if (!session.json && lines(result).length === 0)
      session.note("nothing to do: all that follows from it is settled; --again runs everything again");
    return result.failed.length === 0 ? EXIT.ok : EXIT.failed;
  } finally {
    await client.close();
  }
}

function eventOf(name: string, events: readonly GeneratedEvent[]): GeneratedEvent {
  const found = events.find(({ event }) => event === name);
  if (found !== undefined) return found;
  const names = events.map(({ event }) => event);
  const suggestion = closest(name, names);
  throw new CliError("EventUnknown", `no event named ${printable(name)} in the definitions`, {
    exitCode: EXIT.notFound,
    fix:
      suggestion !== undefined
        ? `did you mean ${suggestion}?`
        : names.length > 0
          ? `events: ${names.join(", ")}`
          : "declare it in tasks/, and run: weft codegen",
  });
}

/** Errors have no JSON of their own. */
function shown({ failed, ...result }: EmitResult): object {
  return { ...result, failed: failed.map(({ error, ...action }) => ({ ...action, error: error.message })) };
}

function lines({ jobs, failed, started, runs, heardBy }: EmitResult): readonly string[] {
  return [
    ...jobs.map(({ observer, task, id, outcome }) => `${observer}  ${task}  ${id}  ${outcome}`),
    ...started.map(({ observer, workflow, id }) => `${observer}  ${workflow}  ${id}  started`),
    ...failed.map(({ observer, error }) => `${observer}  failed: ${error.message}`),
    ...[...runs, ...heardBy].map((id) => `${id}  has heard of it`),
  ].map(printable);
}
