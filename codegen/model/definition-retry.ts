/** `retryPolicies`, and the `retry` of a task or of `defaults`. */
import { z } from "zod";
import { JITTERS } from "../../runtime/definition/index.js";
import { duration } from "./definition-fields.js";

const jitter = z.enum(JITTERS).meta({
  description:
    "Spreads retries, so that jobs that failed together are not retried together. none (default): the exact delay. full: a random time from 0 to the delay. equal: a random time from half the delay to the delay.",
});
const initial = duration({ description: "Delay before the first retry.", examples: ["1s"] });
const max = duration({ description: "Upper limit of the delay. Default 24h.", examples: ["5m"] });

const fixed = z.strictObject({
  type: z.literal("fixed"),
  delay: duration({ description: "Delay before every retry.", examples: ["10s"] }),
  jitter: jitter.optional(),
});
const linear = z.strictObject({
  type: z.literal("linear"),
  initial,
  step: duration({
    description: "Added with every retry. Default: `initial`.",
    examples: ["30s"],
  }).optional(),
  max: max.optional(),
  jitter: jitter.optional(),
});
const exponential = z.strictObject({
  type: z.literal("exponential"),
  initial,
  factor: z
    .number()
    .min(1)
    .max(100)
    .optional()
    .meta({ description: "Multiplies the delay with every retry. Default 2." }),
  max: max.optional(),
  jitter: jitter.optional(),
});
const polynomial = z.strictObject({
  type: z.literal("polynomial"),
  initial,
  exponent: z.number().min(0).max(10).optional().meta({
    description: "Delay before retry n is initial * n^exponent. Default 2: 1, 4, 9 times `initial`.",
  }),
  max: max.optional(),
  jitter: jitter.optional(),
});
const list = z.strictObject({
  type: z.literal("list"),
  delays: z
    .array(duration({ description: "Delay before this retry.", examples: ["10s"] }))
    .min(1)
    .max(1000)
    .meta({
      description: "One delay per retry; the last one repeats if there are more retries.",
      examples: [["10s", "1m", "10m"]],
    }),
  jitter: jitter.optional(),
});

const backoffDefinition = z.discriminatedUnion("type", [exponential, fixed, linear, list, polynomial]).meta({
  id: "Backoff",
  description: "How long to wait before each retry.",
  examples: [{ type: "exponential", initial: "1s", factor: 2, max: "5m", jitter: "full" }],
});
export type BackoffDefinition = z.infer<typeof backoffDefinition>;

const MAX_RETRIES_LIMIT = 1000;
export const maxRetriesDefinition = z
  .int()
  .min(0)
  .max(MAX_RETRIES_LIMIT)
  .meta({ description: "Retries after the first attempt. 0 runs the job once. Default 3.", examples: [3] });

export const retryPolicyDefinition = z
  .strictObject({ maxRetries: maxRetriesDefinition.optional(), backoff: backoffDefinition.optional() })
  .meta({
    id: "RetryPolicy",
    description:
      "Missing keys come from the built-in policy: 3 retries, exponential from 1s, factor 2, at most 5m, full jitter.",
  });
export type RetryPolicyDefinition = z.infer<typeof retryPolicyDefinition>;

export const retryDefinition = z
  .union([
    z.string().meta({
      id: "RetryPolicyName",
      description: "Name of a policy in retryPolicies.",
      examples: ["standard"],
    }),
    z.strictObject({
      use: z
        .string()
        .optional()
        .meta({
          description: "Name of the policy to start from. Default: the policy of `defaults`.",
          examples: ["standard"],
        }),
      maxRetries: maxRetriesDefinition.optional(),
      backoff: backoffDefinition.optional(),
    }),
  ])
  .meta({ id: "Retry", description: "The name of a policy, or a policy with its own keys." });
export type RetryDefinition = z.infer<typeof retryDefinition>;
