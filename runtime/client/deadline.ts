import { timerMs } from "../definition/index.js";
import type { TaskweftError } from "../errors.js";

/**
 * Settles with `promise`, or rejects with `error()` after `ms`. The promise itself goes on: what it does
 * later is looked at by nobody, so its rejection is taken here.
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
