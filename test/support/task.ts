// Task contracts without generated files; also for worker processes, threads and child processes, which run outside vitest.
import {
  defineContract,
  defineSchemas,
  fit,
  type QuickCheck,
  type TaskContract,
  z,
} from "../../runtime/generated-v1.js";

/** A validator that lets everything pass. */
export const ANYTHING = { safeParse: (data: unknown) => ({ success: true as const, data }) };

export interface TaskParts<Payload, Result> extends Partial<
  Omit<TaskContract<Payload, Result>, "schemas" | "name">
> {
  /** Default: any object. */
  readonly payload?: z.ZodType<Payload>;
  /** Default: for the default payload that of any object, else none. */
  readonly payloadFits?: QuickCheck;
  readonly result?: z.ZodType<Result>;
}

/** A task that fails for good at once, keeps what ended for a minute and runs at most 10 s; `parts` say otherwise. */
export function defineTask<Payload = { n: number }, Result = unknown>(
  name: string,
  parts: TaskParts<Payload, Result> = {},
): TaskContract<Payload, Result> {
  const { payload = z.looseObject({}), payloadFits, result, ...definition } = parts;
  const fits = payloadFits ?? (parts.payload === undefined ? (value) => fit.open(value) : undefined);
  return defineContract<Payload, Result>({
    name,
    queue: "default",
    timeoutMs: 10_000,
    retry: { maxRetries: 0, backoff: { type: "fixed", delayMs: 0, jitter: "none" } },
    retention: { completedMs: 60_000, deadMs: 60_000 },
    errors: {},
    hash: "00000000",
    schemas: defineSchemas<Payload, Result>({
      ...(fits === undefined ? {} : { payloadFits: fits }),
      payloadStrict: () => payload,
      payloadLoose: () => payload,
      ...(result === undefined ? {} : { result: () => result }),
    }),
    ...definition,
  });
}
