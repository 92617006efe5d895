/**
 * Replaces a connection that waits for an answer and receives nothing. When the network drops a connection
 * silently, the operating system notices only after a quarter of an hour, or never while a blocking pop
 * waits.
 *
 * One timer for the connection is cheaper than the `socketTimeout` of ioredis, which sets a timer for each
 * lone command. And after a process was suspended or its event loop was blocked, what arrived meanwhile is
 * read before the silence is judged.
 */
import { Socket } from "node:net";
import { TLSSocket } from "node:tls";
import type { Redis } from "ioredis";

/** Default for the longest silence (ms). */
export const SILENCE_LIMIT_MS = 10_000;
/** Checks in that time. The connection may be silent for one interval more than the limit. */
const LOOKS = 4;

/** @param limitMs longest silence; 0 switches the check off. */
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
      // One check more than the limit has, because the command may have been sent just before the first one.
      if (silentLooks > LOOKS)
        giveUp(stream, new Error(`the connection was silent for ${limitMs} ms while an answer was due`));
    };
    const looking = setInterval(look, limitMs / LOOKS).unref();
    stream.once("close", () => clearInterval(looking));
  });
}

/**
 * Ends the connection with a reset, which drops what was not delivered. Otherwise the operating system would go
 * on sending it for minutes, and Redis could execute a command of this connection long after it was sent again.
 */
function giveUp(stream: Redis["stream"], error: Error): void {
  if (!(stream instanceof Socket) || stream instanceof TLSSocket) {
    stream.destroy(error);
    return;
  }
  stream.emit("error", error);
  stream.resetAndDestroy();
}
