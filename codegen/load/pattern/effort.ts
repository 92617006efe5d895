/**
 * Limits the work that the analysis of one pattern may take, because definition files come from pull
 * requests.
 */

/** Most transitions that are looked at: about a second, and far more than realistic patterns need. */
const MOST = 20_000_000;

export class TooIntricate extends Error {}

export class Effort {
  #left = MOST;

  /** @throws TooIntricate if nothing is left. */
  spend(looks: number): void {
    this.#left -= looks;
    if (this.#left < 0) throw new TooIntricate();
  }
}
