/**
 * Records the ends of workflow steps. The ends of one tick travel in one call, which is sent before the next
 * claim, so that jobs which start with these ends can be claimed at once. The worker carries on with one of
 * those jobs itself, in the slot that has become free, so that nobody needs to claim and read it. It does so
 * only for a limited time, so that jobs waiting in queues get their turn.
 *
 *   add -> waiting --(tick ends)--> under way --> written, or retried
 *                                             --> carried on
 */
import type { Connection } from "../../connection/index.js";
import type { JobMold, ShardKeys, StepBegin, StepEnd } from "../../protocol/index.js";
import { isPlain, MOST_CALL_CHARACTERS, partsOf, settleSteps } from "../../scripts/index.js";
import { type Fetcher, SILENCE_MS } from "../claims/fetcher.js";
import type { Logger } from "../handler.js";
import type { StepContext } from "../claims/step-context.js";

/**
 * Calls under way, not counting retries. With two, steps end here while a call travels. With more, each reply
 * would trigger a call of its own, and ends that once travelled alone would never be batched again.
 */
const MAX_IN_FLIGHT = 2;
/**
 * What a job that begins counts for in the size of a call: about 770 fill one, where one end may begin 1,000.
 * With 190, fan-outs of a hundred that begin together waited for each other's calls, and were a quarter slower.
 */
const CHARACTERS_OF_BEGIN = 128;
/**
 * Bounds of one call, by the characters of the outcomes, each of which may contain a result of a megabyte, and
 * by the jobs that begin: a fan-out begins up to 1,000.
 */
const BOUNDS = {
  mostItems: 128,
  sizeOf: ({ end }: Ended): number =>
    end.outcome.length + end.finale.length + CHARACTERS_OF_BEGIN * end.begins.length,
  mostSize: MOST_CALL_CHARACTERS,
} as const;
const FIRST_PAUSE_MS = 200;
const LONGEST_PAUSE_MS = 5000;
/**
 * How long steps of a run may follow one another in a slot (ms): as long as a claimed job may wait for one.
 */
const SLICE_MS = 100;

/** `from`: the step, if its slot may be used for a job that starts with its end. */
interface Ended {
  readonly end: StepEnd;
  readonly from: StepContext | undefined;
}

/** A job that this worker holds from its start. */
export interface Carried {
  /** The step after which the job comes. */
  readonly from: StepContext;
  /** `undefined`: the job decides how the run goes on. */
  readonly begin: StepBegin | undefined;
  /** When the job started (ms). */
  readonly at: number;
}

export interface StepEndsPorts {
  readonly connection: Connection;
  readonly keys: ShardKeys;
  readonly logger: Logger;
  readonly worker: () => string;
  readonly fetcher: Pick<Fetcher, "claimBeside" | "forget" | "invite" | "round" | "wake">;
  /** Whether this worker runs the jobs of a task in a queue. */
  readonly serves: (task: string, queue: string) => boolean;
  /** Called in the same turn of the event loop in which Redis has answered. */
  readonly onCarried: (jobs: readonly Carried[]) => void;
  /** Slots are kept no longer. */
  readonly onFree: () => void;
  /** Runs have completed with these ends. */
  readonly onOver: (ends: readonly StepEnd[]) => void;
}

export class StepEnds {
  readonly #ports: StepEndsPorts;
  readonly #underWay = new Set<Promise<void>>();
  readonly #served = new WeakMap<JobMold, boolean>();
  #waiting: Ended[] = [];
  #scheduled = false;
  #inFlight = 0;
  /** When a call was last answered, or sent while none was under way (local monotonic time). */
  #heardAt = 0;
  #free = 0;
  #closed = false;

  constructor(ports: StepEndsPorts) {
    this.#ports = ports;
  }

  /** Slots kept for jobs that start with ends under way, as long as Redis answers. */
  get keeping(): number {
    const isSilent = this.#inFlight > 0 && performance.now() - this.#heardAt > SILENCE_MS;
    return isSilent ? 0 : this.#free;
  }

  add(end: StepEnd, from?: StepContext): void {
    this.#waiting.push({ end, from });
    if (from !== undefined) this.#free += 1;
    this.#flushSoon();
  }

  /**
   * Resolves when the end is written; for ends whose job another script completes.
   * @param worker the name under which the job was held: under a newer one this process may hold its next
   *   attempt.
   */
  async written(worker: string, end: StepEnd): Promise<void> {
    const { connection, keys } = this.#ports;
    await settleSteps(connection, { keys, worker, ends: [end] });
  }

