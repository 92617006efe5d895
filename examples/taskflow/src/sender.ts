/** Sends messages as fast as the queue takes them, and waits while it is full. */
import { setTimeout as pause } from "node:timers/promises";
import { TaskweftError } from "taskweft";
import { enqueueMessageHandle, type MessageHandlePayload } from "../generated/index.js";

/** Enqueues under way at a time: they share round trips. */
const WAVE = 100;
const FULL_WAIT_MS = 20;

export interface Sent {
  /** Enqueues that were refused because the queue was full; each was made again. */
  readonly refused: number;
}

/** Resolves when all are stored. Order is kept but for messages of a wave that found the queue full. */
export async function sendMessages(messages: readonly MessageHandlePayload[]): Promise<Sent> {
  let refused = 0;
  for (let from = 0; from < messages.length; from += WAVE) {
    let wave = messages.slice(from, from + WAVE);
    while (wave.length > 0) {
      wave = await sendWave(wave);
      refused += wave.length;
      if (wave.length > 0) await pause(FULL_WAIT_MS);
    }
  }
  return { refused };
}

/** Gives those that were refused. A refused enqueue is stored nowhere, so making it again is safe. */
async function sendWave(wave: readonly MessageHandlePayload[]): Promise<MessageHandlePayload[]> {
  const refused: MessageHandlePayload[] = [];
  const send = async (message: MessageHandlePayload): Promise<void> => {
    try {
      await enqueueMessageHandle(message);
    } catch (error) {
      if (!(error instanceof TaskweftError) || error.code !== "QueueFull") throw error;
      refused.push(message);
    }
  };
  await Promise.all(wave.map(send));
  return refused;
}
