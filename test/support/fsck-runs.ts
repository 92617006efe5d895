// What must hold of workflow runs between two scripts: none hangs, none is lost from the lists, and none leaves fields behind.
import { recordFacts } from "../../runtime/inspect/audit/facts.js";
import { listenerId } from "../../runtime/inspect/audit/rules/index.js";
import {
  isFinal,
  parseRun,
  parseRunEnd,
  parseRunParent,
  parseRunRecord,
  runFields,
} from "../../runtime/protocol/index.js";
import { stepJobId, timeoutJobId } from "../../runtime/workflow/index.js";
import type { Shard } from "./shard.js";

export function runProblems(shard: Shard): readonly string[] {
  const fields = Object.entries(shard.workflows).filter(([field]) => !field.startsWith("@"));
  const runs = fields.flatMap(([field]) => (field.includes(" ") ? [] : [field]));
  const strays = fields.flatMap(([field]) => {
    const [run = ""] = field.split(" ");
    return shard.workflows[run] === undefined ? [`no run has the field ${field}`] : [];
  });
  const live = liveJobs(shard);
  return [
    ...strays,
    ...pinProblems(shard, runs),
    ...runs.flatMap((run) => problemsOfRun(shard, run, live.get(run) ?? 0)),
    ...[...Object.keys(shard.running), ...Object.keys(shard.ended)].flatMap((run) =>
      shard.workflows[run] === undefined ? [`a list has the run ${run}, which there is not`] : [],
    ),
    ...shard.listeners.flatMap((member) => {
      if (listenerId(member) !== undefined) return [];
      const [, run = "", step = ""] = (member.split("\n").at(-1) ?? "").split(" ");
      const isOver = parseRunEnd(shard.workflows[`${run} :state`] ?? null) !== undefined;
      return shard.workflows[run] === undefined || isOver
        ? [`no run ${run} listens for its step ${step}`]
        : [];
    }),
  ];
}

/** Each definition counts the runs that are pinned to it, and is there as long as there is one. Of one whose record is spoiled nobody knows. */
function pinProblems({ workflows }: Shard, runs: readonly string[]): readonly string[] {
  const pins = new Map<string, number>();
  let spoiled = 0;
  for (const run of runs) {
    const field = definitionOf(workflows[run]!);
    if (field === undefined) spoiled += 1;
    else pins.set(field, (pins.get(field) ?? 0) + 1);
  }
  const stored = Object.keys(workflows).filter((field) => field.startsWith("@"));
  const fields = new Set([...pins.keys(), ...stored.map((field) => field.replace(/#$/, ""))]);
  return [...fields].flatMap((field) => {
    const counted = Number(workflows[`${field}#`] ?? 0);
    const pinned = pins.get(field) ?? 0;
    const isRight = counted >= Math.max(1, pinned) && counted <= pinned + spoiled;
    return isRight ? [] : [`${field} counts ${counted} runs, and has ${pinned}`];
  });
}

/** `undefined` where a test has spoiled the record. */
function definitionOf(record: string): string | undefined {
  try {
    const { workflow, hash } = parseRunRecord(record);
    return runFields.definition(workflow, hash);
  } catch {
    return undefined;
  }
}

function problemsOfRun(shard: Shard, run: string, jobs: number): readonly string[] {
  const ended = parseRunEnd(shard.workflows[`${run} :state`] ?? null) !== undefined;
  const listed = [shard.running[run] !== undefined, shard.ended[run] !== undefined];
  const open = Number(shard.workflows[`${run} :open`] ?? 0);
  const problems: string[] = [];
  if (listed[0] === ended || listed[1] !== ended) {
    problems.push(`run ${run} has ${ended ? "" : "not "}ended, and stands in the wrong list`);
  }
  // A worker that dies between two scripts leaves a job whose end is counted; the other way round nobody would ever count it.
  if (ended ? open !== 0 : open < 1 || open > jobs) {
    problems.push(`run ${run} counts ${open} jobs, and has ${jobs}: ${ended ? "it has ended" : "it hangs"}`);
  }
  return [...problems, ...problemsOfChild(shard, run, ended)];
}

/** The step that the run is waits for it, and has heard of its end. */
function problemsOfChild(shard: Shard, run: string, ended: boolean): readonly string[] {
  const parent = parseRunParent(shard.workflows[`${run} :parent`]);
  const above = parent === undefined ? undefined : shard.workflows[`${parent.run} :state`];
  const isOver = parent === undefined || shard.workflows[parent.run] === undefined;
  if (isOver || parseRunEnd(above ?? null) !== undefined) return [];
  const job = stepJobId(parent.run, parent.step, parent.item);
  if (!ended)
    return shard.jobs[job] === undefined ? [`run ${run} goes on, and no job ${job} waits for it`] : [];
  return shard.due[parent.queue]?.[job] === undefined
    ? []
    : [`job ${job} waits for the run ${run}, which has ended`];
}

function liveJobs(shard: Shard): ReadonlyMap<string, number> {
  const live = new Map<string, number>();
  for (const [id, text] of Object.entries(shard.jobs)) {
    const record = recordFacts(text);
    const run = record.kind === "job" ? record.options.run : undefined;
    // A run does not wait for the job of its timeout.
    if (
      run === undefined ||
      id === timeoutJobId(run) ||
      isFinal(parseRun(shard.runs[id] ?? null).state as never)
    )
      continue;
    live.set(run, (live.get(run) ?? 0) + 1);
  }
  return live;
}
