/** `dedupe` of a task: a closed set of modes. */
import { z } from "zod";
import { DEDUPE_MODES } from "../../runtime/definition/index.js";
import { duration } from "./definition-fields.js";

const key = z
  .string()
  .min(1)
  .max(1000)
  .meta({
    description: "Text with ${{ payload.field }} in it: enqueues with one key are about one job.",
    examples: ["${{ payload.userId }}"],
  });

const plain = z.strictObject({
  mode: z.enum(DEDUPE_MODES).exclude(["debounce", "throttle"]).meta({
    description:
      "unfinished: until the job of the key has ended, an enqueue gives it back. waiting: until it is under way. replace: while it waits, it gets the new payload.",
  }),
  key,
});

const throttle = z.strictObject({
  mode: z.literal("throttle").meta({
    description: "At most one job of the key in a time, whatever becomes of it: an enqueue gives it back.",
  }),
  key,
  per: duration({
    description: "The time, from the enqueue that has stored the job.",
    examples: ["10s"],
    allowZero: false,
  }),
});

const debounce = z.strictObject({
  mode: z.literal("debounce").meta({
    description: "The job starts a while after the last enqueue of its key, with the payload of that one.",
  }),
  key,
  wait: duration({
    description: "The job is due so long after the last enqueue of its key.",
    examples: ["5s"],
    allowZero: false,
  }),
  maxWait: duration({
    description: "It is due at the latest so long after the first enqueue. Default: ten times `wait`.",
    examples: ["1m"],
    allowZero: false,
  }).optional(),
});

export const dedupeDefinition = z.discriminatedUnion("mode", [plain, throttle, debounce]).meta({
  id: "Dedupe",
  description: "What becomes of an enqueue while there is another job of its key.",
  examples: [{ key: "${{ payload.userId }}", mode: "waiting" }],
});
export type DedupeDefinition = z.infer<typeof dedupeDefinition>;
