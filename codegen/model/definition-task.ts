/** An entry of `tasks`. */
import { z } from "zod";
import { DURABILITIES, ON_DEAD } from "../../runtime/definition/index.js";
import { dedupeDefinition } from "./definition-dedupe.js";
import { descriptionText, duration, eventReference, taskReference } from "./definition-fields.js";
import { isolateDefinition } from "./definition-isolate.js";
import { payloadDefinition } from "./definition-payload.js";
import { retryDefinition } from "./definition-retry.js";

export const queueReference = z
  .string()
  .meta({ id: "QueueName", description: "A queue declared in `queues`.", examples: ["default"] });

export const ownerText = z
  .string()
  .max(200)
  // The owner becomes an alert label, which Prometheus expands as a template.
  .refine((text) => !text.includes("{{"), {
    error:
      'expected the name of a team or person, got a text with "{{", which Prometheus would take for a template',
  })
  .meta({ description: "The responsible team or person.", examples: ["payments-team"] });

export const timeoutDefinition = duration({
  description: "Longest run of one attempt; then ctx.signal aborts and the attempt has failed. Default 60s.",
  examples: ["30s", "2m"],
  allowZero: false,
});

export const retentionDefinition = z
  .strictObject({
    completed: duration({
      description:
        "How long a completed job and its result stay readable. 0 removes it at once. Default 30m.",
      examples: ["30m"],
    }).optional(),
    dead: duration({
      description:
        "How long a dead or cancelled job stays readable. 0 removes it at once, so that it cannot be retried. Default 90d.",
      examples: ["90d"],
    }).optional(),
  })
  .meta({ id: "Retention", description: "How long finished jobs are kept." });
export type RetentionDefinition = z.infer<typeof retentionDefinition>;

const idempotencyDefinition = z
  .strictObject({
    key: z
      .string()
      .min(1)
      .max(1000)
      .meta({
        description: "Text with ${{ payload.field }}. Within the ttl, the same key returns the same job.",
        examples: ["${{ payload.orderId }}"],
      }),
    ttl: duration({
      description: "How long the key is remembered after the enqueue. Default 24h.",
      examples: ["24h"],
      allowZero: false,
    }).optional(),
    onDead: z.enum(ON_DEAD).optional().meta({
      description:
        "What happens to the key if the job ends dead or cancelled. release (default): a new enqueue may try again. hold: the key stays taken until its ttl ends.",
    }),
  })
  .meta({ id: "Idempotency", description: "Enqueues with the same key make one job." });

export const MAX_CONCURRENCY = 1_000_000;

const concurrencyDefinition = z
  .strictObject({
    key: z
      .string()
      .min(1)
      .max(1000)
      .optional()
      .meta({
        description:
          "Text with ${{ payload.field }}: the limit applies to each key separately. Default: all jobs of the task share it.",
        examples: ["${{ payload.customerId }}"],
      }),
    limit: z
      .int()
      .min(1)
      .max(MAX_CONCURRENCY)
      .meta({ description: "Most jobs that run at a time, over all workers.", examples: [5] }),
  })
  .meta({
    id: "Concurrency",
    description: "Limits how many jobs of the task, or of each key, run at a time. The others wait.",
  });

const fairnessDefinition = z
  .strictObject({
    key: z
      .string()
      .min(1)
      .max(1000)
      .meta({
        description:
          "Text with ${{ payload.field }}: jobs of different keys take turns. Must equal concurrency.key and rateLimit.key if the task has them.",
        examples: ["${{ payload.tenantId }}"],
      }),
  })
  .meta({
    id: "Fairness",
    description:
      "Jobs of different keys start in turns, one per key, so that a key with many waiting jobs does not hold up the others. Default: jobs start in order of arrival.",
  });

const MAX_BATCH_SIZE = 1000;
/**
 * Limited, because gathering jobs occupy a worker: for longer periods, use a schedule and store the data
 * yourself.
 */
const MAX_BATCH_WITHIN_MS = 600_000;

const batchDefinition = z
  .strictObject({
    key: z
      .string()
      .min(1)
      .max(1000)
      .optional()
      .meta({
        description:
          "Text with ${{ payload.field }}: a batch contains jobs of one key only. Default: any jobs of the task can share a batch.",
        examples: ["${{ payload.tenantId }}"],
      }),
    size: z
      .int()
      .min(2)
      .max(MAX_BATCH_SIZE)
      .meta({ description: "Most jobs per call of the handler.", examples: [100] }),
    within: duration({
      description:
        "How long the first job of a batch waits for others at most, counted from when it could have started. At most 10m.",
      examples: ["5s"],
      allowZero: false,
      maxMs: MAX_BATCH_WITHIN_MS,
    }),
  })
  .meta({
    id: "Batch",
    description:
      "The handler is called for several jobs at once: as soon as `size` jobs have gathered, or the first has waited for `within`.",
  });

