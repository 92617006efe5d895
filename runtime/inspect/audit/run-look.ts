/**
 * The second look at the workflow runs that were suspected, and their repair: one after the other, each in one transaction, so that what
 * it shows is of one moment. What is wrong twice is a finding.
 */
import type { WorkflowDefinition } from "../../definition/index.js";
import { begunJob, isFinal, parseRunRecord, runFields } from "../../protocol/index.js";
import { mendRun } from "../../scripts/index.js";
import { deciderId, stepJobId, stopperId, undoJobId, WorkflowGraph } from "../../workflow/index.js";
import { transactionReplies, type ShardReader } from "../shard-reader.js";
import { definitionOf, hasEnded, recordFacts, runFacts } from "./facts.js";
import type { AuditFinding, RepairOutcome } from "./finding.js";
import { isCountable, workflowRunFindings, type WorkflowRunFacts } from "./rules/index.js";
import type { RunSuspect } from "./run-census.js";

/** Jobs that are counted in one transaction: a run with more is not judged by its count. */
const MOST_JOBS = 2000;
/** Fields of a run that is gone that one call removes: their values may be long. */
const FIELDS_AT_ONCE = 200;
/** Listeners that one repair removes. */
const MOST_LISTENERS = 2000;
/** Runs of which it is asked together whether they have ended since: inputs and outputs may be long. */
const AT_ONCE = 25;
/** How long a run is kept of which nothing tells (ms). */
const KEEP_MS = 24 * 3_600_000;

export interface RunLook {
  readonly findings: readonly AuditFinding[];
  readonly repair: () => Promise<RepairOutcome>;
}

/** One after the other: a repair comes before the next look, while what was seen is fresh. */
export async function* lookAtRuns(
  reader: ShardReader,
  suspects: ReadonlyMap<string, RunSuspect>,
): AsyncGenerator<RunLook> {
  for (const [run, suspect] of await withoutSettled(reader, suspects)) {
    const first = await look(reader, run, suspect);
    const again = first.findings.length === 0 ? first : await look(reader, run, suspect);
    if (again.findings.length === 0) continue;
    yield { findings: again.findings, repair: () => repair(reader, again) };
  }
}

