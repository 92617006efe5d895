/**
 * Decides how many jobs to claim. Never more than there are free slots, except while handlers are measured to
 * be short: then a few milliseconds of work are claimed ahead, so that slots do not wait for a round trip.
 * Jobs that are claimed ahead of a slow handler would be stuck while another worker is idle, so the amount is
 * bounded in time, and nothing is claimed ahead while every slot hangs.
 */

export interface ClaimDemandOptions {
  readonly concurrency: number;
  /** Most jobs to have in hand, without those claimed ahead. Default: `concurrency`. */
  readonly claimable?: () => number;
  /** Work to hold ready beyond the free slots (ms of handler time); 0 = none. */
  readonly claimAheadMs: number;
  /** Most jobs of one claim. */
  readonly maxBatch: number;
}

export interface WorkInHand {
  /** Running handlers; a batch counts as one. */
  readonly running: number;
  /** Jobs that are claimed and not started. */
  readonly waiting: number;
  /** Jobs requested in calls that are not answered yet. */
  readonly asked: number;
  /** Jobs that fit into batches that are gathering; they need no slot of their own. */
  readonly gathering: number;
  /**
   * The newest handler blocked the event loop. While handlers do, nothing else runs here, and jobs claimed
   * along with them wait.
   */
  readonly blocking: boolean;
  /** The newest claim returned as many jobs as it asked for. */
  readonly plenty: boolean;
}

/** A mean below this is noise (ms). */
const SHORTEST_MEAN_MS = 0.002;
/** A claim of fewer jobs costs Redis more than the worker gains by overlapping it with running jobs. */
const SMALLEST_HALF = 50;
/** Weight of the newest duration in the moving mean, once there are enough. */
const MEAN_WEIGHT = 0.02;
const MEAN_WARM_UP = 50;

export class ClaimDemand {
  readonly #options: ClaimDemandOptions;
  #meanMs = 1000;
  #measured = 0;
  #lastFinishAt = performance.now();
  #stuck = false;

  constructor(options: ClaimDemandOptions) {
    this.#options = options;
  }

  finished(durationMs: number, at: number): void {
    this.#measured += 1;
    const weight = this.#measured < MEAN_WARM_UP ? 1 / this.#measured : MEAN_WEIGHT;
    this.#meanMs += (Math.min(durationMs, 10_000) - this.#meanMs) * weight;
    this.#lastFinishAt = at;
    this.#stuck = false;
  }

  /** Claimed jobs had to be handed back because no slot became free: claim nothing ahead until one does. */
  stuck(): void {
    this.#stuck = true;
  }

  /**
   * 0 when there is enough in hand; otherwise at least half of what fits, so that each call claims many jobs.
   */
  wanted(work: WorkInHand): number {
    const { concurrency, claimable, maxBatch } = this.#options;
    const room = (claimable?.() ?? concurrency) + this.#ahead(work.running) + work.gathering;
    const free = room - work.running - work.waiting - work.asked;
    if (free <= 0) return 0;
    if (work.blocking) return work.waiting + work.asked > 0 ? 0 : 1;
    const enough = work.waiting + work.asked > 0 && free < Math.min(room / 2, maxBatch);
    if (enough) return 0;
    // Claims half, so that one half is on its way while the other runs. Not where jobs are few: a second call
    // would find none.
    const half = Math.ceil(room / 2);
    return Math.min(free, maxBatch, work.plenty && half >= SMALLEST_HALF ? half : free);
  }

  #ahead(running: number): number {
    const { concurrency, claimAheadMs, maxBatch } = this.#options;
    if (claimAheadMs === 0 || this.#stuck) return 0;
    // All slots are busy and nothing finishes: the mean of earlier jobs says nothing about those that hang
    // now.
    const stuckMs = running >= concurrency ? performance.now() - this.#lastFinishAt : 0;
    const runMs = Math.max(this.#meanMs, stuckMs, SHORTEST_MEAN_MS);
    return Math.min(2 * maxBatch, Math.floor((claimAheadMs * concurrency) / runMs));
  }
}
