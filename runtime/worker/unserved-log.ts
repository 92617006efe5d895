/** Tells of jobs without a handler: one line a minute and task, because each of them may come back for ever. */
import type { JobRecord } from "../protocol/index.js";
import type { Logger } from "./handler.js";

const QUIET_MS = 60_000;

export class UnservedLog {
  readonly #logger: Logger;
  /** When a line was written, by task (local monotonic time), and the jobs that have come since. */
  readonly #told = new Map<string, { readonly atMs: number; since: number }>();

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  met(job: string, { task, queue }: Pick<JobRecord, "queue" | "task">, nowMs = performance.now()): void {
    const last = this.#told.get(task);
    if (last !== undefined && nowMs - last.atMs < QUIET_MS) {
      last.since += 1;
      return;
    }
    this.#told.set(task, { atMs: nowMs, since: 0 });
    this.#logger.error("no handler for jobs of a task in this worker; they are tried again later", {
      task,
      queue,
      job,
      ...(last === undefined || last.since === 0 ? {} : { sinceLast: last.since }),
    });
  }
}
