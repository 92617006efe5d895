/** `dedupe` of a task: a closed set of modes. */
import { z } from "zod";
import { DEDUPE_MODES } from "../../runtime/definition/index.js";
import { duration } from "./definition-fields.js";

const key = z
  .string()
  .min(1)
  .max(1000)
  .meta({
    description: "Text with ${{ payload.field }}: enqueues with the same key concern the same job.",
    examples: ["${{ payload.userId }}"],
  });

const plain = z.strictObject({
  mode: z.enum(DEDUPE_MODES).exclude(["debounce", "throttle"]).meta({
    description:
      "What an enqueue does while its key has a job. unfinished: returns that job until it has ended. waiting: returns it until it starts. replace: gives it the new payload while it waits.",
  }),
  key,
});

const throttle = z.strictObject({
  mode: z.literal("throttle").meta({
    description:
      "Stores at most one job per key in each period; further enqueues return that job, whatever happened to it.",
  }),
  key,
  per: duration({
    description: "Length of the period, counted from the enqueue that stored the job.",
    examples: ["10s"],
    allowZero: false,
  }),
});

const debounce = z.strictObject({
  mode: z.literal("debounce").meta({
    description:
      "The job starts some time after the last enqueue with its key, and has the payload of that enqueue.",
  }),
  key,
  wait: duration({
    description: "The job is due this long after the last enqueue with its key.",
    examples: ["5s"],
    allowZero: false,
  }),
  maxWait: duration({
    description: "The job is due at the latest this long after the first enqueue. Default: ten times `wait`.",
    examples: ["1m"],
    allowZero: false,
  }).optional(),
});

export const dedupeDefinition = z.discriminatedUnion("mode", [plain, throttle, debounce]).meta({
  id: "Dedupe",
  description: "What an enqueue does while there is another job with its key.",
  examples: [{ key: "${{ payload.userId }}", mode: "waiting" }],
});
export type DedupeDefinition = z.infer<typeof dedupeDefinition>;
