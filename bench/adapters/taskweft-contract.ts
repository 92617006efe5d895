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
 *
 * and, each only in the workload that measures it:
 *
 *       batch: { size: 100, within: 5ms }
 *       concurrency: { limit: 10, key: "${{ payload.items[0].sku }}" }
 *       dedupe: { key: "${{ payload.orderId }}", mode: unfinished }
 *       fairness: { key: "${{ payload.items[0].sku }}" }
 *       idempotency: { key: "${{ payload.orderId }}", ttl: 24h }
 *       isolate: thread
 *       rateLimit: { limit: 1000000, per: 1s, key: "${{ payload.items[0].sku }}" }
 *       result: { receiptId: uuid }
 */
import {
  defineContract,
  defineSchemas,
  fit,
  keyText,
  type QueueDefinition,
  type QuickCheck,
  type TaskContract,
  z,
} from "taskweft/generated-v1";
import type { BenchPayload } from "../payload.js";
import type { Feature, Target } from "./adapter.js";
import { QUEUE_NAME } from "./queue-name.js";

/** What the handler returns where the task has a result. */
export interface Receipt {
  readonly receiptId: string;
}

const fields = () => ({
  amount: z.int().gte(1),
  currency: z.literal(["EUR", "NGN"]),
  note: z.string(),
  orderId: z.guid("Invalid UUID"),
  seq: z.int().gte(0),
});
const item = () => ({ quantity: z.int().gte(1), sku: z.string() });

/** As they are emitted: plain zod schemas, and the quick check of the payload. */
export const schemas = {
  payloadFits: ((value) =>
    fit.closed(value, 6) &&
    Number.isSafeInteger(value.amount) &&
    value.amount >= 1 &&
    (value.currency === "EUR" || value.currency === "NGN") &&
    fit.list(
      value.items,
      (item) =>
        fit.closed(item, 2) &&
        Number.isSafeInteger(item.quantity) &&
        item.quantity >= 1 &&
        typeof item.sku === "string",
    ) &&
    typeof value.note === "string" &&
    fit.uuid(value.orderId) &&
    Number.isSafeInteger(value.seq) &&
    value.seq >= 0) as QuickCheck,
  payloadStrict: () => z.strictObject({ ...fields(), items: z.array(z.strictObject(item())) }),
  payloadLoose: () => z.looseObject({ ...fields(), items: z.array(z.looseObject(item())) }),
};
const resultSchema = () => z.strictObject({ receiptId: z.guid("Invalid UUID") });

export const TASK_NAME = "bench:job";
const KEPT_MS = 30 * 60_000;
const DAY_MS = 86_400_000;

/** 1,000 different ones. */
const skuOf = (payload: BenchPayload): string => keyText(payload.items[0]?.sku ?? "");
const orderOf = (payload: BenchPayload): string => keyText(payload.orderId);

type Declared = Partial<TaskContract<BenchPayload, Receipt | void>>;

/** What a feature adds to the declaration of the task; the others are matters of the handler or the worker. */
const DECLARED: Partial<Record<Feature, Declared>> = {
  batch: { batch: { size: 100, withinMs: 5 } },
  concurrencyKey: { concurrency: { limit: 10 }, concurrencyKey: skuOf },
  dedupeKey: { dedupe: { mode: "unfinished" }, dedupeKey: orderOf },
  fairnessKey: { fairnessKey: skuOf },
  idempotencyKey: { idempotency: { ttlMs: DAY_MS, onDead: "release" }, idempotencyKey: orderOf },
  rateLimit: { rateLimit: { limit: 1_000_000, perMs: 1000 }, rateLimitKey: skuOf },
  result: {
    schemas: defineSchemas({
      ...schemas,
      resultFits: (value) => fit.closed(value, 1) && fit.uuid(value.receiptId),
      result: resultSchema,
    }),
  },
  thread: { isolate: { in: "thread" } },
};

/** The contract of the task; only retention and features differ between workloads. */
export function benchJobContract({ keepCompleted, features }: Pick<Target, "features" | "keepCompleted">) {
  return defineContract<BenchPayload, Receipt | void>({
    name: TASK_NAME,
    queue: QUEUE_NAME,
    timeoutMs: 60_000,
    retry: {
      maxRetries: 4,
      backoff: { type: "exponential", initialMs: 1000, factor: 2, maxMs: 300_000, jitter: "full" },
    },
    retention: { completedMs: keepCompleted ? KEPT_MS : 0, deadMs: 90 * DAY_MS },
    errors: {},
    hash: "0b5e7c1a",
    schemas: defineSchemas(schemas),
    ...Object.assign({}, ...features.map((feature) => DECLARED[feature])),
  });
}

export const queues: readonly QueueDefinition[] = [{ name: QUEUE_NAME, weight: 1 }];
