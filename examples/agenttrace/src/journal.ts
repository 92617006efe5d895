/** What replicas really did, outside of Redis: a line when an attempt starts and one when it has done its work. */
import { appendFileSync, readFileSync } from "node:fs";

export interface JournalLine {
  readonly what: "started" | "finished";
  readonly task: string;
  readonly job: string;
  readonly pid: number;
}

/** Runs the work of an attempt; an attempt that fails or is aborted has no second line. */
export async function journaled<Result>(
  { id, task }: { readonly id: string; readonly task: string },
  work: () => Promise<Result>,
): Promise<Result> {
  write({ what: "started", task, job: id, pid: process.pid });
  const result = await work();
  write({ what: "finished", task, job: id, pid: process.pid });
  return result;
}

export function readJournal(file: string): readonly JournalLine[] {
  const lines = readFileSync(file, "utf8").split("\n");
  return lines.filter((line) => line !== "").map((line) => JSON.parse(line) as JournalLine);
}

/** One appending write a line: lines of several processes never mix. */
function write(line: JournalLine): void {
  const file = process.env["AGENTTRACE_JOURNAL"];
  if (file) appendFileSync(file, `${JSON.stringify(line)}\n`);
}