const rateWindow = duration({
  description: "Length of the window: at most `limit` attempts start in any period of this length.",
  examples: ["1m"],
  allowZero: false,
});

const rateCount = z
  .int()
  .min(1)
  .max(MAX_CONCURRENCY)
  .meta({ description: "Most attempts that start in `per`, over all workers.", examples: [100] });

const taskRateLimitDefinition = z
  .strictObject({
    key: z
      .string()
      .min(1)
      .max(1000)
      .optional()
      .meta({
        description:
          "Text with ${{ payload.field }}: the rate applies to each key separately. Default: all jobs of the task share it. Must equal concurrency.key if the task has both.",
        examples: ["${{ payload.customerId }}"],
      }),
    limit: rateCount,
    per: rateWindow,
  })
  .meta({
    id: "TaskRateLimit",
    description: "Limits how many attempts of the task, or of each key, start in a period. The others wait.",
  });

export const queueRateLimitDefinition = z.strictObject({ limit: rateCount, per: rateWindow }).meta({
  id: "QueueRateLimit",
  description: "Limits how many attempts of the queue's jobs start in a period. The others wait.",
});

const errorDefinition = z
  .strictObject({
    retry: z
      .union([
        z.enum(["never", "policy"]),
        z.strictObject({
          after: duration({
            description: "Retry after this time, whatever the policy says.",
            examples: ["30s"],
          }),
          countsAttempt: z
            .boolean()
            .optional()
            .meta({ description: "false: the attempt does not count towards maxRetries. Default true." }),
        }),
      ])
      .optional()
      .meta({
        description:
          "never: the job goes dead at once. policy (default): retried like any other error. { after: 30s }: retried after that time.",
      }),
    description: descriptionText.optional(),
  })
  .meta({ id: "DeclaredError", description: "What happens when the handler throws this error." });
export type ErrorDefinition = z.infer<typeof errorDefinition>;

/** Class names, because they become exported classes in generated/errors.ts. */
export const ERROR_NAME_PATTERN = /^[A-Z][A-Za-z0-9]*$/;

/** Limited, because an emit looks listeners up by all of these fields. */
const MAX_WAIT_FIELDS = 5;

export const taskDefinition = z
  .strictObject({
    batch: batchDefinition.optional(),
    concurrency: concurrencyDefinition.optional(),
    dedupe: dedupeDefinition.optional(),
    description: descriptionText.optional(),
    durability: z.enum(DURABILITIES).optional().meta({
      description:
        "What an enqueue waits for. memory (default): Redis has executed it. local: it is on the disk of Redis. replicated: a replica has received it too.",
    }),
    errors: z
      .record(z.string().regex(ERROR_NAME_PATTERN), errorDefinition)
      .optional()
      .meta({
        description: "Error classes that the handler throws, by class name.",
        examples: [{ CardDeclined: { retry: "never" } }],
      }),
    fairness: fairnessDefinition.optional(),
    idempotency: idempotencyDefinition.optional(),
    isolate: isolateDefinition.optional(),
    onExhausted: taskReference.optional().meta({
      description:
        "The task to enqueue when a job of this task goes dead. Its payload gets those of these fields that it declares: attempts, error, jobId, message, payload, queue, task.",
      examples: ["ops:alert"],
    }),
    owner: ownerText.optional(),
    payload: payloadDefinition.meta({
      description: "Fields of the payload. {} for none.",
      examples: [{ orderId: "uuid", note: "string?" }],
    }),
    queue: queueReference.optional(),
    rateLimit: taskRateLimitDefinition.optional(),
    result: payloadDefinition.optional().meta({
      description: "What the handler returns. Leave it out if it returns nothing.",
      examples: [{ receiptId: "string" }],
    }),
    retention: retentionDefinition.optional(),
    retry: retryDefinition.optional(),
    startWithin: duration({
      description:
        "The first attempt must start within this time after the enqueue, or after the job's due time; otherwise the job goes dead without having run. Default: no limit.",
      examples: ["10m"],
      allowZero: false,
    }).optional(),
    timeout: timeoutDefinition.optional(),
    waitsFor: z
      .record(eventReference, z.array(z.string().min(1)).min(1).max(MAX_WAIT_FIELDS))
      .optional()
      .meta({
        description:
          "The events that the handler may wait for (ctx.waitFor), each with the payload fields that identify it. Default: none.",
        examples: [{ "order:approved": ["orderId"] }],
      }),
  })
  .meta({ id: "Task", description: "A type of work." });
export type TaskDefinitionEntry = z.infer<typeof taskDefinition>;
