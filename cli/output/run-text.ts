/** Workflow runs as text: a line in a list, or all details. */
import type { RunDetails, RunItems, RunStep, RunSummary } from "../../runtime/inspect/index.js";
import type { Colors } from "./colors.js";
import { printable, printableLines } from "./sanitize.js";
import type { Column } from "./table.js";
import { relative, roughly, timestamp } from "./times.js";

/** Most characters of a result or failure next to its step; `--json` prints it whole. */
const LONGEST_VALUE = 160;

export function runColumns(now: number): readonly Column<RunSummary>[] {
  return [
    { header: "ID", value: (run) => run.id },
    { header: "WORKFLOW", value: (run) => run.workflow, shrinks: true },
    { header: "STATE", value: (run) => run.state },
    { header: "AGE", value: (run) => roughly(now - run.startedAt), align: "right" },
    { header: "NOTE", value: (run) => note(run, now), shrinks: true },
  ];
}

function note({ endedAt, startedAt, error, parent }: RunSummary, now: number): string {
  const of = parent === undefined ? "" : `step ${parent.step} of ${parent.run}`;
  if (endedAt === undefined) return of;
  const when = `${of === "" ? "" : `${of}, `}${relative(endedAt, now)}, after ${roughly(endedAt - startedAt)}`;
  return error === undefined ? when : `${when}: ${error}`;
}

export function runText(run: RunDetails, now: number, colors: Colors): string {
  const fields: readonly (readonly [string, string | undefined])[] = [
    ["id", run.id],
    ["workflow", run.workflow],
    ["step of", run.parent === undefined ? undefined : `${run.parent.run}, as ${run.parent.step}`],
    ["state", run.state],
    ["started", moment(run.startedAt, now)],
    ["ended", moment(run.endedAt, now)],
    ["removed", moment(run.removedAt, now)],
    ["error", run.error],
    ["definition", run.hash],
  ];
  return [
    ...fields.flatMap(([name, value]) =>
      value === undefined ? [] : [`${colors.dim(name.padEnd(11))}${printable(value)}`],
    ),
    "",
    ...valueLines(run, colors),
    "",
    colors.dim("steps"),
    ...run.steps.flatMap((step) => stepLines(step, now, colors)),
  ].join("\n");
}

function moment(at: number | undefined, now: number): string | undefined {
  return at === undefined ? undefined : `${timestamp(at)} (${relative(at, now)})`;
}

function valueLines(run: RunDetails, colors: Colors): readonly string[] {
  if (run.hidden) {
    return [
      `${colors.dim("input")}      hidden: no generated/manifest.json here knows ${printable(run.workflow)}, so its sensitive fields are unknown`,
      "           call weft in the project's folder, after weft codegen",
    ];
  }
  return [
    colors.dim("input"),
    json(run.input),
    ...("output" in run ? [colors.dim("output"), json(run.output)] : []),
  ];
}

function json(value: unknown): string {
  return printableLines(JSON.stringify(value, undefined, 2)).replaceAll(/^/gm, "  ");
}

function stepLines(step: RunStep, now: number, colors: Colors): readonly string[] {
  const head = `  ${printable(step.name)}  ${step.state}${timesOf(step, now)}`;
  const details: readonly (readonly [string, string | undefined])[] = [
    ["task", step.task],
    ["workflow", step.workflow],
    ["event", step.event],
    ["run", step.run],
    ["job", step.job],
    ["attempts", step.attempts === undefined || step.attempts < 2 ? undefined : String(step.attempts)],
    ["held by", step.worker],
    ["waits for", waitText(step)],
    ["items", step.items === undefined ? undefined : itemsText(step.items)],
    [
      "runs",
      step.items?.runs === undefined ? undefined : `${step.items.runs}.N, with the number of the item`,
    ],
    ["result", "result" in step ? short(JSON.stringify(step.result)) : undefined],
    ["failure", step.failure === undefined ? undefined : short(step.failure)],
    ...(step.items?.failures ?? []).map(({ index, failure }) => [`item ${index}`, short(failure)] as const),
    ["undone by", undoingText(step, now)],
  ];
  return [
    head,
    ...details.flatMap(([name, value]) =>
      value === undefined ? [] : [`    ${colors.dim(name.padEnd(10))}${printable(value)}`],
    ),
  ];
}

function timesOf({ begunAt, endedAt, dueAt, event }: RunStep, now: number): string {
  if (dueAt !== undefined) return `, ${event === undefined ? "due" : "gives up"} ${relative(dueAt, now)}`;
  if (endedAt === undefined) return begunAt === undefined ? "" : `, begun ${relative(begunAt, now)}`;
  const took = begunAt === undefined ? "" : ` in ${endedAt - begunAt} ms`;
  return `${took} at ${timestamp(endedAt)}`;
}

function waitText({ waitsFor, waitsForCount }: RunStep): string | undefined {
  if (waitsFor === undefined || waitsFor.length === 0) return undefined;
  const names = waitsFor.join(", ");
  return waitsForCount === undefined ? names : `${waitsForCount} of ${names}`;
}

function itemsText({ total, completed, failed, cancelled }: RunItems): string {
  const counts = [
    `${completed} of ${total} completed`,
    ...(failed === 0 ? [] : [`${failed} failed`]),
    ...(cancelled === 0 ? [] : [`${cancelled} cancelled`]),
  ];
  return counts.join(", ");
}

function undoingText({ undoing }: RunStep, now: number): string | undefined {
  if (undoing === undefined) return undefined;
  const when = undoing.endedAt === undefined ? "" : ` ${relative(undoing.endedAt, now)}`;
  const why = undoing.failure === undefined ? "" : `: ${short(undoing.failure)}`;
  return `${undoing.task}, ${undoing.state}${when}${why}`;
}

function short(text: string): string {
  return text.length <= LONGEST_VALUE ? text : `${text.slice(0, LONGEST_VALUE - 1)}…`;
}
