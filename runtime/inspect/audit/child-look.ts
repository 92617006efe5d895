/**
 * Checks child runs: runs without a job that waits for them, and jobs that wait although their child run has
 * ended.
 */
import { parseRunParent, runFields, type RunParent } from "../../protocol/index.js";
import { childRunId, roundOf, stepJobId } from "../../workflow/index.js";
import type { ShardReader } from "../shard-reader.js";
import { hasEnded, startOf } from "./facts.js";
import { type ChildPlace, placeName } from "./run-jobs.js";

/** Steps read in one call. */
const AT_ONCE = 200;
/** A job that comes back within this time need not be hastened (ms): a suspect waits for half a second. */
const SOON_MS = 10_000;

/** A child run that no job waits for. */
export interface LostChild extends ChildPlace {
  readonly child: string;
  /** Id of the missing job. */
  readonly job: string;
}

/** Of the steps without a job, those whose child run was started: they must have had one. */
export async function lostChildren(
  reader: ShardReader,
  run: string,
  startedAt: number | undefined,
  idle: readonly ChildPlace[],
): Promise<readonly LostChild[]> {
  const { workflows } = reader.keys;
  const lost: LostChild[] = [];
  for (let from = 0; from < idle.length; from += AT_ONCE) {
    const some = idle.slice(from, from + AT_ONCE);
    const own = some.flatMap(({ step, item }) => [
      runFields.round(run, step.name),
      runFields.goesOn(run, placeName(step, item)),
    ]);
    const said = await reader.read((redis) => redis.hmget(workflows, ...own));
    const ids = some.map(({ step, item }, index) =>
      childRunId(run, step.name, roundOf(said[2 * index]), item),
    );
    const parents = await reader.read((redis) => redis.hmget(workflows, ...ids.map(runFields.parent)));
    for (const [index, place] of some.entries()) {
      const parent = parseRunParent(parents[index]);
      // A child run that is resumed has a job that has not begun yet.
      const isOwn = parent?.run === run && parent.startedAt === startedAt && said[2 * index + 1] === null;
      const job = stepJobId(run, place.step.name, place.item);
      if (isOwn) lost.push({ ...place, child: ids[index]!, job });
    }
  }
  return lost;
}

/** The job of a parent's step. */
export interface Waiter {
  readonly job: string;
  readonly queue: string;
}

/**
 * The job that waits for an ended run and would go on waiting. The script that ends a run should have brought
 * it back at once.
 */
export async function waiterOf(reader: ShardReader, run: string): Promise<Waiter | undefined> {
  const { workflows } = reader.keys;
  const text = await reader.read((redis) => redis.hget(workflows, runFields.parent(run)));
  const parent = parseRunParent(text);
  if (parent === undefined || parent.queue === "") return undefined;
  const { queue } = parent;
  const job = stepJobId(parent.run, parent.step, parent.item);
  const [time, said, dueAt] = (await reader.together((reads) =>
    reads
      .time(workflows)
      .hmget(workflows, ...fieldsAround(run, parent))
      .zscore(reader.keys.queue(queue).due, job),
  )) as [time: string[], said: (string | null)[], dueAt: string | null];
  const [end, above, aboveState, round, mark] = said;
  const isOwn = childRunId(parent.run, parent.step, roundOf(round), parent.item) === run;
  const isOfParent = startOf(above) === parent.startedAt && !hasEnded(aboveState);
  const isLate = dueAt !== null && Number(dueAt) > Number(time[0]) * 1000 + SOON_MS;
  return hasEnded(end) && isOwn && isOfParent && mark === null && isLate ? { job, queue } : undefined;
}

function fieldsAround(run: string, { run: above, step, item }: RunParent): readonly string[] {
  const place = item === undefined ? step : `${step}.${item}`;
  return [
    runFields.state(run),
    above,
    runFields.state(above),
    runFields.round(above, step),
    runFields.goesOn(above, place),
  ];
}

/** A plain write is safe: a job that comes back too early waits again. */
export async function hasten(reader: ShardReader, { job, queue }: Waiter, nowMs: number): Promise<void> {
  await reader.read((redis) => redis.zadd(reader.keys.queue(queue).due, "XX", "LT", nowMs, job));
}
