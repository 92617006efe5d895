/**
 * Tells of queues with jobs that no live worker serves: they would wait there for ever, and runs with a step there neither go on nor end.
 *
 *   looking --(LOOK_MS)--> looking
 *
 * When a fleet starts, its workers come one after the other. So the first look tells only of queues that the definitions lack: the others
 * may be served in a moment.
 */
import { setTimeout as delay } from "node:timers/promises";
import { addUnserved, readUnservedQueues } from "../gauges/index.js";
import type { Logger } from "./handler.js";
import type { Home } from "./worker-part.js";

/** Workers of the deploy before may have served a queue when this one started. */
const LOOK_MS = 300_000;
/** A shard that has not answered for so long (ms) is away; nothing is said of it this time. */
const PATIENCE_MS = 10_000;

export interface QueueWatchPorts {
  /** All shards. */
  readonly homes: readonly Home[];
  /** Names of those that this worker serves. */
  readonly served: readonly string[];
  /** Names of those of the definitions. */
  readonly defined: readonly string[];
  readonly logger: Logger;
  /** Time between two looks. Default: five minutes. */
  readonly lookMs?: number;
  /** Longest wait for a shard. Default: ten seconds. */
  readonly patienceMs?: number;
}

export class QueueWatch {
  readonly #ports: QueueWatchPorts;
  /** Each is told of once, until it is served or empty. */
  #told: ReadonlySet<string> = new Set();
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;

  constructor(ports: QueueWatchPorts) {
    this.#ports = ports;
  }

  start(): void {
    void this.#lookAndWait(this.#ports.defined);
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  async #lookAndWait(expected: readonly string[]): Promise<void> {
    try {
      await this.#look(expected);
    } catch (error) {
      if (!this.#stopped) this.#ports.logger.warn("looking for queues without a worker failed", { error });
    }
    if (this.#stopped) return;
    this.#timer = setTimeout(() => void this.#lookAndWait([]), this.#ports.lookMs ?? LOOK_MS);
  }

  /** `expected`: names of queues that may do without a worker for now. */
  async #look(expected: readonly string[]): Promise<void> {
    const { homes, served, logger, patienceMs = PATIENCE_MS } = this.#ports;
    const look = ({ connection, keys }: Home) =>
      Promise.race([
        readUnservedQueues(connection, keys, { served: [...served, ...expected] }),
        delay(patienceMs, undefined, { ref: false }),
      ]);
    const answers = await Promise.all(homes.map(look));
    const found = addUnserved(answers.filter((answer) => answer !== undefined));
    for (const { name, ...counts } of found) {
      if (this.#told.has(name)) continue;
      const hint = `run: weft worker --queues ${name}`;
      logger.warn("jobs wait in a queue that no live worker serves", { queue: name, ...counts, hint });
    }
    const told = found.map(({ name }) => name);
    // Of those in a shard that is away nothing new is known.
    this.#told = new Set(answers.includes(undefined) ? [...this.#told, ...told] : told);
  }
}
