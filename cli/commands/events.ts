/** `weft events`: lists, shows and replays retained events. */
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
import { noteUnknownName } from "../manifest.js";
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
    .summary("List retained events, the one retained longest first")
    .description(
      "List the events that are retained by `retention`, in pages; the one retained longest comes first.",
    )
    .option("--event <name>", "only events of this name")
    .option("--limit <n>", "events per page, 1 to 1000", wholeNumberOption("--limit", 1, 1000), 50)
    .option("--cursor <cursor>", "continue from the cursor of the previous page")
    .action(session.action((options: ListOptions) => list(options, session)));
  command
    .command("show")
    .argument("<event>", "the event's name")
    .argument("<id>", "the event's id")
    .description("Show an event and the observer actions that are already settled")
    .action(session.action((_options: object, event, id) => show(event!, id!, session)));
  command
    .command("replay")
    .argument("<event>", "the event's name")
    .argument("<id>", "the event's id")
    .option("--again", "run every action again, as a new event with a new id")
    .option("--observers <names>", "only these observers, comma-separated", listOption("--observers"))
    .summary("Replay a retained event to the current observers")
    .description(
      "Replay a retained event to the current observers: runs the actions of observers added since, and actions that failed or were not stored.",
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
  if (!session.json && outcome !== "listed") await noteUnknownName(session, "event", event);
  return EXIT.ok;
}

async function show(event: string, id: string, session: Session): Promise<ExitCode> {
  const found = await withInspector(session, ({ inspector }) => inspector.showEvent(event, id));
  session.result(found, () => eventText(found, Date.now(), session.colors("stdout")));
  return EXIT.ok;
}

/**
 * Runs through the project's generated code, so that conditions and payloads come from the current
 * definitions.
 */
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

/** `JSON.stringify` turns an Error into `{}`, so its message is written out. */
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
