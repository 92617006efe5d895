/** Tells all runs of workflows, and all jobs, that listen to an event: one call, and more only where hundreds do. */
import type { ShardKeys } from "../protocol/index.js";
import { type ScriptRunner, tell, type TellCall, type Told } from "../scripts/index.js";

/** Who has heard of it. Done again, it tells who has not. */
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
      // Runs and jobs of an older deploy, which wait in a queue that this one does not have.
      queues = [...queues, ...reply.missingQueues];
    } else if (reply.last === undefined) return { runs: [...runs], jobs: [...jobs] };
    else behind = reply.last;
  }
}
