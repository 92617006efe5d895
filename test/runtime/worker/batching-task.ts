// The task of batching-process.ts, for both sides.
import { z } from "taskweft/generated-v1";
import { defineTask } from "../../support/task.js";

export const BATCHED = defineTask<{ readonly n: number }, number>("batched:work", {
  batch: { size: 50, withinMs: 5000 },
  result: z.number(),
  timeoutMs: 60_000,
});
export const QUEUES = [{ name: "default", weight: 1 }];
