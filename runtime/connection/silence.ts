/**
 * Makes a connection anew that waits for an answer and hears nothing. Where the network drops it without a word, the system notices after
 * a quarter of an hour, or never while a blocking pop waits.
 *
 * It looks now and then, where ioredis sets a timer with each lone command (`socketTimeout`). And a process that was stopped, or whose loop
 * was blocked, reads what came meanwhile before anybody calls it silence.
 */
import type { Redis } from "ioredis";

/** How long silence may last, by default (ms). */
export const SILENCE_LIMIT_MS = 10_000;
/** Looks in that time: it may be longer by one pause between two. */
const LOOKS = 4;

/** @param limitMs 0: it may last for ever. */
export function watchSilence(redis: Redis, limitMs: number): void {
  if (limitMs === 0) return;
  redis.on("connect", () => {
    const { stream } = redis;
    let silentLooks = 0;
    let heard = 0;
    const look = (): void => {
      const isSilent = redis.commandQueue.length > 0 && stream.bytesRead === heard;
      silentLooks = isSilent ? silentLooks + 1 : 0;
      heard = stream.bytesRead;
      // What is waited for may have been sent a moment before the first of them.
      if (silentLooks > LOOKS)
        stream.destroy(new Error(`the connection was silent for ${limitMs} ms while an answer was due`));
    };
    const looking = setInterval(look, limitMs / LOOKS).unref();
    stream.once("close", () => clearInterval(looking));
  });
}
