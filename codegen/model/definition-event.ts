/** An entry of `events`, and an entry of `observers`. */
import { z } from "zod";
import {
  descriptionText,
  duration,
  eventReference,
  taskReference,
  workflowReference,
} from "./definition-fields.js";
import { payloadDefinition } from "./definition-payload.js";
import { queueReference } from "./definition-task.js";

export const eventDefinition = z
  .strictObject({
    description: descriptionText.optional(),
    payload: payloadDefinition.meta({
      description: "Fields of the event. {} for none.",
      examples: [{ orderId: "uuid", total: "number" }],
    }),
    retention: duration({
      description: "How long emitted events are retained, so that they can be replayed. Default: not at all.",
      examples: ["7d"],
      allowZero: false,
    }).optional(),
  })
  .meta({ id: "Event", description: "Something that happens in your system." });
export type EventDefinitionEntry = z.infer<typeof eventDefinition>;

/** Limited, because observers run in the producer while it waits. */
const MAX_ACTIONS = 20;

const actionDefinition = z
  .strictObject({
    delay: duration({ description: "The job waits at least this long.", examples: ["2s"] }).optional(),
    queue: queueReference.optional().meta({ description: "Overrides the task's queue.", examples: ["low"] }),
    task: taskReference.optional(),
    workflow: workflowReference.optional(),
    with: z
      .record(z.string(), z.unknown())
      .optional()
      .meta({
        description:
          "The payload of the job, or the input of the run; ${{ event.field }} inserts a field of the event. Checked against both schemas. Default {}.",
        examples: [{ orderId: "${{ event.orderId }}" }],
      }),
  })
  .meta({ id: "Action", description: "What an observer does: enqueue a job, or start a workflow run." });

export const observerDefinition = z
  .strictObject({
    description: descriptionText.optional(),
    do: z
      .array(actionDefinition)
      .min(1)
      .max(MAX_ACTIONS)
      .meta({
        description: "Jobs to enqueue and runs to start when the event happens and `when` is true.",
        examples: [[{ task: "webhook:deliver", with: { orderId: "${{ event.orderId }}" } }]],
      }),
    on: eventReference,
    when: z
      .string()
      .min(1)
      .max(1000)
      .optional()
      .meta({
        description:
          "A condition of paths, literals, ??, == != < <= > >= && || ! and brackets. Default: every event.",
        examples: ["${{ event.total >= 1000 }}"],
      }),
  })
  .meta({ id: "Observer", description: "A rule that turns an event into jobs and runs." });
export type ObserverDefinitionEntry = z.infer<typeof observerDefinition>;
