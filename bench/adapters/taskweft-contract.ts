/**
 * What codegen emits for this task, written out: validation is on at both ends, strict for producers, loose for workers.
 *
 *     bench:job:
 *       queue: bench
 *       retry: { maxRetries: 4, backoff: { type: exponential, initial: 1s, factor: 2, max: 5m, jitter: full } }
 *       payload:
 *         amount: { type: integer, minimum: 1 }
 *         currency: { enum: [EUR, NGN] }
 *         items: [{ quantity: { type: integer, minimum: 1 }, sku: string }]
 *         note: string
 *         orderId: uuid
 *         seq: { type: integer, minimum: 0 }
 */
import { defineContract, defineSchemas, type QueueDefinition, z } from "taskweft/generated-v1";
import type { BenchPayload } from "../payload.js";
import { QUEUE_NAME } from "./queue-name.js";

const fields = () => ({
  amount: z.int().gte(1),
  currency: z.literal(["EUR", "NGN"]),
  note: z.string(),
  orderId: z.guid("Invalid UUID"),
  seq: z.int().gte(0),
});
const item = () => ({ quantity: z.int().gte(1), sku: z.string() });

const benchJobSchemas = defineSchemas<BenchPayload, void>({
  payloadStrict: () => z.strictObject({ ...fields(), items: z.array(z.strictObject(item())) }),
  payloadLoose: () => z.looseObject({ ...fields(), items: z.array(z.looseObject(item())) }),
});

export const TASK_NAME = "bench:job";
const KEPT_MS = 30 * 60_000;
const DEAD_MS = 90 * 86_400_000;

/** The contract of the task; only the retention of completed jobs differs between workloads. */
export function benchJobContract(keepCompleted: boolean) {
  return defineContract<BenchPayload, void>({
    name: TASK_NAME,
    queue: QUEUE_NAME,
    timeoutMs: 60_000,
    retry: {
      maxRetries: 4,
      backoff: { type: "exponential", initialMs: 1000, factor: 2, maxMs: 300_000, jitter: "full" },
    },
    retention: { completedMs: keepCompleted ? KEPT_MS : 0, deadMs: DEAD_MS },
    errors: {},
    hash: "0b5e7c1a",
    schemas: benchJobSchemas,
  });
}

export const queues: readonly QueueDefinition[] = [{ name: QUEUE_NAME, weight: 1 }];
