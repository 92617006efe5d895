/** Reads the data of one workflow run: its fields, the jobs of its steps, the items of its fan-outs. */
import { parsedOfRun, runUnknown } from "../cancel.js";
import type { WorkflowDefinition, WorkflowStep } from "../definition/index.js";
import {
  parseRunRecord,
  parseStepOutcome,
  runFields,
  type JobState,
  type RunRecord,
  type StepOutcome,
} from "../protocol/index.js";
import { roundOf, stepJobId, stepsRead, undoJobId, undoneField } from "../workflow/index.js";
import { stateOf, type ShardReader, type StoredJob } from "./shard-reader.js";

/** Fields per read: one reply must not hold Redis for long. */
const FIELD_CHUNK = 200;
/** Most item results of a fan-out that are read to find the sensitive values derived from them. */
const MOST_RESULTS = 10_000;

export interface StoredRun {
  readonly id: string;
  readonly recordText: string;
  readonly record: RunRecord;
  readonly stateText: string | null;
  /** Set for a child run. */
  readonly parentText: string | null;
  readonly removedAt: number | undefined;
  readonly definition: WorkflowDefinition;
}

/** @throws TaskweftError `RunNotFound`; `StateConflict` if the run cannot be read. */
export async function readRun(reader: ShardReader, id: string, operation: string): Promise<StoredRun> {
  const { workflows, ended } = reader.keys;
  const [texts, removedAt] = (await reader.together((reads) =>
    reads.hmget(workflows, id, runFields.state(id), runFields.parent(id)).zscore(ended, id),
  )) as [(string | null)[], string | null];
  const [recordText = null, stateText = null, parentText = null] =
    id.includes(" ") || id.startsWith("@") ? [] : texts;
  if (recordText === null) throw runUnknown(id, operation);
  const record = parsedOfRun(() => parseRunRecord(recordText), id, operation);
  const field = runFields.definition(record.workflow, record.hash);
  const definition = await reader.read((redis) => redis.hget(workflows, field));
  if (definition === null) throw runUnknown(id, operation);
  return {
    id,
    recordText,
    record,
    stateText,
    parentText,
    removedAt: removedAt === null ? undefined : Number(removedAt),
    definition: parsedOfRun(() => JSON.parse(definition) as WorkflowDefinition, id, operation),
  };
}

/** How a step ended, and its compensation; `undefined` if not yet. */
export interface StepFacts {
  readonly outcome: StepOutcome | undefined;
  readonly undone: StepOutcome | undefined;
  /** Number of items of a fan-out that has begun. */
  readonly items: number | undefined;
  /** For a step that is a child run: its round. */
  readonly round: number;
}

export async function readSteps(
  reader: ShardReader,
  { id, definition }: Pick<StoredRun, "definition" | "id">,
): Promise<ReadonlyMap<string, StepFacts>> {
  const fields = definition.steps.flatMap(({ name }) => [
    runFields.step(id, name),
    runFields.step(id, undoneField(name)),
    runFields.items(id, name),
    runFields.round(id, name),
    runFields.kept(id, name),
  ]);
  const texts = await readFields(reader, fields);
  const outcomeOf = (text: string | null | undefined): StepOutcome | undefined =>
    text === null || text === undefined ? undefined : parseStepOutcome(text);
  return new Map(
    definition.steps.map(({ name }, index) => {
      const [outcome, undone, items, round, kept] = texts.slice(5 * index, 5 * index + 5);
      return [
        name,
        {
          outcome: outcomeOf(outcome ?? kept),
          undone: outcomeOf(undone),
          items: items === null || items === undefined ? undefined : Number(items),
          round: roundOf(round),
        },
      ];
    }),
  );
}

/**
 * By step: the item results from which payloads of other steps are computed; `undefined` if there are too
 * many to read.
 */
export async function readItemResults(
  reader: ShardReader,
  { id, definition }: Pick<StoredRun, "definition" | "id">,
  facts: ReadonlyMap<string, StepFacts>,
): Promise<ReadonlyMap<string, readonly unknown[] | undefined>> {
  const read = new Set(
    definition.steps.flatMap(({ job, child, compensate }) =>
      [job?.payload, child?.input, compensate?.payload].flatMap(stepsRead),
    ),
  );
  const results = new Map<string, readonly unknown[] | undefined>();
  for (const { name, forEach } of definition.steps) {
    const { outcome, items = 0 } = facts.get(name) ?? {};
    if (forEach === undefined || outcome?.status !== "completed" || !read.has(name)) continue;
    if (items > MOST_RESULTS) {
      results.set(name, undefined);
      continue;
    }
    const fields = Array.from({ length: items }, (_unused, index) => runFields.step(id, `${name}.${index}`));
    const outcomes = (await readFields(reader, fields)).map((text) =>
      text === null ? undefined : parseStepOutcome(text),
    );
    results.set(
      name,
      outcomes.map((item) => (item?.status === "completed" ? item.detail : null)),
    );
  }
  return results;
}

/** The values in the order of the fields, read in chunks. */
export async function readFields(
  reader: ShardReader,
  fields: readonly string[],
): Promise<readonly (string | null)[]> {
  const texts: (string | null)[] = [];
  for (let from = 0; from < fields.length; from += FIELD_CHUNK) {
    const part = fields.slice(from, from + FIELD_CHUNK);
    texts.push(...(await reader.read((redis) => redis.hmget(reader.keys.workflows, ...part))));
  }
  return texts;
}

export interface JobNow {
  readonly job: StoredJob;
  readonly state: JobState;
  readonly dueAt: number | undefined;
}

/** The existing jobs of steps and of their compensations, by id. */
export async function readStepJobs(
  reader: ShardReader,
  run: string,
  steps: readonly WorkflowStep[],
): Promise<ReadonlyMap<string, JobNow>> {
  const ids = steps.flatMap(({ name, compensate }) => [
    stepJobId(run, name),
    ...(compensate === undefined ? [] : [undoJobId(run, name)]),
  ]);
  const jobs = await reader.jobs(ids);
  if (jobs.length === 0) return new Map();
  const scores = await reader.together<string | null>((reads) => {
    for (const { id, record } of jobs) reads.zscore(reader.keys.queue(record.queue).due, id);
  });
  return new Map(
    jobs.map((job, index) => {
      const due = scores[index] ?? null;
      const state = stateOf(job, due !== null);
      return [job.id, { job, state, dueAt: due === null ? undefined : Number(due) }];
    }),
  );
}

/** Of these child runs, those that have been started. */
export async function readStarted(reader: ShardReader, ids: readonly string[]): Promise<ReadonlySet<string>> {
  const parents = await readFields(reader, ids.map(runFields.parent));
  return new Set(ids.filter((_id, index) => parents[index] !== null));
}
