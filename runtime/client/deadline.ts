import { timerMs } from "../definition/index.js";
import type { TaskweftError } from "../errors.js";

/**
 * Settles with `promise`, or rejects with `error()` after `ms`. The promise is not cancelled; if it rejects
 * later, the rejection is handled here, because nobody else will.
 */
export async function withDeadline<Value>(
  promise: Promise<Value>,
  ms: number,
  error: () => TaskweftError,
): Promise<Value> {
  let timer: NodeJS.Timeout | undefined;
  const expired = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(error()), timerMs(ms));
  });
  try {
    return await Promise.race([promise, expired]);
  } finally {
    clearTimeout(timer);
  }
}
