/** How much may be spent on the proof about one pattern: definition files come from pull requests. */

/** So many looks at what may follow what: about a second, and far more than patterns of people take. */
const MOST = 20_000_000;

export class TooIntricate extends Error {}

export class Effort {
  #left = MOST;

  /** Throws `TooIntricate` when nothing is left. */
  spend(looks: number): void {
    this.#left -= looks;
    if (this.#left < 0) throw new TooIntricate();
  }
}
