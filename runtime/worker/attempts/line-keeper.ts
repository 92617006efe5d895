/**
 * Keeps the log lines of handlers with their jobs, for people who inspect a job later. Lines are collected
 * and written for all jobs together a few times a second, so that a job costs no call of its own. The newest
 * lines of a job are kept, within bounds.
 */
import { encodeLogLine, type JobLogLevel } from "../../protocol/index.js";
import { log } from "../../scripts/index.js";
import { lineText } from "../logger.js";
import { textOf } from "./outcome.js";
import type { Attempt, JournalPorts } from "./step-journal.js";
import type { Logger } from "../handler.js";

/** Shortest time between two writes (ms). */
const INTERVAL_MS = 250;
const PAUSE_AFTER_ERROR_MS = 5000;
/** Bounds for one job over all its attempts; older lines are dropped. */
const MAX_LINES = 200;
const MAX_BYTES = 32 * 1024;
const MAX_LINE_CHARACTERS = 1000;
/**
 * Most attempts whose lines wait. Where Redis refuses them while jobs go on, as it does when it is full, the
 * lines of further attempts are only in the worker's log.
 */
const MOST_WAITING = 10_000;
/** Most jobs and characters of one write: one script must not hold Redis for long. */
const JOBS_AT_ONCE = 100;
const CHARACTERS_AT_ONCE = 256 * 1024;

export interface LineKeeperPorts extends JournalPorts {
  readonly logger: Logger;
  /** False: lines go only to the worker's log. */
  readonly keepsLines: boolean;
}

interface Waiting {
  readonly lines: string[];
  leftOut: number;
}

export class LineKeeper {
  readonly #ports: LineKeeperPorts;
  readonly #waiting = new Map<Attempt, Waiting>();
  /** Local monotonic time before which nothing is written. */
  #restUntil = 0;
  /** Set from the first waiting line until its write is answered. */
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(ports: LineKeeperPorts) {
    this.#ports = ports;
  }

  /**
   * Ignores lines of an attempt that has ended: they would be attributed to the next attempt, or to a job
   * that is gone.
   */
  keep(
    attempt: Attempt,
    level: JobLogLevel,
    message: string,
    fields: Readonly<Record<string, unknown>>,
  ): void {
    if (attempt.settled || !this.#ports.keepsLines) return;
    let waiting = this.#waiting.get(attempt);
    if (waiting === undefined && this.#waiting.size === MOST_WAITING) return;
    if (waiting === undefined) this.#waiting.set(attempt, (waiting = { lines: [], leftOut: 0 }));
    const text = textOf(() => lineText(message, fields), MAX_LINE_CHARACTERS);
    waiting.lines.push(encodeLogLine({ at: this.#ports.now(), level, text }));
    // A handler that logs in a loop must not fill the memory between two writes.
    if (waiting.lines.length > MAX_LINES) {
      waiting.lines.shift();
      waiting.leftOut += 1;
    }
    this.#plan();
  }

  /** Writes what is waiting, once, because the worker stops. */
  async finish(): Promise<void> {
    clearTimeout(this.#timer);
    while (this.#waiting.size > 0) await this.#write();
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
  }

  #plan(): void {
    if (this.#timer !== undefined || this.#closed || this.#waiting.size === 0) return;
    const waitMs = Math.max(0, this.#restUntil - performance.now());
    this.#timer = setTimeout(() => void this.#writeAndPlan(), waitMs);
  }

  async #writeAndPlan(): Promise<void> {
    await this.#write();
    this.#timer = undefined;
    this.#plan();
  }

  async #write(): Promise<void> {
    const { connection, keys, logger, onLost } = this.#ports;
    const worker = this.#ports.worker();
    const jobs = this.#take(worker);
    // What one write cannot hold follows at once: the lines of many short jobs would pile up.
    this.#restUntil = this.#waiting.size > 0 ? 0 : performance.now() + INTERVAL_MS;
    if (jobs.length === 0) return;
    try {
      const call = { keys, worker, maxLines: MAX_LINES, maxBytes: MAX_BYTES, jobs };
      if ((await log(connection, call)) === "LOST" && this.#ports.worker() === worker) onLost();
    } catch (error) {
      // Not retried: the lines are in the worker's log, and must not pile up while Redis is unreachable.
      this.#restUntil = performance.now() + PAUSE_AFTER_ERROR_MS;
      if (!this.#closed) logger.warn("storing the log lines of jobs failed", { error, jobs: jobs.length });
    }
  }

  /** The lines of the next write. Lines of an attempt whose lease is lost are dropped. */
  #take(worker: string): { id: string; leftOut: number; lines: string }[] {
    const jobs: { id: string; leftOut: number; lines: string }[] = [];
    let characters = 0;
    for (const [attempt, { leftOut, lines }] of this.#waiting) {
      if (jobs.length === JOBS_AT_ONCE || characters > CHARACTERS_AT_ONCE) break;
      this.#waiting.delete(attempt);
      if (attempt.worker !== worker) continue;
      const text = lines.join("");
      characters += text.length;
      jobs.push({ id: attempt.claim.id, leftOut, lines: text });
    }
    return jobs;
  }
}
