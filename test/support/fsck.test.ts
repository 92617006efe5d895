import { describe, expect, test } from "vitest";
import { problemsOf } from "./fsck.js";
import type { Shard } from "./shard.js";

const EMPTY: Shard = {
  nowMs: 1000,
  jobs: {},
  runs: {},
  active: {},
  leases: {},
  workers: {},
  done: {},
  dead: {},
  keys: {},
  keysExpiry: {},
  cancels: [],
  waits: {},
  notes: {},
  paused: {},
  schedules: {},
  meta: {},
  tick: "",
  pending: {},
  due: {},
  wake: {},
  sent: {},
  strangers: [],
};
const RECORD = '[1,"a:task","q","h1",0,{}]';
const KEYED = '[1,"a:task","q","h1",{"key":"a:task k"},{}]';
const CANCELLED_IN_PLACE = '[0,0,"cancelled",1,[[1,"cancelled"]]]';
const CANCELLED = '[0,0,"cancelled",null,[[1,"cancelled"]]]';
const COMPLETED = '[1,0,"completed",null,[]]';
const DEAD = '[1,0,"dead",null,[]]';

describe("fsck finds", () => {
  const broken: [problem: string, shard: Partial<Shard>][] = [
    ["has no record, but stands pending", { pending: { q: ["j"] } }],
    ["and its run is there", { runs: { j: DEAD } }],
    ["stands nowhere", { jobs: { j: RECORD } }],
    ["stands pending + pending", { jobs: { j: RECORD }, pending: { q: ["j", "j"] } }],
    ["stands due + pending", { jobs: { j: RECORD }, pending: { q: ["j"] }, due: { q: { j: 1 } } }],
    ["stands in pending:other", { jobs: { j: RECORD }, pending: { other: ["j"] } }],
    ["stands done, expected active or due or pending", { jobs: { j: RECORD }, done: { j: 1 } }],
    ["stands done, expected dead", { jobs: { j: RECORD }, runs: { j: DEAD }, done: { j: 1 } }],
    [
      "stands done, expected active + done",
      { jobs: { j: RECORD }, runs: { j: CANCELLED_IN_PLACE }, done: { j: 1 } },
    ],
    [
      "stands done + pending, expected done",
      { jobs: { j: RECORD }, runs: { j: CANCELLED }, done: { j: 1 }, pending: { q: ["j"] } },
    ],
    ["tombstone j stands nowhere", { jobs: { j: "[0]" } }],
    ["tombstone j has a run", { jobs: { j: "[0]" }, runs: { j: DEAD }, pending: { q: ["j"] } }],
    ["cannot be read", { jobs: { j: "[1," }, pending: { q: ["j"] } }],
    ["holds jobs without a lease", { jobs: { j: RECORD }, active: { j: "A" } }],
    ["is known but has no lease", { workers: { A: "{}" } }],
    ["has no end", { jobs: { j: KEYED }, pending: { q: ["j"] }, keys: { "a:task k": "j" } }],
    [
      "which is dead",
      {
        jobs: { j: KEYED },
        runs: { j: DEAD },
        dead: { j: 1 },
        keys: { "a:task k": "j" },
        keysExpiry: { "a:task k": 1 },
      },
    ],
    ["which is not active", { jobs: { j: RECORD }, pending: { q: ["j"] }, cancels: ["j"] }],
    ["clients wait for job j", { jobs: { j: RECORD }, runs: { j: DEAD }, dead: { j: 1 }, waits: { j: "c" } }],
    ["clients wait for job gone", { waits: { gone: "c" } }],
    ["notes of job gone, which is gone or completed", { notes: { "gone progress": "5" } }],
    [
      "notes of job j, which is gone or completed",
      { jobs: { j: RECORD }, runs: { j: COMPLETED }, done: { j: 1 }, notes: { j: '["a"]' } },
    ],
    ["notes of job j cannot be read", { jobs: { j: RECORD }, pending: { q: ["j"] }, notes: { j: '["a"' } }],
    ["holds 2 hints", { wake: { q: ["1", "1"] } }],
    ["no key of the protocol", { strangers: ["{weft:0}:novel"] }],
  ];
  test.each(broken)("%s", (problem, shard) => {
    expect(problemsOf({ ...EMPTY, ...shard }).join("\n")).toContain(problem);
  });

  test("nothing in a shard that is sound", () => {
    const shard: Shard = {
      ...EMPTY,
      jobs: { a: RECORD, b: KEYED, c: RECORD, d: RECORD, e: "[0]", f: RECORD },
      runs: { c: CANCELLED_IN_PLACE, d: DEAD, f: CANCELLED },
      pending: { q: ["a", "c", "e"] },
      active: { b: "A" },
      leases: { A: 0 },
      workers: { A: "{}" },
      done: { c: 1, f: 1 },
      dead: { d: 1 },
      keys: { "a:task k": "b", "a:task gone": "z" },
      keysExpiry: { "a:task k": 2000, "a:task gone": 2000, "a:task freed": 2000 },
      cancels: ["b"],
      waits: { a: "client" },
      wake: { q: ["1"] },
    };
    expect(problemsOf(shard)).toEqual([]);
  });
});
