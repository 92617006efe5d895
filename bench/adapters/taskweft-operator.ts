/** What `weft queues show`, `weft jobs list` and `weft queues purge` do, without the start of a process. */
import type { openInspector as OpenInspector } from "../../runtime/inspect/index.js";
import type { Operator, Target } from "./adapter.js";
import { QUEUE_NAME } from "./queue-name.js";
import { redisUrl } from "./taskweft-url.js";

/** The command line has it from there as well; the package exports it to nobody else. */
const INSPECT = new URL("../../dist/runtime/inspect/index.js", import.meta.url).href;

export async function openOperator(target: Target): Promise<Operator> {
  const { openInspector } = (await import(INSPECT)) as { openInspector: typeof OpenInspector };
  const inspector = openInspector({ url: redisUrl(target), queues: [QUEUE_NAME] });
  const filter = { queue: QUEUE_NAME, state: "pending" } as const;
  return {
    count: async () => (await inspector.showQueue(QUEUE_NAME)).pending,
    list: async (most) => (await inspector.listJobs({ ...filter, limit: most })).jobs.length,
    async purge() {
      await inspector.purgeQueue(QUEUE_NAME);
    },
    close: async () => inspector.close(),
  };
}
