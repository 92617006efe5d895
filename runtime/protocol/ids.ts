/**
 * Ids of jobs and processes. The client makes the id before it sends anything, so that a request that is sent
 * twice (a lost reply, a reconnect) still means one job.
 */
import { randomBytes } from "node:crypto";

const TIME_LENGTH = 8;
const HALF_LENGTH = TIME_LENGTH / 2;
const DIGITS_OF_HALF = 36 ** HALF_LENGTH;
const CODE_OF_0 = 48;
const CODE_OF_9 = 57;
const CODE_OF_A = 97;
const CODE_OF_Z = 122;
const EARLIEST_MS = Date.UTC(2020, 0, 1);

/**
 * Random name of one client or of one life of a worker: 48 bits. Never a host name or a pid, which return
 * after a restart.
 */
export function randomName(): string {
  return randomBytes(6).toString("base64url");
}

/**
 * Makes ids that sort by time: 8 characters of milliseconds in base 36 (good until 2059), then the process,
 * then a counter.
 */
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

/**
 * When an id of ours was made (ms); `undefined` for an id that the caller chose. Runs for every job, so it
 * computes with halves that are small integers.
 */
export function idTime(id: string): number | undefined {
  const ms = digits(id, 0) * DIGITS_OF_HALF + digits(id, HALF_LENGTH);
  return ms >= EARLIEST_MS ? ms : undefined;
}

/** The number in the half that starts at `from`; NaN where a character is not a base 36 digit. */
function digits(id: string, from: number): number {
  let value = 0;
  for (let i = from; i < from + HALF_LENGTH; i++) {
    const code = id.charCodeAt(i);
    if (code >= CODE_OF_0 && code <= CODE_OF_9) value = value * 36 + code - CODE_OF_0;
    else if (code >= CODE_OF_A && code <= CODE_OF_Z) value = value * 36 + code - CODE_OF_A + 10;
    else return Number.NaN;
  }
  return value;
}
