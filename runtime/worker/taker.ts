/**
 * Claims a lone job behind the blocking pop of a worker that does nothing, on its connection: it comes with the hint, in one round trip.
 * The call waits in Redis with the pop and is answered at any time, also while the list of what this worker holds is read.
 */
import type { Connection } from "../connection/index.js";
import type { ShardKeys } from "../protocol/index.js";
import { take } from "../scripts/index.js";

export interface TakerPorts {
  readonly keys: ShardKeys;
  /** Name under which this worker holds its lease. */
  readonly worker: () => string;
  /** Slots in use. */
  readonly running: () => number;
  /** Claimed jobs that have not started. */
  readonly waiting: () => number;
  /** Whether handlers hold the event loop up, so that they run one at a time. */
  readonly blocking: () => boolean;
  readonly deliver: (
    ids: readonly string[],
    records: readonly (string | null)[],
    runs: ReadonlyMap<number, string>,
  ) => void;
}

/** What a fetcher is to its taker. */
export interface TakingFetcher {
  readonly asleep: boolean;
  /** It reads what this worker holds, or is about to. */
  readonly reconciles: boolean;
  hinted(): void;
  lost(name: string): void;
  own(ids: readonly string[]): void;
  reconcile(): void;
  schedule(): void;
}

export class Taker {
  readonly #ports: TakerPorts;
  readonly #fetcher: TakingFetcher;
  /** Ids that the list has shown since the latest call was sent: it may have claimed them. */
  readonly #shown = new Set<string>();
  /** Ids that were taken since the list was asked for: some that it shows may have ended since. */
  readonly #taken = new Set<string>();

  constructor(ports: TakerPorts, fetcher: TakingFetcher) {
    this.#ports = ports;
    this.#fetcher = fetcher;
  }

  /** True while this worker does nothing at all: where a handler might block it, a job must not be claimed for it unseen. */
  get mayTake(): boolean {
    const { running, waiting, blocking } = this.#ports;
    const { asleep, reconciles } = this.#fetcher;
    return asleep && !reconciles && running() + waiting() === 0 && !blocking();
  }

  /** One call at a time. Resolves to true when that is all that the hint was for. */
  async take(connection: Connection, queues: readonly string[]): Promise<boolean> {
    const { keys, worker, deliver } = this.#ports;
    const fetcher = this.#fetcher;
    const name = worker();
    this.#shown.clear();
    const reply = await take(connection, { keys, worker: name, queues });
    if (reply === "LOST") fetcher.lost(name);
    // The lease may have been lost meanwhile; then the job is somebody else's by now.
    if (typeof reply === "string" || worker() !== name) return false;
    const { id, record, run, more } = reply;
    if (this.#shown.has(id)) {
      // It runs already, or did and was claimed again: the list tells.
      fetcher.reconcile();
      return false;
    }
    if (fetcher.reconciles) this.#taken.add(id);
    fetcher.own([id]);
    deliver([id], [record], new Map(run === undefined ? [] : [[0, run]]));
    if (more) fetcher.hinted();
    else fetcher.schedule();
    return true;
  }

  /** The list is asked for. */
  listing(): void {
    this.#taken.clear();
  }

  /** Of the ids of the list, those that were not taken since it was asked for. */
  listed(ids: readonly string[]): readonly string[] {
    const shown = ids.filter((id) => !this.#taken.has(id));
    for (const id of shown) this.#shown.add(id);
    return shown;
  }
}
