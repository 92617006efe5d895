/**
 * Warns about queues with jobs that no live worker serves: the jobs would wait for ever, and workflow runs
 * with a step there would neither go on nor end.
 *
 *   looking --(LOOK_MS)--> looking
 *
 * When a fleet starts, its workers come up one after the other. So the first look reports only queues that
 * the definitions lack; the others may be served in a moment.
 */
import { setTimeout as delay } from "node:timers/promises";
import { addUnserved, readUnservedQueues } from "../gauges/index.js";
import type { Logger } from "./handler.js";
import type { Home } from "./worker-part.js";

/** Workers of the previous deploy may still have served a queue when this worker started. */
const LOOK_MS = 300_000;
/** Longest wait for the answer of a shard (ms); one that does not answer is left out this time. */
const PATIENCE_MS = 10_000;

export interface QueueWatchPorts {
  /** All shards. */
  readonly homes: readonly Home[];
  /** Names of the queues that this worker serves. */
  readonly served: readonly string[];
  /** Names of the defined queues. */
  readonly defined: readonly string[];
  readonly logger: Logger;
  /** Time between two looks. Default: five minutes. */
  readonly lookMs?: number;
  /** Longest wait for a shard. Default: ten seconds. */
  readonly patienceMs?: number;
}

export class QueueWatch {
  readonly #ports: QueueWatchPorts;
  /** Queues that were reported. Each is reported once, until it is served or empty. */
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
      if (!this.#stopped) this.#ports.logger.warn("checking for queues without a worker failed", { error });
    }
    if (this.#stopped) return;
    this.#timer = setTimeout(() => void this.#lookAndWait([]), this.#ports.lookMs ?? LOOK_MS);
  }

  /** @param expected names of queues that need no worker yet. */
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
    // When a shard did not answer, the state of its queues is unknown, so they stay reported.
    this.#told = new Set(answers.includes(undefined) ? [...this.#told, ...told] : told);
  }
}
