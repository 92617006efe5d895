// The oracle must be able to say no: each kind of wrong history is told.
import { expect, test } from "vitest";
import { type Effect, problemsOf } from "./effects.js";

const effect = (kind: Effect["kind"], pid: number, at: number): Effect => ({
  kind,
  id: "j",
  attempt: 1,
  pid,
  at,
});
const completed = [3, "completed", "w", 1] as const;
const run = { attempts: 1, crashes: 0, state: "completed", detail: null, events: [completed] } as const;
const once = [effect("start", 1, 1), effect("end", 1, 2)];
const twice = [...once, effect("start", 2, 5), effect("end", 2, 6)];
const crashed = { ...run, crashes: 1, events: [[4, "crashed", "w"] as const, completed] };

test.each([
  ["nothing wrong", { run, effects: once, goneAt: new Map() }, []],
  ["a second start with a crash", { run: crashed, effects: twice, goneAt: new Map([[1, 3]]) }, []],
  ["no effect", { run, effects: [], goneAt: new Map() }, ["has no effect"]],
  [
    "not ended",
    { run: { ...run, state: "pending" as const }, effects: once, goneAt: new Map() },
    ["is pending"],
  ],
  [
    "an unexplained start",
    { run, effects: twice, goneAt: new Map([[1, 3]]) },
    ["started 2 times with 0 crashes on record"],
  ],
  [
    "two at once",
    { run: crashed, effects: twice, goneAt: new Map() },
    ["started in process 2 while process 1 was alive"],
  ],
  [
    "a wrong count",
    { run: { ...crashed, crashes: 2 }, effects: once, goneAt: new Map() },
    ["counts 2 crashes, its events say 1"],
  ],
  [
    "spent attempts",
    { run: { ...run, attempts: 2 }, effects: once, goneAt: new Map() },
    ["spent 2 attempts"],
  ],
])("%s", (_name, account, problems) => {
  expect(problemsOf({ id: "j", ...account })).toEqual(problems.map((problem) => `job j ${problem}`));
});
