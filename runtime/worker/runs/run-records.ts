/**
 * The records of runs that this worker has read recently: the steps of a run follow one another, and its
 * input may be long. An id may be used again after its run is gone, so each record is stored together with
 * the stamp of its run.
 */
import { parseRunRecord, type RunRecord } from "../../protocol/index.js";

interface Known {
  readonly stamp: string;
  readonly record: RunRecord;
  readonly characters: number;
}

export class RunRecords {
  readonly #most: number;
  /** In order of use, the most recent last. */
  readonly #known = new Map<string, Known>();
  #characters = 0;

  /** @param most bound for the characters of all remembered texts. */
  constructor(most: number) {
    this.#most = most;
  }

  has(run: string): boolean {
    return this.#known.has(run);
  }

  get(run: string, stamp: string): RunRecord | undefined {
    const known = this.#known.get(run);
    if (known?.stamp !== stamp) return undefined;
    this.#known.delete(run);
    this.#known.set(run, known);
    return known.record;
  }

  add(run: string, stamp: string, text: string): RunRecord {
    const record = parseRunRecord(text, stamp);
    this.forget(run);
    this.#known.set(run, { stamp, record, characters: text.length });
    this.#characters += text.length;
    for (const oldest of this.#known.keys()) {
      if (this.#characters <= this.#most) break;
      this.forget(oldest);
    }
    return record;
  }

  /** The run has ended. */
  forget(run: string): void {
    this.#characters -= this.#known.get(run)?.characters ?? 0;
    this.#known.delete(run);
  }
}
