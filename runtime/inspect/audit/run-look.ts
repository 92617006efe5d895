/**
 * The second look at suspected workflow runs, and their repair: one after the other, each read at one moment.
 * What is wrong twice is a finding.
 */
import { type BegunJob, begunJob, runFields } from "../../protocol/index.js";
import { mendRun } from "../../scripts/index.js";
import { WorkflowGraph } from "../../workflow/index.js";
import type { ShardReader } from "../shard-reader.js";
import { hasten } from "./child-look.js";
import { definitionOf, hasEnded, startOf } from "./facts.js";
import type { AuditFinding, RepairOutcome } from "./finding.js";
import { jobsToCount, workflowRunFindings } from "./rules/index.js";
import type { RunSuspect } from "./run-census.js";
import { type RunView, RunViewer } from "./run-view.js";

/** Fields of a removed run, and new jobs, in one call of a repair: values of fields may be long. */
const MENDED_AT_ONCE = 200;
/** Runs whose end is tested in one read: inputs and outputs may be long. */
const AT_ONCE = 25;
/** Retention of a run that has lost its own (ms). */
const KEEP_MS = 24 * 3_600_000;

export interface RunLook {
  readonly findings: readonly AuditFinding[];
  readonly repair: () => Promise<RepairOutcome>;
}

/** One run after the other: a repair comes before the next look, while its facts are fresh. */
export async function* lookAtRuns(
  reader: ShardReader,
  suspects: ReadonlyMap<string, RunSuspect>,
): AsyncGenerator<RunLook> {
  const viewer = new RunViewer(reader);
  for (const [run, suspect] of await withoutSettled(reader, suspects)) {
    const first = await viewer.view(run, suspect);
    if (workflowRunFindings(first.facts).length === 0) continue;
    const again = await viewer.view(run, suspect);
    const findings = workflowRunFindings(again.facts);
    if (findings.length > 0) yield { findings, repair: () => repair(reader, again) };
  }
}

/**
 * Most suspects are runs that started after their jobs were counted and have ended properly; these are
 * excluded many at a time.
 */
async function withoutSettled(
  reader: ShardReader,
  suspects: ReadonlyMap<string, RunSuspect>,
): Promise<ReadonlyMap<string, RunSuspect>> {
  const { workflows, running, ended } = reader.keys;
  const left = new Map(suspects);
  const runs = [...suspects.keys()].filter((run) => !hasMore(suspects.get(run)!));
  for (let from = 0; from < runs.length; from += AT_ONCE) {
    const some = runs.slice(from, from + AT_ONCE);
    const [records, states, opens, goOn, over] = (await reader.together<Texts>((reads) =>
      reads
        .hmget(workflows, ...some)
        .hmget(workflows, ...some.map(runFields.state))
        .hmget(workflows, ...some.map(runFields.open))
        .zmscore(running, ...some)
        .zmscore(ended, ...some),
    )) as [...ends: [Texts, Texts, Texts], running: Texts, ended: Texts];
    for (const [index, run] of some.entries()) {
      const isListed = [goOn[index] !== null, over[index] !== null];
      const isGone = records[index] === null && !isListed[0] && !isListed[1];
      const isSound = definitionOf(records[index] ?? "") !== undefined && hasEnded(states[index]);
      const isOver = isSound && opens[index] === null && !isListed[0] && isListed[1];
      if (isGone || isOver) left.delete(run);
    }
  }
  return left;
}

function hasMore({ fields, listeners, isAwaited }: RunSuspect): boolean {
  return isAwaited || fields.length + listeners.length > 0;
}

type Texts = readonly (string | null)[];

async function repair(reader: ShardReader, seen: RunView): Promise<RepairOutcome> {
  const { facts, record, state, open, definition, fields, listeners, deaf, nowMs } = seen;
  const { run, hasEnded: isOver } = facts;
  const isThere = facts.record === "readable";
  const goesOn = isThere && !isOver;
  const jobs = jobsToCount(facts);
  const target = {
    runningSince: goesOn ? startOf(record) : undefined,
    removedAt: isThere && isOver ? nowMs + (definition?.keepMs ?? KEEP_MS) : undefined,
    open: !goesOn ? "" : jobs === undefined ? open : String(Math.max(1, jobs)),
  };
  // The state is removed last, because each call compares it.
  const isState = (field: string): boolean => field === runFields.state(run);
  const inOrder = [...fields.filter((field) => !isState(field)), ...fields.filter(isState)];
  const strays = facts.record === "none" ? inOrder : [];
  const begins = jobsToBegin(seen);
  const go = goesOn ? [] : listeners;
  let counted = open;
  for (let from = 0; from <= Math.max(0, strays.length - 1, begins.length - 1); from += MENDED_AT_ONCE) {
    const reply = await mendRun(reader.connection, {
      keys: reader.keys,
      run,
      queue: definition?.queue ?? "none",
      seen: { record, state, open: counted },
      target,
      begins: begins.slice(from, from + MENDED_AT_ONCE),
      fields: strays.slice(from, from + MENDED_AT_ONCE),
      listeners: from === 0 ? { go, come: deaf } : { go: [], come: [] },
    });
    if (reply === "MOVED") return "moved";
    counted = target.open;
  }
  if (seen.waiter !== undefined) await hasten(reader, seen.waiter, nowMs);
  return "repaired";
}

/**
 * The jobs to add: those that wait for child runs; the decider if there is no job at all; and the timeout,
 * which starts over.
 */
function jobsToBegin({ facts, definition, lost, nowMs }: RunView): readonly BegunJob[] {
  if (definition === undefined) return [];
  const graph = new WorkflowGraph(definition);
  const { run } = facts;
  const timeout = facts.lacksTimeout ? graph.timeout(run, nowMs) : undefined;
  return [
    ...(jobsToCount(facts) === 0 ? [begunJob(graph.decider, run, nowMs)] : []),
    ...lost.map(({ step, item }) =>
      item === undefined
        ? graph.again(run, step, nowMs)
        : begunJob(graph.item(step, item).mold, run, nowMs, item),
    ),
    ...(timeout === undefined ? [] : [timeout]),
  ];
}
