/**
 * The sensitive values in the texts of jobs of workflow runs. The payload of a step is computed when its job
 * starts and is not stored, so its sensitive values are found where they came from: in the run.
 */
import { TaskweftError } from "../errors.js";
import { runFields } from "../protocol/index.js";
import { areGiven } from "../workflow/index.js";
import type { HeardSecrets } from "./heard.js";
import {
  readFields,
  readItemResults,
  readRun,
  readSteps,
  type StepFacts,
  type StoredRun,
} from "./run-reads.js";
import { RunVeil } from "./run-veil.js";
import type { ShardReader, StoredJob } from "./shard-reader.js";
import type { Redactor } from "./types.js";

export async function readVeil(
  reader: ShardReader,
  run: StoredRun,
  facts: ReadonlyMap<string, StepFacts>,
  redactor: Redactor | undefined,
): Promise<RunVeil> {
  const results = redactor === undefined ? new Map() : await readItemResults(reader, run, facts);
  return new RunVeil(run, facts, results, redactor);
}

/**
 * The sensitive values by run, for those jobs that belong to one. `undefined` if they are unknown: the run is
 * gone, is corrupt, or its workflow is not in the definitions.
 */
export async function readRunSecrets(
  reader: ShardReader,
  jobs: readonly StoredJob[],
  redactor: Redactor | undefined,
): Promise<ReadonlyMap<string, HeardSecrets>> {
  const byRun = new Map<string, StoredJob[]>();
  for (const job of redactor === undefined ? [] : jobs) {
    const { run } = job.record.options;
    if (run === undefined) continue;
    const ofRun = byRun.get(run);
    if (ofRun === undefined) byRun.set(run, [job]);
    else ofRun.push(job);
  }
  const found = new Map<string, HeardSecrets>();
  for (const [run, ofRun] of byRun) found.set(run, await secretsOf(reader, run, ofRun, redactor));
  return found;
}

/** The sensitive values for one of these jobs. */
export function secretsOfRun(
  found: ReadonlyMap<string, HeardSecrets>,
  { options: { run = "" } }: StoredJob["record"],
): HeardSecrets {
  return found.has(run) ? found.get(run) : [];
}

async function secretsOf(
  reader: ShardReader,
  id: string,
  jobs: readonly StoredJob[],
  redactor: Redactor | undefined,
): Promise<HeardSecrets> {
  try {
    const run = await readRun(reader, id, "showJob");
    const veil = await readVeil(reader, run, await readSteps(reader, run), redactor);
    await learnItems(reader, run, jobs, veil);
    return veil.secrets;
  } catch (error) {
    // One unreadable run must not hide its own jobs, nor those of other runs.
    const isUnreadable = !(error instanceof TaskweftError) || UNREADABLE.has(error.code);
    if (isUnreadable) return undefined;
    throw error;
  }
}

const UNREADABLE: ReadonlySet<string> = new Set(["RunNotFound", "StateConflict"]);

async function learnItems(
  reader: ShardReader,
  { id, definition }: StoredRun,
  jobs: readonly StoredJob[],
  veil: RunVeil,
): Promise<void> {
  const steps = new Map(definition.steps.map((step) => [step.name, step]));
  const items = jobs.flatMap(({ record: { options } }) => {
    const step = steps.get(options.step ?? "");
    return step === undefined || options.item === undefined ? [] : [{ step, index: options.item }];
  });
  const fields = items.flatMap(({ step, index }) =>
    areGiven(step) ? [] : [runFields.item(id, step.name, index)],
  );
  const texts = await readFields(reader, fields);
  const stored = new Map(fields.map((field, place) => [field, texts[place] ?? "null"]));
  for (const { step, index } of items) veil.learnItem(step, index, stored);
}
