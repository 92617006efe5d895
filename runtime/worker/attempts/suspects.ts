/**
 * Runs suspects alone. A job that has lost its worker twice may be the one that kills it, or may only have
 * run beside that one. Alone it can harm no other job, and if the worker is lost again, the culprit is known.
 *
 *   open --(a suspect is claimed)--> draining --(nothing runs here)--> alone --(it has ended)--> open
 *   draining/alone --(Redis is silent before it has started)--> aside
 *   aside --(Redis answers, and no other part has a suspect)--> draining
 *
 * Nothing is claimed meanwhile, except while aside: then the parts of this worker whose shards are reachable
 * go on. Draining ends with the timeouts of the running jobs at the latest.
 */
import type { Connection } from "../../connection/index.js";
import { type ShardKeys, parseRun } from "../../protocol/index.js";
import { runAlone } from "../../scripts/index.js";
import type { Claim } from "../claims/claim.js";
import { SILENCE_MS } from "../claims/fetcher.js";
import type { Logger } from "../handler.js";
import { MAX_CRASHES } from "../leases/reaper.js";
import type { SharedSuspects } from "../claims/shared-slots.js";

const ERROR_PAUSE_MS = 250;

export interface SuspectsPorts {
  readonly connection: Connection;
  readonly keys: ShardKeys;
  readonly logger: Logger;
  /** Name under which this worker holds its lease. */
  readonly worker: () => string;
  /** Jobs of this part that have started or are about to. */
  readonly busy: () => number;
  readonly start: (claim: Claim) => void;
  /** Whether this worker has a handler for the job: without one, it cannot harm others. */
  readonly isServed: (claim: Claim) => boolean;
  /** Hands jobs back to their queues without counting an attempt. */
  readonly giveBack: (ids: readonly string[]) => void;
  readonly onClosed: () => void;
  readonly onOpen: () => void;
  readonly onLost: () => void;
  /** The parts of this worker that serve other shards, which run in the same process. */
  readonly shared: SharedSuspects;
}

export class Suspects {
  readonly #ports: SuspectsPorts;
  #state: "open" | "draining" | "alone" | "aside" = "open";
  /** Redis is being asked whether the suspect may start. */
  #isAsking = false;
  /** Redis is being pinged. */
  #isPinging = false;
  /** The suspect that waits until nothing else runs. */
  #suspect: Claim | undefined;

  constructor(ports: SuspectsPorts) {
    this.#ports = ports;
  }

  /** False while this worker must not claim. */
  get open(): boolean {
    return this.#state === "open" && this.#ports.shared.elsewhere() === undefined;
  }

  /**
   * Returns the claims that may start beside others. Keeps the first suspect, and hands the rest back for
   * workers that are free.
   */
  sift(claims: readonly Claim[], mayBeSuspect: boolean): readonly Claim[] {
    const elsewhere = this.#ports.shared.elsewhere();
    if (this.#state === "open" && !mayBeSuspect && elsewhere !== "alone") return claims;
    const alone = this.#state === "alone" || elsewhere === "alone";
    const { isServed } = this.#ports;
    const [harmless, rest]: [Claim[], Claim[]] = [[], []];
    for (const claim of claims) {
      const suspect = isSuspect(claim) && isServed(claim);
      if (suspect && this.#state === "open" && this.#ports.shared.hold()) this.#close(claim);
      else (suspect || alone ? rest : harmless).push(claim);
    }
    this.#ports.giveBack(rest.map((claim) => claim.id));
    return harmless;
  }

  /** Something here has started or ended. */
  look(): void {
    const { busy, shared } = this.#ports;
    if (this.#state === "aside") {
      if (this.#isAsking || this.#isPinging || !shared.hold()) return;
      this.#state = "draining";
    }
    if (this.#state === "open") return;
    if (busy() + shared.busyElsewhere() > 0) {
      if (this.#state === "draining") this.#ping();
      return;
    }
    if (this.#suspect === undefined) this.#reopen();
    else if (this.#state === "draining") {
      this.#state = "alone";
      shared.alone();
      void this.#start(this.#suspect);
    }
  }

  /** Removes the suspect that has not started, and returns its id. */
  takeIds(): readonly string[] {
    const ids = this.#suspect === undefined ? [] : [this.#suspect.id];
    this.#suspect = undefined;
    return ids;
  }

  /** Removes the suspect if it is this job and has not started: it must not run any more. */
  drop(id: string): Claim | undefined {
    const suspect = this.#suspect;
    if (suspect?.id !== id) return undefined;
    this.#suspect = undefined;
    this.#reopen();
    return suspect;
  }

  /** The lease is lost, and with it the job that was held under it. */
  abandon(): void {
    this.#suspect = undefined;
    this.#state = "open";
    this.#ports.shared.release();
  }

  #close(suspect: Claim): void {
    this.#suspect = suspect;
    this.#state = "draining";
    this.#ports.logger.warn("a job that lost its worker before waits to run alone; nothing else is claimed", {
      job: suspect.id,
      task: suspect.record.task,
      crashes: suspect.run.crashes,
    });
    this.#ports.onClosed();
    this.#ping();
  }

  #reopen(): void {
    this.#state = "open";
    this.#ports.shared.release();
    this.#ports.onOpen();
  }

  async #start(suspect: Claim): Promise<void> {
    const { worker, start, onLost } = this.#ports;
    const name = worker();
    this.#isAsking = true;
    const silence = setTimeout(() => this.#stepAside(), SILENCE_MS).unref();
    const reply = await this.#note(suspect, name);
    clearTimeout(silence);
    this.#isAsking = false;
    // The worker was stopped, or the lease was lost: this worker does not hold the job any more.
    if (this.#suspect !== suspect) return;
    if (this.#state === "aside" && reply !== "LOST") {
      // Other jobs run here by now.
      this.look();
      return;
    }
    this.#suspect = undefined;
    if (reply === "LOST") {
      if (worker() === name) onLost();
      return;
    }
    if (reply !== "GONE") start({ ...suspect, run: parseRun(reply) });
    // The suspect may have ended within the call, or not have started at all.
    this.look();
  }

  /**
   * Draining may be waiting for an unreachable Redis: for jobs of this shard, or for steps whose run is being
   * read.
   */
  #ping(): void {
    if (this.#isPinging) return;
    this.#isPinging = true;
    const silence = setTimeout(() => this.#stepAside(), SILENCE_MS).unref();
    const answered = (): void => {
      clearTimeout(silence);
      this.#isPinging = false;
      if (this.#state === "aside") this.look();
    };
    this.#ports.connection.redis.ping().then(answered, answered);
  }

  /** Only before the suspect has started. */
  #stepAside(): void {
    if (this.#suspect === undefined || (this.#state !== "alone" && this.#state !== "draining")) return;
    this.#state = "aside";
    this.#ports.shared.release();
  }

  /**
   * Retries until Redis has answered: a suspect must not start before Redis has recorded that it runs alone.
   */
  async #note(suspect: Claim, name: string): Promise<string> {
    const { connection, keys, logger } = this.#ports;
    while (this.#suspect === suspect) {
      try {
        return await runAlone(connection, { keys, worker: name, id: suspect.id });
      } catch (error) {
        logger.warn("recording that a job runs alone failed; trying again", { error });
        await new Promise((resolve) => setTimeout(resolve, ERROR_PAUSE_MS));
      }
    }
    return "GONE";
  }
}

function isSuspect(claim: Claim): boolean {
  return claim.run.crashes >= MAX_CRASHES - 1;
}
