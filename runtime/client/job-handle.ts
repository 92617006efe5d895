import type { CancelOutcome } from "../cancel.js";
import type { Duration } from "../definition/index.js";
import { TaskweftError } from "../errors.js";
import type { JobRun } from "../protocol/index.js";
import type { TaskweftClient } from "./client.js";
import type { EnqueueOutcome, JobHandle } from "./enqueue-options.js";
import { durationMs } from "../option-values.js";
import { DEFAULT_RESULT_TIMEOUT_MS } from "./result-listener.js";

/** What can be awaited: a declared result, only the end of the job, or nothing because completed jobs are not kept. */
export type Awaitable = "result" | "end" | "nothing";

/** What an enqueue came to, from what the script has answered. */
export function outcomeOf(existing: string | undefined, replaced: boolean): EnqueueOutcome {
  if (existing === undefined) return "stored";
  return replaced ? "replaced" : "existing";
}

/** What the handles of one enqueue share. */
export interface HandleSource {
  readonly client: TaskweftClient;
  readonly awaitable: Awaitable;
  /** How long a job stays readable when it is cancelled, where its record does not say. */
  readonly keepDeadMs: number;
}

export class StoredJobHandle<Result> implements JobHandle<Result> {
  readonly id: string;
  readonly deduplicated: boolean;
  readonly outcome: EnqueueOutcome;
  readonly #source: HandleSource;

  constructor(source: HandleSource, id: string, existing: string | undefined, replaced: boolean) {
    this.#source = source;
    this.id = existing ?? id;
    this.deduplicated = existing !== undefined;
    this.outcome = outcomeOf(existing, replaced);
  }

  async cancel(): Promise<CancelOutcome> {
    return await this.#source.client.cancelJob(this.id, this.#source.keepDeadMs);
  }

  async result(options: { readonly timeout?: Duration } = {}): Promise<Result> {
    const timeoutMs = durationMs("timeout", options.timeout, DEFAULT_RESULT_TIMEOUT_MS);
    const { awaitable, client } = this.#source;
    if (awaitable === "nothing") {
      throw new TaskweftError(
        "ResultNotKept",
        `job ${this.id} is removed as soon as it completes (retention.completed is 0), so its result cannot be awaited. Set a retention in the definition or at the enqueue.`,
        { operation: "result", jobId: this.id },
      );
    }
    const finished = await client.finished(this.id, timeoutMs);
    if (finished === undefined) {
      throw new TaskweftError(
        "TimedOut",
        `job ${this.id} had not finished after ${timeoutMs} ms; it goes on, ask again later`,
        { operation: "result", jobId: this.id },
      );
    }
    const { run, record } = finished;
    if (run.state === "completed") {
      // Stored as null either way: without a declared result it means that the handler returned nothing.
      return (awaitable === "result" ? run.detail : (run.detail ?? undefined)) as Result;
    }
    const about = { operation: "result", jobId: this.id };
    if (run.state === "dead") {
      throw new TaskweftError("JobDead", `${record.task} job ${this.id} is dead: ${lastError(run)}`, about);
    }
    // Only the last of a job's states get here, so this one was cancelled.
    throw new TaskweftError("JobCancelled", `${record.task} job ${this.id} was cancelled`, about);
  }
}

function lastError(run: JobRun): string {
  const event = run.events.at(-1);
  if (event?.[1] === "failed") return `attempt ${event[2]} failed with ${event[3]}: ${event[4]}`;
  if (event?.[1] === "crashed") return `its worker was lost ${run.crashes} times`;
  return "no attempt was recorded";
}
