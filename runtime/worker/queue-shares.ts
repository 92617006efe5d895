/**
 * Weighted sharing by deficit round robin (Shreedhar and Varghese, "Efficient Fair Queueing using Deficit Round Robin",
 * SIGCOMM 1995): each queue earns credit by its weight and pays for what it is given, so that the shares are exact over
 * time whatever the size of a single claim, and no queue starves.
 */
import type { QueueDefinition } from "../definition/index.js";

export interface Quota {
  readonly queue: string;
  readonly quota: number;
}

export class QueueShares {
  readonly #shares: { readonly queue: string; readonly part: number; credit: number }[];

  constructor(queues: readonly QueueDefinition[]) {
    const total = queues.reduce((sum, queue) => sum + queue.weight, 0);
    this.#shares = queues.map((queue) => ({ queue: queue.name, part: queue.weight / total, credit: 0 }));
  }

  /** Divides `want` places; the quotas add up to it. Queues with the most unpaid credit come first. */
  quotas(want: number): readonly Quota[] {
    const given = this.#shares.map((share) => {
      share.credit += want * share.part;
      const quota = Math.max(0, Math.floor(share.credit));
      share.credit -= quota;
      return { share, queue: share.queue, quota };
    });
    given.sort((a, b) => b.share.credit - a.share.credit);
    let left = want - given.reduce((sum, entry) => sum + entry.quota, 0);
    for (let i = 0; left > 0; i = (i + 1) % given.length) {
      const entry = given[i];
      if (entry === undefined) break;
      entry.quota += 1;
      entry.share.credit -= 1;
      left -= 1;
    }
    return given;
  }
}
