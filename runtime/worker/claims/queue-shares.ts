/**
 * Weighted sharing by deficit round robin (Shreedhar and Varghese, "Efficient Fair Queueing using Deficit
 * Round Robin", SIGCOMM 1995): each queue earns credit by its weight and pays for the places it gets, so that
 * the shares are exact over time whatever the size of a single claim, and no queue starves.
 */
import type { QueueDefinition } from "../../definition/index.js";

export interface Quota {
  readonly queue: string;
  readonly quota: number;
}

interface Share {
  readonly queue: string;
  readonly part: number;
  /** Places that the queue is owed; the credits of all queues add up to 0. */
  credit: number;
}

export class QueueShares {
  readonly #shares: readonly Share[];

  constructor(queues: readonly QueueDefinition[]) {
    const total = queues.reduce((sum, queue) => sum + queue.weight, 0);
    this.#shares = queues.map((queue) => ({ queue: queue.name, part: queue.weight / total, credit: 0 }));
  }

  serves(queue: string): boolean {
    return this.#shares.some((share) => share.queue === queue);
  }

  /** A job of this queue was claimed outside the quotas, while other queues may be waiting. */
  took(queue: string): void {
    const taker = this.#shares.length > 1 ? this.#shares.find((share) => share.queue === queue) : undefined;
    if (taker === undefined) return;
    for (const share of this.#shares) share.credit += share.part;
    taker.credit -= 1;
  }

  /** Queues that are over their share and get no places until the others have caught up. */
  get owing(): readonly string[] {
    // Rounding alone never makes a debt of a whole place.
    return this.#shares.filter(({ credit }) => credit < -1).map(({ queue }) => queue);
  }

  /** No other queue had jobs, so no queue is owed anything. */
  forgive(): void {
    for (const share of this.#shares) share.credit = 0;
  }

  /**
   * Divides `want` places; the quotas add up to it. Queues with the most unpaid credit for their weight come
   * first.
   */
  quotas(want: number): readonly Quota[] {
    for (const share of this.#shares) share.credit += want * share.part;
    let left = want;
    const give = (entry: { readonly share: Share; quota: number }, places: number): void => {
      entry.quota += places;
      entry.share.credit -= places;
      left -= places;
    };
    const given = this.#shares.map((share) => ({ share, queue: share.queue, quota: 0 })).sort(byCredit);
    for (const entry of given) give(entry, Math.min(left, Math.max(0, Math.floor(entry.share.credit))));
    while (left > 0) give(given.sort(byCredit)[0]!, 1);
    return given.sort(byCredit);
  }
}

function byCredit(
  { share: one }: { readonly share: Share },
  { share: other }: { readonly share: Share },
): number {
  return other.credit / other.part - one.credit / one.part;
}
