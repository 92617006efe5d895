/**
 * An entry of `schedules`: jobs of a task or runs of a workflow. load/check-schedules.ts checks which keys go
 * with which.
 */
import { z } from "zod";
import { MISSED, OVERLAPS } from "../../runtime/definition/index.js";
import { descriptionText, duration, taskReference, workflowReference } from "./definition-fields.js";

const MAX_JITTER_MS = 3_600_000;

export const scheduleDefinition = z
  .strictObject({
    cron: z
      .string()
      .min(1)
      .max(200)
      .meta({
        description:
          "Five fields: minute, hour, day of month, month, day of week. Numbers, JAN-DEC, SUN-SAT, *, lists, ranges and steps.",
        examples: ["0 * * * *", "30 9 * * MON-FRI"],
      }),
    description: descriptionText.optional(),
    input: z
      .record(z.string(), z.unknown())
      .optional()
      .meta({
        description: "The input of each run; checked against the workflow's input schema. Default {}.",
        examples: [{}],
      }),
    jitter: duration({
      description: "Delays each job or run by a random time up to this one, so that not all start at once.",
      examples: ["30s"],
      maxMs: MAX_JITTER_MS,
    }).optional(),
    missed: z.enum(MISSED).optional().meta({
      description:
        "What happens to ticks that passed while no worker was running. skip: none of them runs. latest (default): the last one runs. all: all run, at most the last 100.",
    }),
    overlap: z.enum(OVERLAPS).optional().meta({
      description:
        "What happens if the job or run of an earlier tick has not ended. allow (default): the tick runs anyway. skip: it does not run. replace: the earlier job or run is cancelled; a run is compensated before the next one starts.",
    }),
    payload: z
      .record(z.string(), z.unknown())
      .optional()
      .meta({
        description: "The payload of each job; checked against the task's payload schema. Default {}.",
        examples: [{}],
      }),
    task: taskReference.optional(),
    timezone: z
      .string()
      .min(1)
      .max(100)
      .meta({
        description: "Name of the IANA time zone of the cron expression.",
        examples: ["Africa/Lagos", "UTC"],
      }),
    workflow: workflowReference.optional(),
  })
  .meta({
    id: "Schedule",
    description: "A job that is enqueued, or a run that is started, at regular times.",
  });
export type ScheduleDefinitionEntry = z.infer<typeof scheduleDefinition>;
