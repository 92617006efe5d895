// A worker process as generated code starts it, with a handler that enqueues and a timer that nobody clears.
import { createEnqueueFunction, runWorker } from "taskweft/generated-v1";
import { FIRST, QUEUES, SECOND } from "./enqueuing-tasks.js";

setInterval(() => undefined, 60_000);
const enqueueSecond = createEnqueueFunction(SECOND, QUEUES);

await runWorker({
  contracts: [FIRST, SECOND],
  queues: QUEUES,
  handlers: {
    [FIRST.name]: async () => ({
      name: FIRST.name,
      handler: async (job: { payload: { n: number } }) => (await enqueueSecond(job.payload)).id,
    }),
    [SECOND.name]: async () => ({ name: SECOND.name, handler: () => "second" }),
  } as never,
});
