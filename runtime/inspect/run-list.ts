/** Lists of workflow runs in pages, by rank in the sets of running and ended runs. See job-list.ts. */
import {
  parseRunEnd,
  parseRunParent,
  parseRunRecord,
  runFields,
  type RunParent,
  type RunRecord,
} from "../protocol/index.js";
import { checkedLimit, decodeCursor, encodeCursor } from "./job-list.js";
import { nameOfError } from "./run-error.js";
import type { RunListOptions, RunPage, RunState, RunSummary } from "./run-types.js";
import type { ShardReader } from "./shard-reader.js";
import type { Redactor } from "./types.js";

/** Runs read at once; their records contain the inputs. */
const CHUNK = 100;
/** Shown as the workflow of a run with an unreadable record; no workflow can have this name. */
const UNREADABLE = "?";
/** Runs that one call looks at: a filter that matches nothing must not read a million. */
const SCAN_BUDGET = 5000;

export async function listRuns(
  reader: ShardReader,
  options: RunListOptions,
  redactor?: Redactor,
): Promise<RunPage> {
  const limit = checkedLimit(options.limit, "listRuns");
  const sources = sourcesFor(options.state);
  let { source, rank } = decodeCursor(options.cursor, "listRuns");
  const found: RunSummary[] = [];
  let budget = SCAN_BUDGET;
  while (source < sources.length && budget > 0) {
    const key = sources[source]!;
    const entries = await readEntries(reader, reader.keys[key], rank);
    budget -= entries.length;
    const summaries = await summarizeEntries(reader, entries, key === "ended", redactor);
    for (const [index, summary] of summaries.entries()) {
      rank++;
      if (summary === undefined || !matches(summary, options)) continue;
      found.push(summary);
      if (found.length < limit) continue;
      const last = index === entries.length - 1 && entries.length < CHUNK && source === sources.length - 1;
      return last ? { runs: found } : { runs: found, next: encodeCursor({ source, rank }) };
    }
    if (entries.length < CHUNK) [source, rank] = [source + 1, 0];
  }
  return source < sources.length ? { runs: found, next: encodeCursor({ source, rank }) } : { runs: found };
}

function sourcesFor(state: RunState | undefined): readonly ("ended" | "running")[] {
  if (state === undefined) return ["running", "ended"];
  return state === "completed" || state === "failed" || state === "cancelled" ? ["ended"] : ["running"];
}

interface Entry {
  readonly id: string;
  readonly score: number;
}

/** The newest first: by their start, and ended ones by the end of their retention. */
async function readEntries(reader: ShardReader, key: string, rank: number): Promise<readonly Entry[]> {
  const reply = await reader.read((redis) =>
    redis.zrange(key, rank, String(rank + CHUNK - 1), "REV", "WITHSCORES"),
  );
  return Array.from({ length: reply.length / 2 }, (_unused, index) => ({
    id: reply[2 * index]!,
    score: Number(reply[2 * index + 1]),
  }));
}

/** One summary per entry; `undefined` for runs that have moved on since the ids were read. */
async function summarizeEntries(
  reader: ShardReader,
  entries: readonly Entry[],
  ended: boolean,
  redactor: Redactor | undefined,
): Promise<readonly (RunSummary | undefined)[]> {
  if (entries.length === 0) return [];
  const fields = entries.flatMap(({ id }) => [id, runFields.state(id), runFields.parent(id)]);
  const texts = await reader.read((redis) => redis.hmget(reader.keys.workflows, ...fields));
  return entries.map(({ id, score }, index) => {
    const [record = null, state = null, parent = null] = texts.slice(3 * index, 3 * index + 3);
    if (record === null || (parseRunEnd(state) !== undefined) !== ended) return undefined;
    const summary = {
      ...summarizeRun(id, record, state, parent, ended ? score : undefined),
      listedBy: score,
    };
    if (redactor === undefined || summary.error === undefined) return summary;
    return { ...summary, error: nameOfError(summary.error) };
  });
}

export function summarizeRun(
  id: string,
  record: string,
  stateText: string | null,
  parentText: string | null,
  removedAt: number | undefined,
): RunSummary {
  const parent = parseRunParent(parentText);
  const { workflow, startedAt } = readable(record) ?? { workflow: UNREADABLE, startedAt: 0 };
  const end = parseRunEnd(stateText);
  const state = end?.state ?? ((stateText ?? "running") as RunState);
  return {
    id,
    workflow,
    ...(parent === undefined ? {} : { parent: { run: parent.run, step: stepPlace(parent) } }),
    state,
    startedAt,
    ...(end === undefined ? {} : { endedAt: end.at }),
    ...(removedAt === undefined || parent !== undefined ? {} : { removedAt }),
    ...(end === undefined || end.state === "completed" ? {} : { error: String(end.detail) }),
  };
}

/** Name of a step, or of an item. */
export function stepPlace({ step, item }: Pick<RunParent, "item" | "step">): string {
  return item === undefined ? step : `${step}.${item}`;
}

/** `undefined` for a corrupt record, which must not hide the other runs. */
function readable(record: string): RunRecord | undefined {
  try {
    return parseRunRecord(record);
  } catch {
    return undefined;
  }
}

function matches(run: RunSummary, { state, workflow, parent, roots }: RunListOptions): boolean {
  return (
    (state === undefined || run.state === state) &&
    (workflow === undefined || run.workflow === workflow) &&
    (parent === undefined || run.parent?.run === parent) &&
    (roots !== true || run.parent === undefined)
  );
}