  /** Resolves when everything has been written. */
  async settled(): Promise<void> {
    do {
      this.#flush();
      await Promise.all(this.#underWay);
    } while (this.#underWay.size + this.#waiting.length > 0);
  }

  /** The lease is lost: the steps that ended under it run again elsewhere. */
  abandon(): void {
    this.#free -= freeAfter(this.#waiting);
    this.#waiting = [];
  }

  close(): void {
    this.#closed = true;
  }

  #flushSoon(): void {
    if (this.#scheduled || this.#waiting.length === 0) return;
    this.#scheduled = true;
    process.nextTick(() => {
      this.#scheduled = false;
      this.#flush();
    });
  }

  #flush(): void {
    const name = this.#ports.worker();
    let isCarried = true;
    while (this.#inFlight < MAX_IN_FLIGHT && this.#waiting.length > 0) {
      const [part = []] = partsOf(this.#waiting.slice(0, BOUNDS.mostItems), BOUNDS);
      this.#waiting = this.#waiting.slice(part.length);
      isCarried &&= part.every(canBeCarried);
      const run: Promise<void> = this.#write(name, part).finally(() => this.#underWay.delete(run));
      this.#underWay.add(run);
    }
    // A claim follows this call, unless the reply already brings the jobs that start.
    if (!isCarried) this.#ports.fetcher.wake();
  }

  async #write(name: string, part: readonly Ended[]): Promise<void> {
    const { worker, fetcher, logger } = this.#ports;
    const { round } = fetcher;
    let kept = freeAfter(part);
    // Slots are not kept while Redis refuses: then the jobs that start with these ends wait in their queues.
    const free = (): void => {
      this.#free -= kept;
      kept = 0;
      this.#ports.onFree();
    };
    try {
      for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS)) {
        // Nothing of a lost lease may be written under the new name.
        if (worker() !== name) return;
        try {
          await (pauseMs === FIRST_PAUSE_MS ? this.#first(name, part) : this.#send(name, part));
          for (const { end } of part) if (end.endsJob) fetcher.forget(end.id, round);
          return;
        } catch (error) {
          if (this.#closed) return;
          logger.warn("recording finished steps failed; trying again", { error });
          free();
          await new Promise((resolve) => setTimeout(resolve, pauseMs));
        }
      }
    } finally {
      free();
    }
  }

  /**
   * The first attempt of a call counts as in flight; retries do not, so that a call that is refused for good
   * blocks no other.
   */
  async #first(name: string, part: readonly Ended[]): Promise<void> {
    if (this.#inFlight === 0) this.#heardAt = performance.now();
    this.#inFlight += 1;
    try {
      await this.#send(name, part);
    } finally {
      this.#heardAt = performance.now();
      this.#inFlight -= 1;
      this.#flushSoon();
    }
  }

  async #send(name: string, part: readonly Ended[]): Promise<void> {
    await this.#ports.fetcher.claimBeside((mayClaim) => this.#settle(name, part, mayClaim));
  }

  async #settle(worker: string, part: readonly Ended[], mayClaim: boolean): Promise<void> {
    const { connection, keys, fetcher, onCarried, onOver } = this.#ports;
    const ends = part.map(({ end }) => end);
    const now = performance.now();
    const isFree = (place: number): boolean => now - (part[place]?.from?.since ?? -Infinity) < SLICE_MS;
    const call = { keys, worker, ends };
    const settled = await settleSteps(
      connection,
      mayClaim ? { ...call, isFree, serves: this.#serves } : call,
    );
    if (settled === "LOST" || this.#ports.worker() !== worker) return;
    const { at, begun, carried, over, hasFreed, invited } = settled;
    if (over.length > 0) onOver(over.map((place) => ends[place]!));
    if (carried.length > 0)
      onCarried(carried.map(({ end, begin }) => ({ from: part[end]!.from!, begin, at })));
    if (begun > carried.length || hasFreed) fetcher.wake();
    if (invited.length > 0) fetcher.invite(invited);
  }

  readonly #serves = (mold: JobMold): boolean => {
    let serves = this.#served.get(mold);
    if (serves === undefined) {
      serves = this.#ports.serves(mold.common.task, mold.common.queue);
      this.#served.set(mold, serves);
    }
    return serves;
  };
}

/**
 * True when at most one job starts with this end, one that the worker can carry on with, and the end does not
 * free a slot of a limit.
 */
function canBeCarried({ end: { begins }, from }: Ended): boolean {
  if (from === undefined || begins.length > 1) return false;
  const { step, undoes } = from;
  const [begin] = begins;
  const limit = (undoes ? step.compensate : step.job)?.limit;
  return limit === undefined && (begin === undefined || isPlain(begin.mold));
}

function freeAfter(part: readonly Ended[]): number {
  return part.reduce((sum, { from }) => sum + (from === undefined ? 0 : 1), 0);
}
