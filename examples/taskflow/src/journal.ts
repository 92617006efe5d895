/** What was really handled, outside of Redis: one line a message. */
import { appendFileSync, readFileSync } from "node:fs";

export interface Handled {
  readonly number: number;
  readonly job: string;
  readonly pid: number;
  /** By the clock of this machine (ms). */
  readonly startedAt: number;
}

/** One appending write a line: lines of several processes never mix. */
export function record(handled: Handled): void {
  const file = process.env["TASKFLOW_JOURNAL"];
  if (file) appendFileSync(file, `${JSON.stringify(handled)}\n`);
}

export function readJournal(file: string): readonly Handled[] {
  const lines = readFileSync(file, "utf8").split("\n");
  return lines.filter((line) => line !== "").map((line) => JSON.parse(line) as Handled);
}
