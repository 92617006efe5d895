/**
 * Claims a single job for an idle worker: the call is sent behind the blocking pop on the same connection, so
 * that the job arrives together with the hint, in one round trip. The call waits in Redis behind the pop and
 * may be answered at any time, also while the jobs that this worker holds are being listed.
 */
import type { Connection } from "../../connection/index.js";
import type { ShardKeys } from "../../protocol/index.js";
import { take } from "../../scripts/index.js";

export interface TakerPorts {
  readonly keys: ShardKeys;
  /** Name under which this worker holds its lease. */
  readonly worker: () => string;
  /** Slots in use. */
  readonly running: () => number;
  /** Claimed jobs that have not started. */
  readonly waiting: () => number;
  /** Whether handlers block the event loop, so that they run one at a time. */
  readonly blocking: () => boolean;
  readonly deliver: (
    ids: readonly string[],
    records: readonly (string | null)[],
    runs: ReadonlyMap<number, string>,
  ) => void;
}

/** The fetcher as its taker sees it. */
export interface TakingFetcher {
  readonly asleep: boolean;
  /** True while the jobs that this worker holds are listed, or are about to be. */
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
  /** Ids that were listed since the latest call was sent: the call may have claimed them. */
  readonly #shown = new Set<string>();
  /** Ids that were claimed here since the list was requested: some listed ones may have ended since. */
  readonly #taken = new Set<string>();

  constructor(ports: TakerPorts, fetcher: TakingFetcher) {
    this.#ports = ports;
    this.#fetcher = fetcher;
  }

  /**
   * True while this worker is completely idle. A job must not be claimed while a handler could block the
   * loop, because nobody would read the reply.
   */
  get mayTake(): boolean {
    const { running, waiting, blocking } = this.#ports;
    const { asleep, reconciles } = this.#fetcher;
    return asleep && !reconciles && running() + waiting() === 0 && !blocking();
  }

  /** One call at a time. Resolves to true when the hint needs no further claim. */
  async take(connection: Connection, queues: readonly string[]): Promise<boolean> {
    const { keys, worker, deliver } = this.#ports;
    const fetcher = this.#fetcher;
    const name = worker();
    this.#shown.clear();
    const reply = await take(connection, { keys, worker: name, queues });
    if (reply === "LOST") fetcher.lost(name);
    // The lease may have been lost meanwhile; then another worker may hold the job by now.
    if (typeof reply === "string" || worker() !== name) return false;
    const { id, record, run, more } = reply;
    if (this.#shown.has(id)) {
      // The job runs already, or has run and was claimed again; another listing will tell.
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

  /** The list is being requested. */
  listing(): void {
    this.#taken.clear();
  }

  /** The listed ids that were not claimed here since the list was requested. */
  listed(ids: readonly string[]): readonly string[] {
    const shown = ids.filter((id) => !this.#taken.has(id));
    for (const id of shown) this.#shown.add(id);
    return shown;
  }
}
