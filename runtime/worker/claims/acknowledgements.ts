/**
 * Completed jobs that Redis has not been told of, in the order of their ends. A call holds many of them, but
 * only a bounded amount of their results.
 */
import type { KeptJob } from "../../scripts/index.js";

/**
 * Most characters of results in one call. A larger one would hold Redis and delay the heartbeats behind it;
 * on a slow network the connection would count as silent while it is sent. With less, calls full of small
 * results would be split, which costs more than a large call.
 */
const MOST_CHARACTERS = 1024 * 1024;

/** The jobs of one call. */
export interface Acks {
  /** Ids of jobs of which nothing is kept. */
  readonly dropped: readonly string[];
  readonly kept: readonly KeptJob[];
}

export class Acknowledgements {
  #dropped: string[] = [];
  #kept: KeptJob[] = [];
  #keptCharacters = 0;

  get count(): number {
    return this.#dropped.length + this.#kept.length;
  }

  /**
   * One call cannot hold all results: they must be sent before more jobs are claimed, or they would pile up.
   */
  get overflow(): boolean {
    return this.#keptCharacters > MOST_CHARACTERS;
  }

  drop(id: string): void {
    this.#dropped.push(id);
  }

  keep(job: KeptJob): void {
    this.#kept.push(job);
    this.#keptCharacters += job.run.length;
  }

  /** Removes what fits into one call; a single result of any size does. */
  take(mostJobs: number): Acks {
    const dropped = this.#dropped.splice(0, mostJobs);
    let [count, characters] = [0, 0];
    while (count < Math.min(this.#kept.length, mostJobs - dropped.length)) {
      const { length } = this.#kept[count]!.run;
      if (count > 0 && characters + length > MOST_CHARACTERS) break;
      characters += length;
      count += 1;
    }
    this.#keptCharacters -= characters;
    return { dropped, kept: this.#kept.splice(0, count) };
  }

  /** The call has failed. */
  putBack({ dropped, kept }: Acks): void {
    this.#dropped = [...dropped, ...this.#dropped];
    this.#kept = [...kept, ...this.#kept];
    for (const { run } of kept) this.#keptCharacters += run.length;
  }

  clear(): void {
    this.#dropped = [];
    this.#kept = [];
    this.#keptCharacters = 0;
  }
}
