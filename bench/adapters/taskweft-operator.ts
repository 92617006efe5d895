/** What `weft queues`, `weft jobs list` and `weft jobs delete` do, without the start of a process. */
import type { openInspector as OpenInspector } from "../../runtime/inspect/index.js";
import type { Operator, Target } from "./adapter.js";
import { QUEUE_NAME } from "./queue-name.js";
import { redisUrl } from "./taskweft-url.js";

/** The command line has it from there as well; the package exports it to nobody else. */
const INSPECT = new URL("../../dist/runtime/inspect/index.js", import.meta.url).href;
/** As many as the command line has under way. */
const AT_ONCE = 50;

export async function openOperator(target: Target): Promise<Operator> {
  const { openInspector } = (await import(INSPECT)) as { openInspector: typeof OpenInspector };
  const inspector = openInspector({ url: redisUrl(target), queues: [QUEUE_NAME] });
  const filter = { queue: QUEUE_NAME, state: "pending" } as const;
  return {
    count: async () => (await inspector.showQueue(QUEUE_NAME)).pending,
    list: async (most) => (await inspector.listJobs({ ...filter, limit: most })).jobs.length,
    async purge() {
      const ids = await inspector.collectIds(filter, Number.POSITIVE_INFINITY);
      for (let start = 0; start < ids.length; start += AT_ONCE) {
        await Promise.all(ids.slice(start, start + AT_ONCE).map((id) => inspector.remove(id)));
      }
    },
    close: async () => inspector.close(),
  };
}
