/**
 * Delivers an event to all workflow runs and jobs that listen for it, in one call, or several if there are
 * hundreds.
 */
import type { ShardKeys } from "../protocol/index.js";
import { type ScriptRunner, tell, type TellCall, type Told } from "../scripts/index.js";

/** Returns the listeners that received the event. If repeated, it tells those that have not. */
export async function tellAll(
  runner: ScriptRunner,
  keys: ShardKeys,
  call: Omit<TellCall, "behind" | "keys">,
): Promise<Told> {
  const runs = new Set<string>();
  const jobs = new Set<string>();
  let behind: string | undefined;
  let { queues } = call;
  for (;;) {
    const reply = await tell(runner, { ...call, keys, behind, queues });
    for (const run of reply.runs) runs.add(run);
    for (const job of reply.jobs) jobs.add(job);
    if (reply.missingQueues.length > 0) {
      // Listeners of an older deploy that wait in a queue which this one does not have.
      queues = [...queues, ...reply.missingQueues];
    } else if (reply.last === undefined) return { runs: [...runs], jobs: [...jobs] };
    else behind = reply.last;
  }
}