/** Most suspects are runs that have started since their jobs were counted, and ended soundly: they are read many at a time. */
async function withoutSettled(
  reader: ShardReader,
  suspects: ReadonlyMap<string, RunSuspect>,
): Promise<ReadonlyMap<string, RunSuspect>> {
  const { workflows, running, ended } = reader.keys;
  const left = new Map(suspects);
  const runs = [...suspects.keys()].filter((run) => !hasMore(suspects.get(run)!));
  for (let from = 0; from < runs.length; from += AT_ONCE) {
    const some = runs.slice(from, from + AT_ONCE);
    const replies = await reader.read((redis) =>
      redis
        .multi()
        .hmget(workflows, ...some)
        .hmget(workflows, ...some.map(runFields.state))
        .hmget(workflows, ...some.map(runFields.open))
        .zmscore(running, ...some)
        .zmscore(ended, ...some)
        .exec(),
    );
    const [records, states, opens, goOn, over] = transactionReplies<Texts>(replies) as [
      ...ends: [Texts, Texts, Texts],
      running: Texts,
      ended: Texts,
    ];
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

function hasMore({ fields, listeners }: RunSuspect): boolean {
  return fields.length + listeners.length > 0;
}

type Texts = readonly (string | null)[];

/** A run at one moment, as it is stored. */
interface Seen {
  readonly facts: WorkflowRunFacts;
  readonly record: string;
  readonly state: string;
  readonly open: string;
  readonly definition: WorkflowDefinition | undefined;
  readonly fields: readonly string[];
  readonly listeners: readonly string[];
  readonly nowMs: number;
}

async function look(
  reader: ShardReader,
  run: string,
  suspect: RunSuspect,
): Promise<Seen & { readonly findings: readonly AuditFinding[] }> {
  const seen = await see(reader, run, suspect);
  return { ...seen, findings: workflowRunFindings(seen.facts) };
}

async function see(reader: ShardReader, run: string, suspect: RunSuspect): Promise<Seen> {
  const { workflows, running, ended, listeners: listening, jobs, runs, active } = reader.keys;
  const { definition, totals } = await definitionOfRun(reader, run);
  const ids = definition === undefined ? undefined : jobIds(run, definition, totals);
  const head = [run, runFields.state(run), runFields.open(run)];
  const members = suspect.listeners.slice(0, MOST_LISTENERS);
  const { fields } = suspect;
  const replies = await reader.read((redis) =>
    redis
      .multi()
      .time()
      .hmget(workflows, ...head)
      .zscore(running, run)
      .zscore(ended, run)
      .zmscore(listening, ...orNothing(members))
      .hexists(workflows, fields[0] ?? "")
      .hmget(workflows, ...orNothing([...totals.keys()]))
      .hmget(jobs, ...orNothing(ids ?? []))
      .hmget(runs, ...orNothing(ids ?? []))
      .hmget(active, ...orNothing(ids ?? []))
      .exec(),
  );
  const [time, own, runningAt, endedAt, heard, stored, counts, records, texts, owners] =
    transactionReplies<unknown>(replies) as [
      string[],
      Texts,
      string | null,
      string | null,
      Texts,
      number,
      ...jobs: [Texts, Texts, Texts, Texts],
    ];
  const [record = null, state = null, open = null] = own;
  // Items that have come since have jobs that were not asked for.
  const hasMoved = [...totals.values()].some((total, index) => total !== (counts[index] ?? null));
  // What a worker holds is under way, whatever has become of its record.
  const isUnderWay = (_id: string, index: number): boolean =>
    typeof owners[index] === "string" || isLive(records[index], texts[index]);
  const live = (ids ?? []).filter(isUnderWay).length;
  // Fewer than were counted before: some have ended since, or they are not those that the definition tells of.
  const isKnown = ids !== undefined && !hasMoved && live >= suspect.jobs;
  const left = stored === 1 ? fields : [];
  const its = members.filter((_member, index) => typeof heard[index] === "string");
  return {
    record: record ?? "",
    state: state ?? "",
    open: open ?? "",
    definition,
    fields: left,
    listeners: its,
    nowMs: Number(time[0]) * 1000 + Math.floor(Number(time[1]) / 1000),
    facts: {
      run,
      record: recordState(record, state),
      hasEnded: hasEnded(state),
      open: open === null ? undefined : Number(open),
      jobs: isKnown ? live : undefined,
      hasChildren: suspect.hasChildren,
      hasDefinition: definition !== undefined,
      isRunning: runningAt !== null,
      isEnded: endedAt !== null,
      fields: left.length,
      listeners: its.length,
    },
  };
}

/** Redis wants one field at least. */
function orNothing(fields: readonly string[]): readonly string[] {
  return fields.length === 0 ? [""] : fields;
}

function recordState(
  record: string | null | undefined,
  state: string | null | undefined,
): WorkflowRunFacts["record"] {
  if (record === null || record === undefined) return "none";
  const isEnd = /^(completed|failed|cancelled) /.test(state ?? "");
  return definitionOf(record) === undefined || (isEnd && !hasEnded(state)) ? "unreadable" : "readable";
}

/** What cannot be read is somebody's all the same. */
function isLive(record: string | null | undefined, run: string | null | undefined): boolean {
  if (typeof record !== "string" || recordFacts(record).kind === "tombstone") return false;
  const { state } = runFacts(run);
  return state === "unreadable" || state === "pending" || state === "retry" || !isFinal(state);
}

interface Definition {
  readonly definition: WorkflowDefinition | undefined;
  /** Fields with the number of items of its fan-outs, as stored. */
  readonly totals: ReadonlyMap<string, string | null>;
}

async function definitionOfRun(reader: ShardReader, run: string): Promise<Definition> {
  const { workflows } = reader.keys;
  const record = await reader.read((redis) => redis.hget(workflows, run));
  const field = record === null ? undefined : definitionOf(record);
  const text = field === undefined ? null : await reader.read((redis) => redis.hget(workflows, field));
  const definition = text === null ? undefined : parsed(text);
  const fans = (definition?.steps ?? []).filter(({ forEach }) => forEach !== undefined);
  const fields = fans.map(({ name }) => runFields.items(run, name));
  const totals = fields.length === 0 ? [] : await reader.read((redis) => redis.hmget(workflows, ...fields));
  return { definition, totals: new Map(fields.map((name, index) => [name, totals[index] ?? null])) };
}

function parsed(text: string): WorkflowDefinition | undefined {
  try {
    const definition = JSON.parse(text) as WorkflowDefinition;
    const isOne = Number.isFinite(definition.keepMs) && definition.steps.every(({ name }) => name !== "");
    return isOne ? definition : undefined;
  } catch {
    return undefined;
  }
}

/** All jobs that the run may wait for; `undefined` where they are too many. */
function jobIds(
  run: string,
  { steps }: WorkflowDefinition,
  totals: ReadonlyMap<string, string | null>,
): readonly string[] | undefined {
  const ids = [deciderId(run), stopperId(run)];
  for (const { name, compensate } of steps) {
    ids.push(stepJobId(run, name));
    if (compensate !== undefined) ids.push(undoJobId(run, name));
    const total = Number(totals.get(runFields.items(run, name)) ?? 0);
    if (!(ids.length + total <= MOST_JOBS)) return undefined;
    for (let index = 0; index < total; index++) ids.push(stepJobId(run, name, index));
  }
  return ids;
}

async function repair(reader: ShardReader, seen: Seen): Promise<RepairOutcome> {
  const { facts, record, state, open, definition, fields, listeners, nowMs } = seen;
  const { run, jobs, hasEnded: isOver } = facts;
  const isThere = facts.record === "readable";
  const goesOn = isThere && !isOver;
  const hangs = isCountable(facts) && workflowRunFindings(facts).some(({ code }) => code === "TW-F64");
  const decides = hangs && jobs === 0 && definition !== undefined;
  const call = { keys: reader.keys, run, queue: definition?.queue ?? "none" };
  const target = {
    runningSince: goesOn ? parseRunRecord(record).startedAt : undefined,
    removedAt: isThere && isOver ? nowMs + (definition?.keepMs ?? KEEP_MS) : undefined,
    open: goesOn ? (hangs ? String(Math.max(1, jobs ?? 1)) : open) : "",
    decider: decides ? begunJob(new WorkflowGraph(definition).decider, run, nowMs) : undefined,
  };
  const mend = (some: readonly string[], members: readonly string[], counted: string) =>
    mendRun(reader.connection, {
      ...call,
      seen: { record, state, open: counted },
      target,
      fields: some,
      listeners: members,
    });
  // The state last: each call compares it.
  const isState = (field: string): boolean => field === runFields.state(run);
  const inOrder = [...fields.filter((field) => !isState(field)), ...fields.filter(isState)];
  const strays = facts.record === "none" ? inOrder : [];
  let reply = await mend(
    strays.slice(0, FIELDS_AT_ONCE),
    facts.record === "none" || isOver ? listeners : [],
    open,
  );
  for (let from = FIELDS_AT_ONCE; from < strays.length && reply === "REPAIRED"; from += FIELDS_AT_ONCE)
    reply = await mend(strays.slice(from, from + FIELDS_AT_ONCE), [], "");
  return reply === "REPAIRED" ? "repaired" : "moved";
}
