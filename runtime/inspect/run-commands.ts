/** What an operator may do to workflow runs. State moves are scripts; here stands what their answers mean. */
import { TaskweftError } from "../errors.js";
import { parseRunEnd } from "../protocol/index.js";
import { cancelRun } from "../scripts/index.js";
import { stepJobId } from "../workflow/index.js";
import { readRun, readSteps, runUnknown, type StoredRun } from "./run-reads.js";
import type { RunState } from "./run-types.js";
import type { ShardReader } from "./shard-reader.js";

/** Jobs of one call, and ids of one read: a run may have 100,000, and no command may hold Redis for long. */
const JOB_CHUNK = 200;

/**
 * The run begins nothing more. What runs is stopped, what waits ends, and what has completed is undone. Gives the state of the
 * run, which goes on to its end: `cancelling`; or `failing` or `compensating` where it was that already.
 */
export async function cancelOneRun(reader: ShardReader, id: string): Promise<RunState> {
  const { connection, keys } = reader;
  const run = await readRun(reader, id, "cancelRun");
  const state = assertGoesOn(await cancelRun(connection, { keys, run: id, jobs: [] }), id);
  // From here on nothing new begins, so that what is found now is all there is.
  for await (const jobs of liveJobs(reader, run)) {
    if (jobs.length > 0) await cancelRun(connection, { keys, run: id, jobs });
  }
  return state;
}

function assertGoesOn(reply: string, id: string): RunState {
  if (reply === "NOTFOUND") throw runUnknown(id, "cancelRun");
  const end = parseRunEnd(reply);
  if (end === undefined) return reply as RunState;
  throw new TaskweftError(
    "StateConflict",
    `the run ${id} has ended already: it is ${end.state}. There is nothing to cancel`,
    { operation: "cancelRun" },
  );
}

interface FoundJob {
  readonly id: string;
  readonly queue: string;
}

/** Jobs of steps that have not ended, a part of them at a time; without those that undo, which nothing must stop. */
async function* liveJobs(reader: ShardReader, run: StoredRun): AsyncGenerator<readonly FoundJob[]> {
  const facts = await readSteps(reader, run);
  let ids: string[] = [];
  for (const { name, forEach } of run.definition.steps) {
    const { outcome, items = 0 } = facts.get(name)!;
    if (outcome === undefined) ids.push(stepJobId(run.id, name));
    // A fan-out has failed with its first item, while others run.
    if (forEach === undefined || outcome?.status === "completed") continue;
    for (let index = 0; index < items; index++) {
      ids.push(stepJobId(run.id, name, index));
      if (ids.length === JOB_CHUNK) yield await existing(reader, ids.splice(0));
    }
  }
  for (; ids.length > 0; ids = ids.slice(JOB_CHUNK)) yield await existing(reader, ids.slice(0, JOB_CHUNK));
}

async function existing(reader: ShardReader, ids: readonly string[]): Promise<readonly FoundJob[]> {
  const jobs = await reader.jobs(ids);
  return jobs.map(({ id, record }) => ({ id, queue: record.queue }));
}
