// A worker process as generated code starts it, with a handler that ends when the test says so.
import { Redis } from "ioredis";
import { runWorker } from "taskweft/generated-v1";
import { HELD, QUEUES } from "./held-task.js";

const redis = new Redis(process.env["TASKWEFT_REDIS_URL"] ?? "");

await runWorker({
  contracts: [HELD],
  queues: QUEUES,
  handlers: {
    [HELD.name]: async () => ({
      name: HELD.name,
      handler: async () => {
        process.stderr.write(`held by ${process.pid}\n`);
        return (await redis.blpop("go", 0))?.[1];
      },
    }),
  } as never,
});
redis.disconnect();
