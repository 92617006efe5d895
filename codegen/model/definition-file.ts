/**
 * The only hand-written schema of a definition file. It checks what people write (zod), gives the loader its
 * types (z.infer) and is emitted as tasks.schema.json for editors. Values are as written: nothing is resolved
 * or converted here.
 */
import { z } from "zod";
import {
  MAX_NAME_LENGTH,
  MAX_OBSERVER_NAME_LENGTH,
  MAX_SCHEDULE_NAME_LENGTH,
  SIMPLE_NAME_PATTERN,
  TASK_NAME_PATTERN,
} from "../../runtime/definition/index.js";
import { eventDefinition, observerDefinition } from "./definition-event.js";
import { descriptionText } from "./definition-fields.js";
import { SCHEMA_NAME_PATTERN, schemaDefinition } from "./definition-payload.js";
import { retryDefinition, retryPolicyDefinition } from "./definition-retry.js";
import { scheduleDefinition } from "./definition-schedule.js";
import {
  MAX_CONCURRENCY,
  queueRateLimitDefinition,
  queueReference,
  retentionDefinition,
  taskDefinition,
  timeoutDefinition,
} from "./definition-task.js";
import { workflowDefinition } from "./definition-workflow.js";

const defaultsDefinition = z
  .strictObject({
    queue: queueReference.optional(),
    retention: retentionDefinition.optional(),
    retry: retryDefinition.optional(),
    timeout: timeoutDefinition.optional(),
  })
  .meta({
    description: "Defaults of all tasks. Only one file of a project may contain this section.",
  });

const MAX_QUEUE_WEIGHT = 1000;
const MAX_PENDING_LIMIT = 1_000_000_000;

const queueDefinition = z
  .strictObject({
    concurrency: z
      .int()
      .min(1)
      .max(MAX_CONCURRENCY)
      .optional()
      .meta({
        description:
          "Most jobs of the queue that run at a time, over all workers; the others wait. Tasks of the queue cannot have limits of their own. Default: no limit.",
        examples: [2],
      }),
    description: descriptionText.optional(),
    maxPending: z
      .int()
      .min(1)
      .max(MAX_PENDING_LIMIT)
      .optional()
      .meta({
        description:
          "Most pending jobs: further enqueues fail with QueueFull. Scheduled jobs and retries count only once they are due. Default: no limit.",
        examples: [100000],
      }),
    rateLimit: queueRateLimitDefinition.optional(),
    weight: z
      .int()
      .min(1)
      .max(MAX_QUEUE_WEIGHT)
      .optional()
      .meta({
        description:
          "Share of the workers' claims while several queues have jobs: a queue with 6 is claimed from three times as often as one with 2. Default 1.",
        examples: [6],
      }),
  })
  .meta({ id: "Queue", description: "A queue." });
export type QueueDefinitionEntry = z.infer<typeof queueDefinition>;

export const definitionFile = z
  .strictObject({
    version: z.literal(1).meta({ description: "Version of this file format." }),
    defaults: defaultsDefinition.optional(),
    events: z
      .record(z.string().regex(TASK_NAME_PATTERN).max(MAX_NAME_LENGTH), eventDefinition)
      .optional()
      .meta({
        description: "Events by name. Observers react to them.",
        examples: [{ "order:created": { payload: { orderId: "uuid", total: "number" } } }],
      }),
    observers: z
      .record(z.string().regex(TASK_NAME_PATTERN).max(MAX_OBSERVER_NAME_LENGTH), observerDefinition)
      .optional()
      .meta({
        description: "Observers by name: the jobs and runs that follow from an event.",
        examples: [
          {
            "big-order": {
              on: "order:created",
              when: "${{ event.total >= 1000 }}",
              do: [{ task: "webhook:deliver", with: { orderId: "${{ event.orderId }}" } }],
            },
          },
        ],
      }),
    queues: z
      .record(z.string().regex(SIMPLE_NAME_PATTERN).max(MAX_NAME_LENGTH), queueDefinition)
      .optional()
      .meta({
        description: "Queues by name. If none is declared, there is one: `default`, with weight 1.",
        examples: [{ critical: { weight: 6 }, default: { weight: 2 } }],
      }),
    retryPolicies: z
      .record(z.string().regex(SIMPLE_NAME_PATTERN).max(MAX_NAME_LENGTH), retryPolicyDefinition)
      .optional()
      .meta({ description: "Retry policies by name, for `retry: name`." }),
    schedules: z
      .record(z.string().regex(TASK_NAME_PATTERN).max(MAX_SCHEDULE_NAME_LENGTH), scheduleDefinition)
      .optional()
      .meta({
        description: "Schedules by name: jobs to enqueue and runs to start at given times.",
        examples: [
          { "otp-cleanup": { task: "system:cleanup", cron: "0 * * * *", timezone: "Africa/Lagos" } },
        ],
      }),
    schemas: z
      .record(z.string().regex(SCHEMA_NAME_PATTERN).max(MAX_NAME_LENGTH), schemaDefinition)
      .optional()
      .meta({
        description: "Schemas by name, for use in payloads and results.",
        examples: [{ Money: { amount: "integer", currency: { enum: ["EUR", "USD"] } } }],
      }),
    tasks: z
      .record(z.string().regex(TASK_NAME_PATTERN).max(MAX_NAME_LENGTH), taskDefinition)
      .optional()
      .meta({
        description: "Tasks by name: one to five lower-case segments joined by colons.",
        examples: [{ "payment:process": { payload: { orderId: "uuid" } } }],
      }),
    workflows: z
      .record(z.string().regex(TASK_NAME_PATTERN).max(MAX_NAME_LENGTH), workflowDefinition)
      .optional()
      .meta({
        description: "Workflows by name: graphs of steps.",
        examples: [
          {
            "order:checkout": {
              input: { orderId: "uuid" },
              steps: { charge: { task: "payment:process", with: { orderId: "${{ input.orderId }}" } } },
            },
          },
        ],
      }),
  })
  .meta({
    title: "taskweft definition file",
    description:
      "Task types, queues, retry policies, schedules, events, workflows and schemas of a taskweft project.",
  });
export type DefinitionFile = z.infer<typeof definitionFile>;
