/** `weft schedules`: lists, pauses and resumes schedules, and triggers one by hand. */
import type { Command } from "commander";
import { closest } from "../../codegen/load/did-you-mean.js";
import type { Inspector, ScheduleSummary } from "../../runtime/inspect/index.js";
import { CliError } from "../errors.js";
import { EXIT, type ExitCode } from "../exit-codes.js";
import { importGenerated, startFunctionOf } from "../generated-index.js";
import { withInspector } from "../inspection.js";
import { type ManifestSchedule, readManifest } from "../manifest.js";
import { printable } from "../output/sanitize.js";
import { scheduleColumns, scheduleText } from "../output/schedule-text.js";
import { formatTable } from "../output/table.js";
import { reachPrimary } from "../redis/reach.js";
import type { Session } from "../session.js";

export function configure(command: Command, session: Session): void {
  command
    .command("list")
    .description("List the schedules with their last and next ticks")
    .action(session.action(() => list(session)));
  command
    .command("show")
    .argument("<name>", "the schedule's name")
    .description("Show one schedule and its next three ticks")
    .action(session.action((_options: object, name) => show(name!, session)));
  command
    .command("pause")
    .argument("<names...>", "the schedules' names")
    .description("Pause these schedules: their ticks are skipped")
    .action(session.action((_options: object, names) => change(names, "paused", session)));
  command
    .command("resume")
    .argument("<names...>", "the schedules' names")
    .description("Resume these schedules from now on")
    .action(session.action((_options: object, names) => change(names, "resumed", session)));
  command
    .command("run")
    .argument("<name>", "the schedule's name")
    .description("Enqueue a schedule's job, or start its run, now; its ticks are not affected")
    .action(session.action((_options: object, name) => run(name!, session)));
}

async function list(session: Session): Promise<ExitCode> {
  const schedules = await withInspector(session, ({ inspector }) => inspector.listSchedules());
  session.result({ schedules }, () =>
    schedules.length === 0
      ? ""
      : formatTable(scheduleColumns(Date.now()), schedules, session.io.stdout, session.colors("stdout")),
  );
  if (schedules.length === 0 && !session.json)
    session.note("no schedules: no worker of a project with schedules has used this Redis yet");
  return EXIT.ok;
}

async function show(name: string, session: Session): Promise<ExitCode> {
  const schedule = await withInspector(session, ({ inspector }) => inspector.showSchedule(name));
  session.result(schedule, () => scheduleText(schedule, Date.now(), session.colors("stdout")));
  return EXIT.ok;
}

async function change(names: unknown, outcome: "paused" | "resumed", session: Session): Promise<ExitCode> {
  const asked = names as readonly string[];
  const schedules = await withInspector(session, async ({ inspector }) => {
    const changed: ScheduleSummary[] = [];
    // All or none: of a list with a misspelt name nobody could say how far it was done.
    for (const name of asked) await inspector.showSchedule(name);
    for (const name of asked) {
      await apply(inspector, name, outcome);
      changed.push(await inspector.showSchedule(name));
    }
    return changed;
  });
  session.result({ schedules }, () => schedules.map(({ name }) => `${name}  ${outcome}`).join("\n"));
  return EXIT.ok;
}

function apply(inspector: Inspector, name: string, outcome: "paused" | "resumed"): Promise<void> {
  return outcome === "paused" ? inspector.pauseSchedule(name) : inspector.resumeSchedule(name);
}

/**
 * Runs through the project's generated code, as `weft enqueue` does, because Redis does not store the
 * payload.
 */
async function run(name: string, session: Session): Promise<ExitCode> {
  const schedule = await scheduleOf(name, session.root);
  const url = await session.redisUrl();
  const prefix = await session.prefix();
  const shards = await reachPrimary(url, prefix, await session.saidShards());
  const generated = await importGenerated(session.root);
  const client = await generated.connect({ url, prefix, shards });
  try {
    if ("workflow" in schedule) {
      const { workflow, input } = schedule;
      const { id, deduplicated } = await startFunctionOf(generated, workflow)(input);
      session.result({ id, workflow, schedule: name, deduplicated }, () => id);
      if (!session.json)
        session.note(deduplicated ? `already there: ${workflow} has this run` : `started ${workflow}`);
      return EXIT.ok;
    }
    const { task, payload } = schedule;
    const { id, deduplicated } = await generated.enqueue(task, payload, {});
    session.result({ id, task, schedule: name, deduplicated }, () => id);
    if (!session.json)
      session.note(deduplicated ? `already there: ${task} has this job` : `enqueued ${task}`);
    return EXIT.ok;
  } finally {
    await client.close();
  }
}

async function scheduleOf(name: string, root: string): Promise<ManifestSchedule> {
  const schedules = (await readManifest(root))?.schedules;
  const schedule = schedules?.get(name);
  if (schedule !== undefined) return schedule;
  const names = [...(schedules?.keys() ?? [])];
  const suggestion = closest(name, names);
  throw new CliError("ScheduleUnknown", `no schedule named ${printable(name)} in the definitions`, {
    exitCode: EXIT.notFound,
    fix:
      suggestion !== undefined
        ? `did you mean ${suggestion}?`
        : names.length > 0
          ? `schedules: ${names.join(", ")}`
          : "declare it in tasks/, and run: weft codegen",
  });
}
