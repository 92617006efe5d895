// What must hold of workflow runs between two scripts: none hangs, none is lost from the lists, and none leaves fields behind.
import type { WorkflowDefinition } from "../../runtime/definition/index.js";
import { definitionFacts, definitionOf, hasEnded, recordFacts } from "../../runtime/inspect/audit/facts.js";
import { workflowRunFindings, type WorkflowRunFacts } from "../../runtime/inspect/audit/rules/index.js";
import { listeningRun } from "../../runtime/inspect/audit/run-census.js";
import { waitsOf } from "../../runtime/inspect/audit/run-view.js";
import { isFinal, parseRun, parseRunEnd, parseRunParent, runFields } from "../../runtime/protocol/index.js";
import { childRunId, deciderId, roundOf, stepJobId, timeoutJobId } from "../../runtime/workflow/index.js";
import type { Shard } from "./shard.js";

export function runProblems(shard: Shard): readonly string[] {
  const fields = Object.keys(shard.workflows).filter((field) => !field.startsWith("@"));
  const runs = fields.filter((field) => !field.includes(" "));
  const listening = shard.listeners.flatMap((member) => listeningRun(member) ?? []);
  const named = [...fields.map((field) => field.split(" ")[0]!), ...listening];
  const all = new Set([...named, ...Object.keys(shard.running), ...Object.keys(shard.ended)]);
  const live = liveJobs(shard);
  return [
    ...[...all].flatMap((run) =>
      workflowRunFindings({
        ...factsOf(shard, run),
        jobs: live.get(run) ?? 0,
        lost: [],
        waiter: undefined,
        fields: fields.filter((field) => field.startsWith(`${run} `)).length,
        listeners: listening.filter((one) => one === run).length,
      })
        // Tests spoil records on purpose.
        .filter(({ code }) => code !== "TW-F63")
        .map(({ code, expected, found }) => `${code} run ${run}: expected ${expected}, found ${found}`),
    ),
    ...pinProblems(shard, runs),
    ...runs.flatMap((run) => problemsOfChild(shard, run, hasEnded(shard.workflows[runFields.state(run)]))),
  ];
}

function factsOf(
  shard: Shard,
  run: string,
): Omit<WorkflowRunFacts, "fields" | "jobs" | "listeners" | "lost" | "waiter"> {
  const { workflows, running, ended } = shard;
  const record = workflows[run];
  const open = workflows[runFields.open(run)];
  const definition = record === undefined ? undefined : definitionOf(record);
  return {
    run,
    ...lacksOf(shard, run, record, definitionFacts(workflows[definition ?? ""])),
    record: record === undefined ? "none" : definition === undefined ? "unreadable" : "readable",
    hasEnded: hasEnded(workflows[runFields.state(run)]),
    open: open === undefined ? undefined : Number(open),
    hasDefinition: definition !== undefined && workflows[definition] !== undefined,
    isRunning: running[run] !== undefined,
    isEnded: ended[run] !== undefined,
  };
}

/** What one that carries on has from its start: a job that ends it when its time is over, and entries by which events find its steps. */
function lacksOf(
  { workflows, jobs, listeners }: Shard,
  run: string,
  record: string | undefined,
  definition: WorkflowDefinition | undefined,
): Pick<WorkflowRunFacts, "deaf" | "lacksTimeout"> {
  const carriesOn = workflows[runFields.state(run)] === undefined && jobs[deciderId(run)] === undefined;
  if (!carriesOn || record === undefined) return { deaf: [], lacksTimeout: false };
  const waits = waitsOf(run, definition, record).filter(({ end }) => workflows[end] === undefined);
  return {
    deaf: waits.map(({ member }) => member).filter((member) => !listeners.includes(member)),
    lacksTimeout: definition?.timeoutMs !== undefined && jobs[timeoutJobId(run)] === undefined,
  };
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

/** The step that the run is waits for it, and has heard of its end. */
function problemsOfChild(shard: Shard, run: string, ended: boolean): readonly string[] {
  const parent = parseRunParent(shard.workflows[`${run} :parent`]);
  const above = parent === undefined ? undefined : shard.workflows[`${parent.run} :state`];
  const isOver = parent === undefined || shard.workflows[parent.run] === undefined;
  if (isOver || parseRunEnd(above ?? null) !== undefined) return [];
  // The step has begun anew since, and waits for another run.
  const round = roundOf(shard.workflows[runFields.round(parent.run, parent.step)]);
  if (childRunId(parent.run, parent.step, round, parent.item) !== run) return [];
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
    // A run does not wait for the job of its timeout, nor for one whose end it knows.
    if (
      run === undefined ||
      id === timeoutJobId(run) ||
      knowsEnd(shard, run, id) ||
      isFinal(parseRun(shard.runs[id] ?? null).state as never)
    )
      continue;
    live.set(run, (live.get(run) ?? 0) + 1);
  }
  return live;
}

function knowsEnd({ workflows }: Shard, run: string, job: string): boolean {
  if (!job.startsWith(`${run}.`)) return false;
  const field = `${run} ${job.slice(run.length + 1)}`;
  return workflows[field] !== undefined || workflows[field.replace(/\.undo$/, "~")] !== undefined;
}
