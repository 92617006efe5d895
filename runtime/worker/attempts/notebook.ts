/**
 * What handlers record while they run. Steps are stored before the handler continues (step-journal.ts).
 * Progress is only for people to see, so the latest value of each job is written now and then for all jobs
 * together, one write at a time.
 */
import { optionInvalid } from "../../option-values.js";
import { note } from "../../scripts/index.js";
import type { Progress } from "../handler.js";
import { LineKeeper, type LineKeeperPorts } from "./line-keeper.js";
import { type Attempt, StepJournal } from "./step-journal.js";

/** Shortest time between two writes of progress (ms). */
const INTERVAL_MS = 250;
const PAUSE_AFTER_ERROR_MS = 5000;
/** Most jobs of one write: one script must not hold Redis for long. */
const BATCH = 500;
const MAX_PROGRESS_BYTES = 4096;

export type NotebookPorts = LineKeeperPorts;

export class Notebook {
  /** The log lines of handlers. */
  readonly lines: LineKeeper;
  readonly #ports: NotebookPorts;
  readonly #latest = new Map<Attempt, string>();
  /** Local monotonic time before which nothing is written. */
  #restUntil = 0;
  /** Set from the first waiting value until its write is answered. */
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(ports: NotebookPorts) {
    this.#ports = ports;
    this.lines = new LineKeeper(ports);
  }

  /** Redis time (ms). */
  now(): number {
    return this.#ports.now();
  }

  journalOf(attempt: Attempt): StepJournal {
    return new StepJournal(attempt, this.#ports);
  }

  /** @throws TaskweftError `OptionInvalid` */
  progress(attempt: Attempt, value: Progress): void {
    this.#latest.set(attempt, progressText(value));
    this.#plan();
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.lines.close();
  }

  #plan(): void {
    if (this.#timer !== undefined || this.#closed || this.#latest.size === 0) return;
    const waitMs = Math.max(0, this.#restUntil - performance.now());
    this.#timer = setTimeout(() => void this.#write(), waitMs);
  }

  async #write(): Promise<void> {
    const { connection, keys, logger, onLost } = this.#ports;
    const worker = this.#ports.worker();
    this.#restUntil = performance.now() + INTERVAL_MS;
    const jobs = this.#take(worker);
    try {
      const reply = jobs.length === 0 ? 0 : await note(connection, { keys, worker, jobs });
      if (reply === "LOST" && this.#ports.worker() === worker) onLost();
    } catch (error) {
      this.#restUntil = performance.now() + PAUSE_AFTER_ERROR_MS;
      if (!this.#closed) logger.warn("storing the progress of jobs failed", { error });
    }
    this.#timer = undefined;
    this.#plan();
  }

  /** The values of the next write. Values of an attempt that has ended or whose lease is lost are dropped. */
  #take(worker: string): { id: string; progress: string }[] {
    const jobs: { id: string; progress: string }[] = [];
    for (const [attempt, progress] of this.#latest) {
      if (jobs.length === BATCH) break;
      this.#latest.delete(attempt);
      if (!attempt.settled && attempt.worker === worker) jobs.push({ id: attempt.claim.id, progress });
    }
    return jobs;
  }
}

/** @throws TaskweftError `OptionInvalid` */
export function progressText(value: Progress): string {
  if (typeof value === "number" && !Number.isNaN(value)) return String(Math.min(100, Math.max(0, value)));
  const text = jsonOfMap(value);
  if (text === undefined) throw optionInvalid("progress", "a number from 0 to 100, or an object", value);
  const bytes = Buffer.byteLength(text);
  if (bytes > MAX_PROGRESS_BYTES) {
    throw optionInvalid("progress", `at most ${MAX_PROGRESS_BYTES} bytes of JSON`, bytes);
  }
  return text;
}

function jsonOfMap(value: unknown): string | undefined {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
  try {
    const text = JSON.stringify(value) as string | undefined;
    // A `toJSON` method may have turned the object into anything.
    return text?.startsWith("{") === true ? text : undefined;
  } catch {
    return undefined;
  }
}
