/** Tells all runs of workflows that listen to an event: one call, and more only where hundreds do. */
import type { ShardKeys } from "../protocol/index.js";
import { type ScriptRunner, tellRuns, type TellRunsCall } from "../scripts/index.js";

/** The runs that have heard of it. Done again, it tells who has not. */
export async function tellAllRuns(
  runner: ScriptRunner,
  keys: ShardKeys,
  call: Omit<TellRunsCall, "behind" | "keys">,
): Promise<readonly string[]> {
  const told = new Set<string>();
  let behind: string | undefined;
  let { queues } = call;
  for (;;) {
    const reply = await tellRuns(runner, { ...call, keys, behind, queues });
    for (const run of reply.runs) told.add(run);
    if (reply.missingQueues.length > 0) {
      // Runs of an older deploy, whose own jobs wait in a queue that this one does not have.
      queues = [...queues, ...reply.missingQueues];
    } else if (reply.last === undefined) return [...told];
    else behind = reply.last;
  }
}
