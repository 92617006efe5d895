import type { LimitedGroup } from "../definition/index.js";
import type { Dedupe, EnqueueItem } from "../scripts/index.js";

/**
 * A job on its way to Redis. A class, not a literal: V8 learns for each literal whether its objects live
 * long. In a burst all jobs do, and from then on V8 would allocate them in the old generation, where they and
 * all that they reference stay until a full collection; a producer with a thousand jobs in flight then needs
 * three times the CPU per job.
 */
export class JobItem implements EnqueueItem {
  readonly id: string;
  readonly queue: string;
  readonly record: string;
  readonly due: string;
  readonly key: string;
  readonly keyTtlMs: number;
  readonly dedupe: Dedupe | undefined;
  readonly group: LimitedGroup | undefined;
  readonly ownId: boolean;
  readonly dated: boolean;
  readonly maxPending: number;

  constructor(item: EnqueueItem) {
    this.id = item.id;
    this.queue = item.queue;
    this.record = item.record;
    this.due = item.due;
    this.key = item.key;
    this.keyTtlMs = item.keyTtlMs;
    this.dedupe = item.dedupe;
    this.group = item.group;
    this.ownId = item.ownId;
    this.dated = item.dated === true;
    this.maxPending = item.maxPending;
  }
}
