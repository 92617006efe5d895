// When a job comes back for which a worker has no handler, and what its log says.
import { expect, test } from "vitest";
import { type JobRun, type JobRecord, NEW_RUN, parseRun } from "../../../runtime/protocol/index.js";
import { restingRun, unservedRun } from "../../../runtime/worker/attempts/outcome.js";
import { UnservedLog } from "../../../runtime/worker/unserved-log.js";

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

test("a job that sleeps again and again between such workers keeps its failures", () => {
  let run: JobRun = { ...NEW_RUN, events: [failed] };
  for (let now = AT; now < AT + 40_000; now += 1000)
    run = meet(parseRun(restingRun(run, now, "slept", now + 500)), now + 500).run;
  expect(run.events.map(([, kind]) => kind)).toEqual(["failed", "slept", "failed"]);
  expect(run.events[1]).toEqual([AT + 39_000, "slept", AT + 39_500]);
});

test("one line a minute tells of a task, and how many jobs have come since the last", () => {
  const lines: unknown[] = [];
  const ignore = (): void => undefined;
  const error = (_message: string, fields?: object): void => void lines.push(fields);
  const log = new UnservedLog({ debug: ignore, info: ignore, warn: ignore, error });
  const other = { task: "other:task", queue: "default" };
  log.met("a", record, undefined, 0);
  log.met("b", record, undefined, 59_999);
  log.met("c", other, undefined, 59_999);
  log.met("d", record, undefined, 60_000);
  log.met("e", record, undefined, 120_000);
  expect(lines).toEqual([
    { task: "new:task", queue: "default", job: "a" },
    { task: "other:task", queue: "default", job: "c" },
    { task: "new:task", queue: "default", job: "d", sinceLast: 1 },
    { task: "new:task", queue: "default", job: "e" },
  ]);
});
