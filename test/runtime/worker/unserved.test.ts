// When a job comes back for which a worker has no handler.
import { expect, test } from "vitest";
import { type JobRun, type JobRecord, NEW_RUN, parseRun } from "../../../runtime/protocol/index.js";
import { unservedRun } from "../../../runtime/worker/attempts/outcome.js";

const AT = 1_700_000_000_000;
const record = { task: "new:task", queue: "default" } as JobRecord;
const failed = [AT, "failed", 1, "Error", "no", "at x"] as const;

function meet(run: JobRun, now: number): { readonly ms: number; readonly run: JobRun } {
  const { ms, run: text } = unservedRun({ record, run }, now);
  return { ms, run: parseRun(text) };
}

test("it comes back after a second, then after twice the time since it was last met, up to 30 seconds", () => {
  let [run, now] = [NEW_RUN, AT];
  const waits: number[] = [];
  for (let n = 0; n < 8; n += 1) {
    const met = meet(run, now);
    waits.push(met.ms);
    run = met.run;
    now += met.ms;
  }
  expect(waits).toEqual([1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000]);
  // One entry, however often it was met.
  expect(run.events.map(([, kind]) => kind)).toEqual(["failed"]);
});

test("it begins with a second again after anything else has happened, and after a clock that went back", () => {
  const { run } = meet({ ...NEW_RUN, events: [failed] }, AT + 100);
  expect(run.events).toHaveLength(2);
  expect(meet({ ...run, events: [...run.events, [AT + 60_000, "retried"]] }, AT + 90_000).ms).toBe(1000);
  expect(meet(run, AT - 60_000).ms).toBe(1000);
});
