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
      description: "The payload; may read `input`, the step's own result and steps before it. Default {}.",
    }),
  })
  .meta({ id: "Compensation", description: "The job that undoes a completed step." });

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
          "A list: the step has one job or run per item, which `with` reads as `item` and `index`.",
        examples: ["${{ input.items }}"],
      }),
    if: z
      .string()
      .min(1)
      .max(MAX_EXPRESSION)
      .optional()
      .meta({
        description: "A condition. If it is false, the step is skipped and the steps after it begin.",
        examples: ["${{ input.amount > 0 }}"],
      }),
    join: z
      .union([z.enum(["all", "any"]), z.int().min(1).max(MAX_STEPS)])
      .optional()
      .meta({
        description: "How many of `needs` must have ended before the step begins. Default: all.",
        examples: ["any", 2],
      }),
    match: z
      .string()
      .min(1)
      .max(MAX_EXPRESSION)
      .optional()
      .meta({
        description:
          "For a step with `waitFor`: the condition on the event. May read `event` and everything that the step can read, and must compare a field of the event for equality with something from `input` or `run.id`.",
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
        description: "Steps that must end before this one. Without any, the step begins with the run.",
        examples: [["reserve"]],
      }),
    onFailure: z.enum(["compensate", "continue", "fail"]).optional().meta({
      description:
        "What happens if the step fails for good. fail (default): the run fails. continue: the run goes on. compensate: completed steps are undone, the last one first, and the run fails.",
    }),
    queue: queueReference.optional().meta({ description: "Overrides the task's queue.", examples: ["low"] }),
    retry: z
      .strictObject({ maxRetries: maxRetriesDefinition.optional() })
      .optional()
      .meta({ description: "Overrides the task's retries.", examples: [{ maxRetries: 5 }] }),
    sleep: duration({
      description: "The step only waits for this time after the steps it needs.",
      examples: ["2h"],
      allowZero: false,
    }).optional(),
    task: taskReference.optional(),
    timeout: duration({
      description:
        "For a step with a task: longest run of one attempt; overrides the task's. For a step that waits for an event: how long it waits before it fails.",
      examples: ["30s", "24h"],
      allowZero: false,
    }).optional(),
    waitFor: eventReference.optional().meta({
      description:
        "The step waits for an event; one that came after the start of the run counts too. The event's payload is the step's result. Requires `match` and `timeout`.",
      examples: ["order:approved"],
    }),
    with: mapping.optional().meta({
      description:
        "The payload of the task, or the input of the workflow; ${{ input.field }} and ${{ steps.name.result.field }} insert values. Checked against both schemas. Default {}.",
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
              "Text with ${{ input.field }}. Within the ttl, the same key returns the same run; a failed or cancelled run frees its key.",
            examples: ["${{ input.orderId }}"],
          }),
        ttl: duration({
          description: "How long the key is remembered after the start. Default 24h.",
          examples: ["24h"],
          allowZero: false,
        }).optional(),
      })
      .optional()
      .meta({ id: "WorkflowIdempotency", description: "Starts with the same key make one run." }),
    input: payloadDefinition.meta({
      description: "Fields of the input. {} for none.",
      examples: [{ orderId: "uuid", items: [{ sku: "string" }] }],
    }),
    onTimeout: z.enum(["compensate", "fail"]).optional().meta({
      description:
        "What happens at the run's timeout. compensate (default): completed steps are undone, the last one first, and the run fails. fail: the run fails.",
    }),
    output: mapping.optional().meta({
      description: "The output of a run, computed from `input` and the results of its steps. Default: none.",
      examples: [{ receiptId: "${{ steps.charge.result.receiptId }}" }],
    }),
    owner: ownerText.optional(),
    queue: queueReference.optional().meta({
      description: "The queue of the run's own jobs: waits, fan-outs and its end. Default: defaults.queue.",
      examples: ["default"],
    }),
    retention: duration({
      description: "How long an ended run stays readable. Default 7d.",
      examples: ["7d"],
      allowZero: false,
    }).optional(),
    steps: z.record(z.string().regex(STEP_NAME_PATTERN).max(MAX_STEP_NAME_LENGTH), stepDefinition).meta({
      description: "Steps by name. `needs` determines their order, not the file.",
      examples: [{ charge: { task: "payment:process", with: { orderId: "${{ input.orderId }}" } } }],
    }),
    timeout: duration({
      description:
        "Longest time from the start of a run; after it nothing more begins, and the run fails. Default: no limit.",
      examples: ["24h"],
      allowZero: false,
    }).optional(),
  })
  .meta({ id: "Workflow", description: "A graph of steps that a run executes." });
export type WorkflowDefinitionEntry = z.infer<typeof workflowDefinition>;
