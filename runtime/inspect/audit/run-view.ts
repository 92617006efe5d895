/** Reads everything that is stored about a workflow run at one moment. */
import type { WorkflowDefinition } from "../../definition/index.js";
import { parseRunRecord, runFields } from "../../protocol/index.js";
import { deciderId, listenersOf, RUN_RETRYING, timeoutJobId } from "../../workflow/index.js";
import type { ShardReader } from "../shard-reader.js";
import { type LostChild, lostChildren, type Waiter, waiterOf } from "./child-look.js";
import { definitionFacts, definitionOf, hasEnded, readable, startOf } from "./facts.js";
import type { RunSuspect } from "./run-census.js";
import { countJobs, RunMarks } from "./run-jobs.js";
import type { WorkflowRunFacts } from "./rules/index.js";

/** Most listeners that one look reads and one repair removes. */
const MOST_LISTENERS = 2000;

type Texts = readonly (string | null)[];

/** A run as it is stored at one moment. */
export interface RunView {
  readonly facts: WorkflowRunFacts;
  readonly record: string;
  readonly state: string;
  readonly open: string;
  readonly definition: WorkflowDefinition | undefined;
  readonly lost: readonly LostChild[];
  readonly waiter: Waiter | undefined;
  readonly fields: readonly string[];
  readonly listeners: readonly string[];
  /** Members that are missing from `listeners`. */
  readonly deaf: readonly string[];
  readonly nowMs: number;
}

export class RunViewer {
  readonly #reader: ShardReader;
  /** Cached by field, because a definition never changes. */
  readonly #definitions = new Map<string, WorkflowDefinition | undefined>();

  constructor(reader: ShardReader) {
    this.#reader = reader;
  }

  async view(run: string, suspect: RunSuspect): Promise<RunView> {
    const { workflows } = this.#reader.keys;
    const stored = await this.#reader.read((redis) => redis.hget(workflows, run));
    const field = definitionOf(stored ?? "") ?? "";
    const definition = await this.#definition(field);
    const marks = new RunMarks(this.#reader, run, definition?.steps ?? []);
    const waits = waitsOf(run, definition, stored);
    const head = await this.#readHead(run, suspect, field, marks, waits);
    const { record, state, open } = head;
    const isRun = recordState(record, state);
    const goesOn = isRun === "readable" && !hasEnded(state);
    // A run that is failing or being cancelled waits for nothing: what is missing will begin after the
    // decision, or the run ends.
    const carriesOn = goesOn && state === null && !head.isDecided;
    const counted =
      goesOn && definition !== undefined
        ? await countJobs(this.#reader, run, definition, marks, head.marks)
        : undefined;
    // While a run is being resumed, some of the steps that run again have neither an end nor a job.
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
      deaf: carriesOn ? head.deaf : [],
      nowMs: head.nowMs,
      facts: {
        run,
        record: isRun,
        hasEnded: hasEnded(state),
        open: open === null ? undefined : Number(open),
        jobs: counted?.jobs,
        lost,
        waiter: waiter?.job,
        lacksTimeout: carriesOn && definition?.timeoutMs !== undefined && !head.hasTimeout,
        deaf: carriesOn ? head.deaf : [],
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

  async #readHead(
    run: string,
    suspect: RunSuspect,
    definition: string,
    marks: RunMarks,
    waits: readonly Wait[],
  ) {
    const { active, jobs, workflows, running, ended, listeners } = this.#reader.keys;
    const [decider, timeout] = [deciderId(run), timeoutJobId(run)];
    const members = suspect.listeners.slice(0, MOST_LISTENERS);
    const { fields } = suspect;
    const replies = await this.#reader.together((reads) => {
      marks.read(reads);
      reads
        .time(workflows)
        .hmget(workflows, run, runFields.state(run), runFields.open(run))
        .hexists(workflows, definition)
        .zscore(running, run)
        .zscore(ended, run)
        // ZMSCORE requires at least one member.
        .zmscore(listeners, "", ...members)
        .hexists(workflows, fields[0] ?? "")
        .hmget(jobs, decider, timeout)
        .hexists(active, timeout)
        .zmscore(listeners, "", ...waits.map(({ member }) => member));
      for (const { end } of waits) reads.hexists(workflows, end);
    });
    const [
      said,
      marked,
      time,
      own,
      isStored,
      runningAt,
      endedAt,
      heard,
      isLeft,
      ownJobs,
      isHeld,
      found,
      ...ends
    ] = replies as [
      ...marks: [Texts, Texts],
      time: string[],
      own: Texts,
      isStored: number,
      runningAt: string | null,
      endedAt: string | null,
      heard: Texts,
      isLeft: number,
      ownJobs: Texts,
      isHeld: number,
      found: Texts,
      ...ends: number[],
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
      listeners: members.filter((_member, index) => typeof heard[index + 1] === "string"),
      isDecided: ownJobs[0] !== null,
      hasTimeout: ownJobs[1] !== null || isHeld === 1,
      deaf: waits.flatMap(({ member }, index) =>
        found[index + 1] === null && ends[index] === 0 ? [member] : [],
      ),
      nowMs: Number(time[0]) * 1000 + Math.floor(Number(time[1]) / 1000),
    };
  }
}

/** A step that waits for an event, until it has ended. */
interface Wait {
  readonly member: string;
  /** The field with the step's end. */
  readonly end: string;
}

/** Empty if the stored definition or input cannot be used. */
export function waitsOf(
  run: string,
  definition: WorkflowDefinition | undefined,
  record: string | null,
): readonly Wait[] {
  const steps = (definition?.steps ?? []).filter(({ waitFor }) => waitFor !== undefined);
  if (definition === undefined || record === null || steps.length === 0) return [];
  const members = readable(() => listenersOf(definition, run, parseRunRecord(record).input)) ?? [];
  return members.map((member, index) => ({ member, end: runFields.step(run, steps[index]?.name ?? "") }));
}

function recordState(
  record: string | null | undefined,
  state: string | null | undefined,
): WorkflowRunFacts["record"] {
  if (record === null || record === undefined) return "none";
  const isEnd = /^(completed|failed|cancelled) /.test(state ?? "");
  return definitionOf(record) === undefined || (isEnd && !hasEnded(state)) ? "unreadable" : "readable";
}
