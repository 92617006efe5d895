/**
 * Ids of jobs and of processes. The client makes the id before the first byte is sent, so that a request that is sent
 * twice (a lost reply, a reconnect) still means one job.
 */
import { randomBytes } from "node:crypto";

const TIME_LENGTH = 8;
const EARLIEST_MS = Date.UTC(2020, 0, 1);

/** Random name of one client or one worker incarnation: 48 bits, never a host name or a pid, which come back after a restart. */
export function randomName(): string {
  return randomBytes(6).toString("base64url");
}

/** Makes ids that sort by time: 8 characters of milliseconds in base 36 (good until 2059), then the process, then a counter. */
export class JobIdMaker {
  readonly #process = randomName();
  #counter = 0;
  #lastMs = -1;
  #prefix = "";

  next(nowMs: number): string {
    if (nowMs !== this.#lastMs) {
      this.#lastMs = nowMs;
      this.#prefix = Math.floor(nowMs).toString(36).padStart(TIME_LENGTH, "0") + this.#process;
    }
    return this.#prefix + (this.#counter++).toString(36);
  }
}

/** When an id of ours was made (ms); `undefined` for ids chosen by the caller. */
export function idTime(id: string): number | undefined {
  const ms = parseInt(id.slice(0, TIME_LENGTH), 36);
  return Number.isNaN(ms) || ms < EARLIEST_MS ? undefined : ms;
}
