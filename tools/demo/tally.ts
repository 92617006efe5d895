/** Reads the ledger as it grows and counts what was placed and what was executed. */
import { open, type FileHandle } from "node:fs/promises";
import type { LedgerEntry } from "../../tasks/shop/ledger.js";

export interface JobTally {
  readonly task: string;
  readonly orderNumber: number;
  /** Attempts that began, in any process. */
  started: number;
  /** Attempts whose handler returned. */
  finished: number;
}

/** One run of the checkout, by what its steps have really done. */
export interface RunTally {
  /** 0 until its order is written down: a worker may be faster than the producer's line. */
  orderNumber: number;
  /** How often each task of it has finished. */
  readonly finished: Map<string, number>;
}

const CHUNK_BYTES = 64 * 1024;

export class Tally {
  ordersPlaced = 0;
  deduplicated = 0;
  started = 0;
  finished = 0;
  failed = 0;
  /** Attempts after the first. */
  retried = 0;
  /** Steps of runs that have finished. */
  steps = 0;
  readonly runs = new Map<string, RunTally>();
  readonly jobs = new Map<string, JobTally>();
  readonly finishedByPid = new Map<number, number>();
  readonly #inHands = new Map<number, number>();
  /** Entries of jobs whose order is not written down yet: a worker may be faster than the producer's line. */
  readonly #early = new Map<string, { started: number; finished: number }>();
  readonly #file: string;
  #handle: FileHandle | undefined;
  #offset = 0;
  #rest = "";

  constructor(file: string) {
    this.#file = file;
  }

  /** Takes in what was appended since the last call. */
  async update(): Promise<void> {
    this.#handle ??= await open(this.#file, "r");
    const buffer = Buffer.alloc(CHUNK_BYTES);
    for (;;) {
      const { bytesRead } = await this.#handle.read(buffer, 0, CHUNK_BYTES, this.#offset);
      if (bytesRead === 0) return;
      this.#offset += bytesRead;
      // Only ASCII is ever written, so a chunk never ends inside a character.
      const lines = (this.#rest + buffer.toString("latin1", 0, bytesRead)).split("\n");
      this.#rest = lines.pop() ?? "";
      for (const line of lines) this.#take(JSON.parse(line) as LedgerEntry);
    }
  }

  /** Attempts of orders that are jobs which have begun in this process and not ended. */
  inHands(pid: number): number {
    return this.#inHands.get(pid) ?? 0;
  }

  async close(): Promise<void> {
    await this.#handle?.close();
  }

  #take(entry: LedgerEntry): void {
    if (entry.what === "placed") {
      this.#place(entry);
      return;
    }
    // Ids of other jobs have no dot.
    const [run = "", step] = entry.job.split(".");
    if (step !== undefined) {
      this.#takeStep(run, entry);
      return;
    }
    this.#inHands.set(entry.pid, this.inHands(entry.pid) + (entry.what === "started" ? 1 : -1));
    const job = this.jobs.get(entry.job) ?? this.#earlyJob(entry.job);
    if (entry.what === "started") {
      job.started++;
      this.started++;
      if (job.started > 1) this.retried++;
    } else if (entry.what === "finished") {
      job.finished++;
      this.finished++;
      this.#credit(entry.pid);
    } else {
      this.failed++;
    }
  }

  #takeStep(run: string, { what, task, pid }: Exclude<LedgerEntry, { what: "placed" }>): void {
    if (what !== "finished") return;
    const { finished } = this.#runOf(run);
    finished.set(task, (finished.get(task) ?? 0) + 1);
    this.steps++;
    this.#credit(pid);
  }

  #credit(pid: number): void {
    this.finishedByPid.set(pid, (this.finishedByPid.get(pid) ?? 0) + 1);
  }

  #runOf(id: string): RunTally {
    const run = this.runs.get(id) ?? { orderNumber: 0, finished: new Map<string, number>() };
    this.runs.set(id, run);
    return run;
  }

  #place(entry: LedgerEntry & { what: "placed" }): void {
    this.ordersPlaced++;
    if (entry.deduplicated) this.deduplicated++;
    if (entry.run !== undefined) this.#runOf(entry.run).orderNumber = entry.orderNumber;
    for (const [task, id] of Object.entries(entry.jobs)) {
      const early = this.#early.get(id) ?? { started: 0, finished: 0 };
      this.#early.delete(id);
      this.jobs.set(id, { task, orderNumber: entry.orderNumber, ...early });
    }
  }

  #earlyJob(id: string): { started: number; finished: number } {
    const known = this.#early.get(id);
    if (known) return known;
    const fresh = { started: 0, finished: 0 };
    this.#early.set(id, fresh);
    return fresh;
  }
}
