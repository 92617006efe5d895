/** Tells of jobs without a handler: one line a minute and task, because each of them may come back for ever. */
import type { JobRecord } from "../protocol/index.js";
import type { Logger } from "./handler.js";

const QUIET_MS = 60_000;
const NO_HANDLER = "no handler for jobs of a task in this worker";
const REPLACED_FILES =
  "the project's files were replaced, and give another definition of a task than this worker has: restart it to run the jobs";

export class UnservedLog {
  readonly #logger: Logger;
  /** When a line was written, by task (local monotonic time), and the jobs that have come since. */
  readonly #told = new Map<string, { readonly atMs: number; since: number }>();

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  /** @param outdated where this worker has a handler, but not the thread or process that was to run it. */
  met(
    job: string,
    { task, queue }: Pick<JobRecord, "queue" | "task">,
    outdated: Error | undefined,
    nowMs = performance.now(),
  ): void {
    const last = this.#told.get(task);
    if (last !== undefined && nowMs - last.atMs < QUIET_MS) {
      last.since += 1;
      return;
    }
    this.#told.set(task, { atMs: nowMs, since: 0 });
    const why = outdated === undefined ? NO_HANDLER : REPLACED_FILES;
    this.#logger.error(`${why}; they are tried again later`, {
      task,
      queue,
      job,
      ...(outdated === undefined ? {} : { error: outdated.message }),
      ...(last === undefined || last.since === 0 ? {} : { sinceLast: last.since }),
    });
  }
}
