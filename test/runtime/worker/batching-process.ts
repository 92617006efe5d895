// A worker process whose batches hang, to be killed, or end with the id of the process for each job.
import { runWorker, type Job } from "taskweft/generated-v1";
import { BATCHED, QUEUES } from "./batching-task.js";

await runWorker({
  contracts: [BATCHED],
  queues: QUEUES,
  handlers: {
    [BATCHED.name]: async () => ({
      name: BATCHED.name,
      batchHandler: async (jobs: readonly Job[]) => {
        if (process.env["HANGS"] !== "1") return jobs.map(() => process.pid);
        process.stdout.write(`a batch of ${jobs.length} hangs\n`);
        return await new Promise<never>(() => undefined);
      },
    }),
  },
});
