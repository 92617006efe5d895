/**
 * Counts the jobs of a running run by their possible ids, in chunks: a fan-out may have 100,000 items. Within
 * a chunk, one job may follow another unnoticed; a job that begins in one chunk when a job of another chunk
 * ends changes one of the marks, which are read with each chunk. If the marks are always the same, all chunks
 * are of one moment.
 */
import type { Reads } from "../../connection/index.js";
import type { WorkflowDefinition, WorkflowStep } from "../../definition/index.js";
import { isFinal, runFields } from "../../protocol/index.js";
import { deciderId, isChild, stepJobId, stopperId, undoJobId, undoneField } from "../../workflow/index.js";
import type { ShardReader } from "../shard-reader.js";
import { recordFacts, runFacts } from "./facts.js";

/** Items that are read in one call: it must stay a fraction of a millisecond. */
const AT_ONCE = 200;
/** Largest possible fan-out. */
const MOST_ITEMS = 100_000;

type Texts = readonly (string | null)[];

/** A step that is a child run, or an item of one. */
export interface ChildPlace {
  readonly step: WorkflowStep;
  readonly item: number | undefined;
}

export interface RunJobs {
  /** Jobs that the run must count: under way, and their step has not ended. */
  readonly jobs: number;
  /** Steps that are child runs and have neither an end nor a job. */
  readonly idle: readonly ChildPlace[];
}

/** Detects whether jobs of a run have moved from one chunk to another. */
export class RunMarks {
  readonly #reader: ShardReader;
  readonly #fields: readonly string[];
  readonly #jobs: readonly string[];

  constructor(reader: ShardReader, run: string, steps: readonly WorkflowStep[]) {
    const fans = steps.filter(({ forEach }) => forEach !== undefined).map(({ name }) => name);
    this.#reader = reader;
    this.#fields = [
      ...[runFields.stamp, runFields.state, runFields.open].map((of) => of(run)),
      ...fans.flatMap((step) => [runFields.items(run, step), runFields.itemsEnded(run, step)]),
    ];
    // Items begin when the previous ones end, and their own end begins the jobs of other steps.
    this.#jobs = [...fans.map((step) => stepJobId(run, step)), deciderId(run), stopperId(run)];
  }

  read(reads: Reads): void {
    const { jobs, workflows } = this.#reader.keys;
    reads.hmget(workflows, ...this.#fields).hmget(jobs, ...this.#jobs);
  }

  /** What was read, by field, and a text to compare it by. */
  of(said: Texts, jobs: Texts): { readonly text: string; readonly said: ReadonlyMap<string, string | null> } {
    const text = JSON.stringify([said, jobs.map((record) => record !== null)]);
    return { text, said: new Map(this.#fields.map((field, index) => [field, said[index] ?? null])) };
  }
}

/** A possible job: its id, and the field that says that its step has ended. */
interface Place {
  readonly id: string;
  readonly end: string;
  readonly child?: ChildPlace;
}

/**
 * @param seen The marks at the start of the count.
 * @returns `undefined` if the marks have changed since.
 */
export async function countJobs(
  reader: ShardReader,
  run: string,
  { steps }: WorkflowDefinition,
  marks: RunMarks,
  seen: ReturnType<RunMarks["of"]>,
): Promise<RunJobs | undefined> {
  const idle: ChildPlace[] = [];
  let jobs = 0;
  for (const places of partsOf(run, steps, seen.said)) {
    const found = await readPart(reader, places, marks);
    if (found.marks !== seen.text) return undefined;
    for (const [index, { child }] of places.entries()) {
      if (found.hasEnded[index]) continue;
      if (found.isUnderWay[index]) jobs += 1;
      else if (child !== undefined) idle.push(child);
    }
  }
  return { jobs, idle };
}

/** All jobs except items are in the first chunk, however many steps there are. */
function* partsOf(
  run: string,
  steps: readonly WorkflowStep[],
  said: ReadonlyMap<string, string | null>,
): Generator<readonly Place[]> {
  // No field records the end of these jobs.
  const end = runFields.step(run, "");
  yield [
    { id: deciderId(run), end },
    { id: stopperId(run), end },
    ...steps.flatMap((step) => [placeOf(run, step), ...undoOf(run, step)]),
  ];
  for (const step of steps) {
    const total = Math.min(MOST_ITEMS, Number(said.get(runFields.items(run, step.name)) ?? 0));
    for (let from = 0; from < total; from += AT_ONCE) {
      const count = Math.min(AT_ONCE, total - from);
      yield Array.from({ length: count }, (_unused, index) => placeOf(run, step, from + index));
    }
  }
}

function placeOf(run: string, step: WorkflowStep, item?: number): Place {
  const end = runFields.step(run, placeName(step, item));
  const place = { id: stepJobId(run, step.name, item), end };
  return isChild(step, item) ? { ...place, child: { step, item } } : place;
}

function undoOf(run: string, { name, compensate }: WorkflowStep): Place[] {
  if (compensate === undefined) return [];
  return [{ id: undoJobId(run, name), end: runFields.step(run, undoneField(name)) }];
}

/** Name of the step or item in its fields. */
export function placeName({ name }: WorkflowStep, item: number | undefined): string {
  return item === undefined ? name : `${name}.${item}`;
}

async function readPart(
  reader: ShardReader,
  places: readonly Place[],
  marks: RunMarks,
): Promise<{
  readonly marks: string;
  readonly isUnderWay: readonly boolean[];
  readonly hasEnded: readonly boolean[];
}> {
  const { jobs, runs, active, workflows } = reader.keys;
  const ids = places.map(({ id }) => id);
  const replies = await reader.together((reads) => {
    marks.read(reads);
    reads
      .hmget(jobs, ...ids)
      .hmget(runs, ...ids)
      .hmget(active, ...ids);
    // Not their values, which may be large.
    for (const { end } of places) reads.hexists(workflows, end);
  });
  const [said, marked, records, texts, owners, ...ends] = replies as [
    ...lists: [Texts, Texts, Texts, Texts, Texts],
    ...ends: number[],
  ];
  return {
    marks: marks.of(said, marked).text,
    // A job held by a worker is under way, even if its record is gone.
    isUnderWay: ids.map((_id, at) => typeof owners[at] === "string" || isLive(records[at], texts[at])),
    hasEnded: ends.map((exists) => exists === 1),
  };
}

/** An unreadable record still belongs to a job. */
function isLive(record: string | null | undefined, run: string | null | undefined): boolean {
  if (typeof record !== "string" || recordFacts(record).kind === "tombstone") return false;
  const { state } = runFacts(run);
  return state === "unreadable" || state === "pending" || state === "retry" || !isFinal(state);
}
