/**
 * The key that makes two enqueues one job: an idempotency key or a dedupe key. A task has at most one of
 * them.
 */
import {
  DEFAULT_MAX_WAITS,
  isKey,
  latestWins,
  MAX_KEY_LENGTH,
  type TaskContract,
} from "../definition/index.js";
import { durationMs, optionInvalid, optionRefused } from "../option-values.js";
import { dedupeField, keyField, type RecordOptions } from "../protocol/index.js";
import type { EnqueueItem } from "../scripts/index.js";
import type { EnqueueOptions } from "./enqueue-options.js";

/**
 * Time before the first check whether the job of a dedupe key has ended (ms); until then the key only takes
 * some memory.
 */
const FIRST_LOOK_MS = 3_600_000;

export interface JobKey extends Pick<EnqueueItem, "key" | "keyTtlMs" | "dedupe"> {
  /** The options that the key adds to the job's record. */
  readonly record: Pick<RecordOptions, "key" | "hold" | "dedupe">;
}

const NO_KEY: JobKey = Object.freeze({ key: "", keyTtlMs: 0, dedupe: undefined, record: {} });

/** @throws TaskweftError `OptionInvalid` */
export function jobKey<Payload>(
  contract: TaskContract<Payload, unknown>,
  payload: Payload,
  options: EnqueueOptions,
  place: { readonly queue: string; readonly group: string | undefined },
): JobKey {
  const { name, idempotency, idempotencyKey, dedupe, dedupeKey, retention } = contract;
  if (idempotency !== undefined && idempotencyKey !== undefined) {
    const text = options.idempotencyKey ?? idempotencyKey(payload);
    assertKey("idempotencyKey", text);
    const key = keyField(name, text);
    const record = idempotency.onDead === "hold" ? { key, hold: 1 as const } : { key };
    return { key, keyTtlMs: idempotency.ttlMs, dedupe: undefined, record };
  }
  if (options.idempotencyKey !== undefined) {
    const wanted = `none, because ${name} declares no idempotency in its definition`;
    throw optionRefused("idempotencyKey", wanted, lengthOf(options.idempotencyKey));
  }
  if (dedupe === undefined || dedupeKey === undefined) return NO_KEY;
  const text = dedupeKey(payload);
  assertKey("dedupe.key", text);
  if (dedupe.mode === "throttle") {
    const throttled = keyField(name, text);
    return {
      key: throttled,
      keyTtlMs: dedupe.perMs ?? 0,
      dedupe: undefined,
      record: { key: throttled, hold: 1 },
    };
  }
  const { mode, waitMs = 0, maxWaitMs = DEFAULT_MAX_WAITS * waitMs } = dedupe;
  const key = dedupeField(name, latestWins(mode) ? place : undefined, text);
  const keepCancelledMs = durationMs("retention.dead", options.retention?.dead, retention.deadMs);
  return {
    key,
    keyTtlMs: mode === "debounce" ? Math.max(waitMs, maxWaitMs) : FIRST_LOOK_MS,
    dedupe: { mode, keepCancelledMs },
    record: { key, dedupe: mode },
  };
}

/**
 * The options for a task that debounces: its `wait` becomes the delay.
 * @throws TaskweftError `OptionInvalid`
 */
export function withDebounce(
  { name, dedupe }: Pick<TaskContract, "name" | "dedupe">,
  options: EnqueueOptions,
): EnqueueOptions {
  if (dedupe?.mode !== "debounce") return options;
  const given =
    options.delay === undefined ? (["runAt", options.runAt] as const) : (["delay", options.delay] as const);
  if (given[1] !== undefined) {
    throw optionInvalid(
      given[0],
      `none, because ${name} debounces: its definition says when it runs`,
      given[1],
    );
  }
  return { ...options, delay: dedupe.waitMs ?? 0 };
}

/** Describes a key by its length, because it is made of the payload and may be as sensitive. */
function lengthOf(key: string): string {
  return `${key.length} characters`;
}

/** @throws TaskweftError `OptionInvalid` */
export function assertKey(option: string, key: string): void {
  if (isKey(key)) return;
  const flaw = key.includes("\n")
    ? " with a line break"
    : /\p{Surrogate}/u.test(key)
      ? " with half of a surrogate pair"
      : "";
  throw optionRefused(
    option,
    `1 to ${MAX_KEY_LENGTH} characters of well-formed text on one line`,
    lengthOf(key) + flaw,
  );
}
