/**
 * What the shop really did, outside of Redis: one line for the start and one for the end of every attempt. The demo
 * counts these lines against what Redis says, so that a lost or doubled job shows.
 */
import { appendFileSync } from "node:fs";

/** One line of the ledger. */
export type LedgerEntry =
  | {
      readonly what: "placed";
      readonly at: number;
      readonly orderId: string;
      readonly orderNumber: number;
      /** Id of the order's job by task; none where it is a run. */
      readonly jobs: Readonly<Record<string, string>>;
      /** The run of `order:checkout` that the order is. */
      readonly run?: string;
      /** The second click on "buy" gave the payment, or the run, that was already there. */
      readonly deduplicated: boolean;
    }
  | {
      readonly what: "started" | "finished" | "failed";
      readonly at: number;
      readonly pid: number;
      readonly task: string;
      readonly job: string;
      readonly attempt: number;
    };

interface Attempt {
  readonly id: string;
  readonly task: string;
  readonly attempt: number;
}

/** Runs the work of one attempt with its two lines around it. */
export async function recorded<Result>(job: Attempt, work: () => Promise<Result>): Promise<Result> {
  write(job, "started");
  try {
    const result = await work();
    write(job, "finished");
    return result;
  } catch (error) {
    write(job, "failed");
    throw error;
  }
}

/** One appending write a line: several processes share the file, and a killed one leaves no half line before it. */
export function appendEntry(entry: LedgerEntry): void {
  const file = process.env["TASKWEFT_DEMO_LEDGER"];
  if (file === undefined || file === "") return;
  appendFileSync(file, `${JSON.stringify(entry)}\n`);
}

function write(job: Attempt, what: "started" | "finished" | "failed"): void {
  appendEntry({ what, at: Date.now(), pid: process.pid, task: job.task, job: job.id, attempt: job.attempt });
}
