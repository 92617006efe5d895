/**
 * The second look at the workflow runs that were suspected, and their repair: one after the other, each so that what it shows is of one
 * moment. What is wrong twice is a finding.
 */
import type { WorkflowDefinition } from "../../definition/index.js";
import { type BegunJob, begunJob, runFields } from "../../protocol/index.js";
import { mendRun } from "../../scripts/index.js";
import { RUN_RETRYING, WorkflowGraph } from "../../workflow/index.js";
import { transactionReplies, type ShardReader } from "../shard-reader.js";
import { definitionFacts, definitionOf, hasEnded, startOf } from "./facts.js";
import type { AuditFinding, RepairOutcome } from "./finding.js";
import { jobsToCount, workflowRunFindings, type WorkflowRunFacts } from "./rules/index.js";
import type { RunSuspect } from "./run-census.js";
import { hasten, type LostChild, lostChildren, type Waiter, waiterOf } from "./child-look.js";
import { countJobs, RunMarks } from "./run-jobs.js";

/** Fields of a run that is gone, and jobs that begin, of one call of a repair: values of fields may be long. */
const MENDED_AT_ONCE = 200;
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
  const looker = new RunLooker(reader);
  for (const [run, suspect] of await withoutSettled(reader, suspects)) {
    const first = await looker.look(run, suspect);
    const again = first.findings.length === 0 ? first : await looker.look(run, suspect);
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

function hasMore({ fields, listeners, isAwaited }: RunSuspect): boolean {
  return isAwaited || fields.length + listeners.length > 0;
}

type Texts = readonly (string | null)[];

/** A run at one moment, as it is stored. */
interface Seen {
  readonly facts: WorkflowRunFacts;
  readonly record: string;
  readonly state: string;
  readonly open: string;
  readonly definition: WorkflowDefinition | undefined;
  readonly lost: readonly LostChild[];
  readonly waiter: Waiter | undefined;
  readonly fields: readonly string[];
  readonly listeners: readonly string[];
  readonly nowMs: number;
}

class RunLooker {
  readonly #reader: ShardReader;
  /** By their fields. One never changes. */
  readonly #definitions = new Map<string, WorkflowDefinition | undefined>();

  constructor(reader: ShardReader) {
    this.#reader = reader;
  }

  async look(
    run: string,
    suspect: RunSuspect,
  ): Promise<Seen & { readonly findings: readonly AuditFinding[] }> {
    const seen = await this.#see(run, suspect);
    return { ...seen, findings: workflowRunFindings(seen.facts) };
  }

  async #see(run: string, suspect: RunSuspect): Promise<Seen> {
    const { workflows } = this.#reader.keys;
    const stored = await this.#reader.read((redis) => redis.hget(workflows, run));
    const field = definitionOf(stored ?? "") ?? "";
    const definition = await this.#definition(field);
    const marks = new RunMarks(this.#reader, run, definition?.steps ?? []);
    const head = await this.#readHead(run, suspect, field, marks);
    const { record, state, open } = head;
    const isRun = recordState(record, state);
    const goesOn = isRun === "readable" && !hasEnded(state);
    const counted =
      goesOn && definition !== undefined
        ? await countJobs(this.#reader, run, definition, marks, head.marks)
        : undefined;
    // While its steps are put back for a retry, some of those that run again have neither an end nor a job.
    const isMissed = counted !== undefined && Number(open) !== counted.jobs && state !== RUN_RETRYING;
    const lost = isMissed ? await lostChildren(this.#reader, run, startOf(record), counted.idle) : [];
    const waiter = suspect.isAwaited ? await waiterOf(this.#reader, run) : undefined;
    return {
      record: record ?? "",
      state: state ?? "",
      open: open ?? "",
      definition,
      lost,
      waiter,
      fields: head.fields,
      listeners: head.listeners,
      nowMs: head.nowMs,
      facts: {
        run,
        record: isRun,
        hasEnded: hasEnded(state),
        open: open === null ? undefined : Number(open),
        jobs: counted?.jobs,
        lost,
        waiter: waiter?.job,
        hasDefinition: head.hasDefinition && definition !== undefined,
        isRunning: head.isRunning,
        isEnded: head.isEnded,
        fields: head.fields.length,
        listeners: head.listeners.length,
      },
    };
  }

  async #definition(field: string): Promise<WorkflowDefinition | undefined> {
    if (field !== "" && this.#definitions.get(field) === undefined) {
      const text = await this.#reader.read((redis) => redis.hget(this.#reader.keys.workflows, field));
      this.#definitions.set(field, definitionFacts(text));
    }
    return this.#definitions.get(field);
  }

  async #readHead(run: string, suspect: RunSuspect, definition: string, marks: RunMarks) {
    const { workflows, running, ended, listeners } = this.#reader.keys;
    const members = suspect.listeners.slice(0, MOST_LISTENERS);
    const { fields } = suspect;
    const replies = await this.#reader.read((redis) =>
      marks
        .read(redis.multi())
        .time()
        .hmget(workflows, run, runFields.state(run), runFields.open(run))
        .hexists(workflows, definition)
        .zscore(running, run)
        .zscore(ended, run)
        .zmscore(listeners, ...orNothing(members))
        .hexists(workflows, fields[0] ?? "")
        .exec(),
    );
    const [said, marked, time, own, isStored, runningAt, endedAt, heard, isLeft] =
      transactionReplies<unknown>(replies) as [
        ...marks: [Texts, Texts],
        time: string[],
        own: Texts,
        isStored: number,
        runningAt: string | null,
        endedAt: string | null,
        heard: Texts,
        isLeft: number,
      ];
    const [record = null, state = null, open = null] = own;
    return {
      marks: marks.of(said, marked),
      record,
      state,
      open,
      hasDefinition: isStored === 1,
      isRunning: runningAt !== null,
      isEnded: endedAt !== null,
      fields: isLeft === 1 ? fields : [],
      listeners: members.filter((_member, index) => typeof heard[index] === "string"),
      nowMs: Number(time[0]) * 1000 + Math.floor(Number(time[1]) / 1000),
    };
  }
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

async function repair(reader: ShardReader, seen: Seen): Promise<RepairOutcome> {
  const { facts, record, state, open, definition, fields, listeners, nowMs } = seen;
  const { run, hasEnded: isOver } = facts;
  const isThere = facts.record === "readable";
  const goesOn = isThere && !isOver;
  const jobs = jobsToCount(facts);
  const target = {
    runningSince: goesOn ? startOf(record) : undefined,
    removedAt: isThere && isOver ? nowMs + (definition?.keepMs ?? KEEP_MS) : undefined,
    open: !goesOn ? "" : jobs === undefined ? open : String(Math.max(1, jobs)),
  };
  // The state last: each call compares it.
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
      listeners: { go: from === 0 ? go : [], come: [] },
    });
    if (reply === "MOVED") return "moved";
    counted = target.open;
  }
  if (seen.waiter !== undefined) await hasten(reader, seen.waiter, nowMs);
  return "repaired";
}

/** Jobs that wait for runs that are steps; where there is no job at all, the one that decides. */
function jobsToBegin({ facts, definition, lost, nowMs }: Seen): readonly BegunJob[] {
  if (definition === undefined) return [];
  const graph = new WorkflowGraph(definition);
  const { run } = facts;
  if (jobsToCount(facts) === 0) return [begunJob(graph.decider, run, nowMs)];
  return lost.map(({ step, item }) => {
    if (item === undefined) return graph.again(run, step, nowMs);
    return begunJob(graph.item(step, item).mold, run, nowMs, item);
  });
}
