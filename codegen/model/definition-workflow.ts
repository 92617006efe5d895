/** An entry of `workflows`, and an entry of its `steps`. */
import { z } from "zod";
import {
  DEFAULT_MAX_PARALLEL,
  MAX_STEP_NAME_LENGTH,
  STEP_NAME_PATTERN,
} from "../../runtime/definition/index.js";
import {
  descriptionText,
  duration,
  eventReference,
  taskReference,
  workflowReference,
} from "./definition-fields.js";
import { payloadDefinition } from "./definition-payload.js";
import { maxRetriesDefinition } from "./definition-retry.js";
import { ownerText, queueReference } from "./definition-task.js";

/** Limited, because deciding how a run continues reads all of its steps. */
export const MAX_STEPS = 200;
/**
 * Limited, because a run stores the definitions of all its child workflows, and ids grow with each level of
 * nesting.
 */
export const MAX_STEPS_IN_ALL = 1000;
export const MAX_NESTING = 8;
const MAX_EXPRESSION = 1000;

const mapping = z.record(z.string(), z.unknown());

const compensateDefinition = z
  .strictObject({
    task: taskReference,
    with: mapping.optional().meta({
      description:
        "The payload: paths of `input`, of the step's own result and of steps before it. Default {}.",
    }),
  })
  .meta({ id: "Compensation", description: "The job that undoes a step that has completed." });

const stepDefinition = z
  .strictObject({
    compensate: compensateDefinition.optional(),
    description: descriptionText.optional(),
    forEach: z
      .string()
      .min(1)
      .max(MAX_EXPRESSION)
      .optional()
      .meta({
        description:
          "A list: one job (or run) for each of its items, which `with` reads as `item` and `index`.",
        examples: ["${{ input.items }}"],
      }),
    if: z
      .string()
      .min(1)
      .max(MAX_EXPRESSION)
      .optional()
      .meta({
        description: "A condition. Where it does not hold, the step is skipped and those after it go on.",
        examples: ["${{ input.amount > 0 }}"],
      }),
    join: z
      .union([z.enum(["all", "any"]), z.int().min(1).max(MAX_STEPS)])
      .optional()
      .meta({
        description: "How many of `needs` must have ended before the step begins. Default all.",
        examples: ["any", 2],
      }),
    match: z
      .string()
      .min(1)
      .max(MAX_EXPRESSION)
      .optional()
      .meta({
        description:
          "Of a step with `waitFor`: which event it is. Reads `event` beside what the step reads, and holds an equality of a field of the event with something of `input` or `run.id`.",
        examples: ["${{ event.orderId == input.orderId }}"],
      }),
    maxParallel: z
      .int()
      .min(1)
      .max(DEFAULT_MAX_PARALLEL)
      .optional()
      .meta({
        description: `Most jobs of \`forEach\` at a time. Default ${DEFAULT_MAX_PARALLEL}.`,
        examples: [10],
      }),
    needs: z
      .array(z.string())
      .max(MAX_STEPS)
      .optional()
      .meta({
        description: "Steps that come before it. Without, it begins with the run.",
        examples: [["reserve"]],
      }),
    onFailure: z.enum(["compensate", "continue", "fail"]).optional().meta({
      description:
        "When the step has failed for good. fail (default): so has the run. continue: the run goes on. compensate: what has completed is undone, the last first, and the run has failed.",
    }),
    queue: queueReference
      .optional()
      .meta({ description: "Another queue than the task's.", examples: ["low"] }),
    retry: z
      .strictObject({ maxRetries: maxRetriesDefinition.optional() })
      .optional()
      .meta({ description: "Other retries than the task's.", examples: [{ maxRetries: 5 }] }),
    sleep: duration({
      description: "The step only waits, from the end of what it needs.",
      examples: ["2h"],
      allowZero: false,
    }).optional(),
    task: taskReference.optional(),
    timeout: duration({
      description:
        "Of a step with a task: longest run of one attempt, instead of the task's. Of one that waits for an event: how long it waits; then it has failed.",
      examples: ["30s", "24h"],
      allowZero: false,
    }).optional(),
    waitFor: eventReference.optional().meta({
      description:
        "The step waits for an event, also for one that came since the run began; its payload is the step's result. Needs `match` and `timeout`.",
      examples: ["order:approved"],
    }),
    with: mapping.optional().meta({
      description:
        "The payload, or the input of the workflow; ${{ input.field }} and ${{ steps.name.result.field }} stand for values. Checked against both schemas. Default {}.",
      examples: [{ orderId: "${{ input.orderId }}" }],
    }),
    workflow: workflowReference.optional().meta({
      description: "The step is a run of this workflow, whose output is the step's result.",
      examples: ["order:ship"],
    }),
  })
  .meta({ id: "Step", description: "One node of a workflow: a job or a run, one for each item, or a wait." });
export type StepDefinitionEntry = z.infer<typeof stepDefinition>;

export const workflowDefinition = z
  .strictObject({
    description: descriptionText.optional(),
    idempotency: z
      .strictObject({
        key: z
          .string()
          .min(1)
          .max(MAX_EXPRESSION)
          .meta({
            description:
              "Text with ${{ input.field }} in it. Within the ttl the same key gives the same run; one that failed or was cancelled frees its key.",
            examples: ["${{ input.orderId }}"],
          }),
        ttl: duration({
          description: "How long the key is remembered after the start. Default 24h.",
          examples: ["24h"],
          allowZero: false,
        }).optional(),
      })
      .optional()
      .meta({ id: "WorkflowIdempotency", description: "Starts with one key make one run." }),
    input: payloadDefinition.meta({
      description: "What a run is started with. {} for nothing.",
      examples: [{ orderId: "uuid", items: [{ sku: "string" }] }],
    }),
    onTimeout: z.enum(["compensate", "fail"]).optional().meta({
      description:
        "What becomes of a run whose timeout is over. compensate (default): what has completed is undone, the last first, and the run has failed. fail: it has failed.",
    }),
    output: mapping.optional().meta({
      description: "What a run gives: read of `input` and of the results of its steps. Default: nothing.",
      examples: [{ receiptId: "${{ steps.charge.result.receiptId }}" }],
    }),
    owner: ownerText.optional(),
    queue: queueReference.optional().meta({
      description: "Where the run's own jobs wait: waits, fan-outs and the end. Default: defaults.queue.",
      examples: ["default"],
    }),
    retention: duration({
      description: "How long a run that has ended stays readable. Default 7d.",
      examples: ["7d"],
      allowZero: false,
    }).optional(),
    steps: z.record(z.string().regex(STEP_NAME_PATTERN).max(MAX_STEP_NAME_LENGTH), stepDefinition).meta({
      description: "Steps by name. Their order is that of `needs`, not that of the file.",
      examples: [{ charge: { task: "payment:process", with: { orderId: "${{ input.orderId }}" } } }],
    }),
    timeout: duration({
      description:
        "Longest time from the start of a run; after it nothing more begins, and the run has failed. Default: no end.",
      examples: ["24h"],
      allowZero: false,
    }).optional(),
  })
  .meta({ id: "Workflow", description: "A graph of steps that a run walks through." });
export type WorkflowDefinitionEntry = z.infer<typeof workflowDefinition>;
