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
  events: {},
  eventsExpiry: {},
  cancels: [],
  waits: {},
  notes: {},
  limited: {},
  groups: {},
  waiting: [],
  paused: {},
  draining: "",
  schedules: {},
  workflows: {},
  running: {},
  ended: {},
  listeners: [],
  listenersExpiry: {},
  meta: {},
  swept: "",
  purging: "",
  pending: {},
  due: {},
  wake: {},
  sent: {},
  strangers: [],
};
const RECORD = '[1,"a:task","q","h1",0,{}]';
const OF_RUN = '[1,"a:task","q","h1",{"run":"r","workflow":"a:flow h","step":"s"},null]';
const RUN = { r: '[1,"a:flow","h",1,"",{}]', "@a:flow h": "{}", "@a:flow h#": "1" };
const KEYED = '[1,"a:task","q","h1",{"key":"a:task k"},{}]';
const CANCELLED_IN_PLACE = '[0,0,"cancelled",1,[[1,"cancelled"]]]';
const CANCELLED = '[0,0,"cancelled",null,[[1,"cancelled"]]]';
const COMPLETED = '[1,0,"completed",null,[]]';
const DEAD = '[1,0,"dead",null,[]]';

describe("fsck finds", () => {
  const broken: [problem: string, shard: Partial<Shard>][] = [
    ["TW-F03 j: an id has no record; expected a record, found pending:q", { pending: { q: ["j"] } }],
    ["found nowhere, and a history", { runs: { j: DEAD } }],
    ["TW-F01 j: a job stands in no index", { jobs: { j: RECORD } }],
    ["found pending:q + pending:q", { jobs: { j: RECORD }, pending: { q: ["j", "j"] } }],
    ["found due:q + pending:q", { jobs: { j: RECORD }, pending: { q: ["j"] }, due: { q: { j: 1 } } }],
    ["expected queue q, found pending:other", { jobs: { j: RECORD }, pending: { other: ["j"] } }],
    ["expected active or due or pending (pending), found done", { jobs: { j: RECORD }, done: { j: 1 } }],
    ["expected dead (dead), found done", { jobs: { j: RECORD }, runs: { j: DEAD }, done: { j: 1 } }],
    [
      "expected active + done or done + pending (cancelled), found done",
      { jobs: { j: RECORD }, runs: { j: CANCELLED_IN_PLACE }, done: { j: 1 } },
    ],
    [
      "expected done (cancelled), found done + pending:q",
      { jobs: { j: RECORD }, runs: { j: CANCELLED }, done: { j: 1 }, pending: { q: ["j"] } },
    ],
    ["TW-F04 j", { jobs: { j: "[0]" } }],
    ["found pending:q, with a history", { jobs: { j: "[0]" }, runs: { j: DEAD }, pending: { q: ["j"] } }],
    ["TW-F05 j", { jobs: { j: "[1," }, pending: { q: ["j"] } }],
    ["TW-F06 j", { jobs: { j: RECORD }, runs: { j: "[1,0]" }, pending: { q: ["j"] } }],
    ["TW-F07 j", { jobs: { j: RECORD }, runs: { j: DEAD } }],
    ["TW-F30 worker A", { jobs: { j: RECORD }, active: { j: "A" } }],
    ["found none, and it is known", { workers: { A: "{}" } }],
    ["TW-F20 ja:task sha256:", { jobs: { j: KEYED }, pending: { q: ["j"] }, keys: { "a:task k": "j" } }],
    [
      "TW-F21 j",
      {
        jobs: { j: KEYED },
        runs: { j: DEAD },
        dead: { j: 1 },
        keys: { "a:task k": "j" },
        keysExpiry: { "a:task k": 1 },
      },
    ],
    ["TW-F10 j", { jobs: { j: RECORD }, pending: { q: ["j"] }, cancels: ["j"] }],
    ["TW-F11 j", { jobs: { j: RECORD }, runs: { j: DEAD }, dead: { j: 1 }, waits: { j: "c" } }],
    ["TW-F11 gone", { waits: { gone: "c" } }],
    ["TW-F12 gone", { notes: { "gone progress": "5" } }],
    ["TW-F12 j", { jobs: { j: RECORD }, runs: { j: COMPLETED }, done: { j: 1 }, notes: { j: '["a"]' } }],
    ["TW-F12 r.each.1", { notes: { "r.each.1": '["a"]' } }],
    ["TW-F13 j", { jobs: { j: RECORD }, pending: { q: ["j"] }, notes: { j: '["a"' } }],
    ["TW-F41 wake:q", { wake: { q: ["1", "1"] } }],
    ["TW-F60 run r", { workflows: { ...RUN, "r :open": "1" }, jobs: { j: OF_RUN }, pending: { q: ["j"] } }],
    ["TW-F64 run r", { workflows: { ...RUN, "r :open": "1" }, running: { r: 1 } }],
    ["TW-F62 run r", { workflows: { "r a": "c1 null" } }],
    ["TW-F61 run r", { running: { r: 1 } }],
    ["TW-F67 run r", { listeners: ['e ["x"]\n1\nq r a'] }],
    [
      "TW-F24 jevent e:x: a job or step waits for an event that would not find it",
      {
        jobs: { j: RECORD },
        pending: { q: ["j"] },
        notes: { "j waits": '\n%22w%22 2000 e:x ["id"]\t1\t' },
      },
    ],
    ["TW-F23 goneevent e:x: a handler listens", { listeners: ['e:x ["id"]\n1\nq gone %22w%22'] }],
    ["TW-F12 gone", { notes: { "gone waits": '\n%22w%22 900 e:x ["id"]\t1\t' } }],
    ["no key of the protocol", { strangers: ["{weft:0}:novel"] }],
  ];
  test.each(broken)("%s", (problem, shard) => {
    expect(problemsOf({ ...EMPTY, ...shard }).join("\n")).toContain(problem);
  });

  test("a step that waits for a run which has ended, unless it has begun anew since", () => {
    const job = '[1,"a:flow","q","h",{"run":"r","workflow":"a:flow h","step":"s"},null]';
    const shard = (rounds: Readonly<Record<string, string>>): Shard => ({
      ...EMPTY,
      jobs: { "r.s": job },
      due: { q: { "r.s": 1 } },
      workflows: {
        ...RUN,
        ...rounds,
        "r.s-1": RUN.r,
        "r.s-1 :parent": "r 1 q s",
        "r.s-1 :state": "failed 1 null",
      },
    });
    const problem = "job r.s waits for the run r.s-1, which has ended";
    expect(problemsOf(shard({}))).toContain(problem);
    expect(problemsOf(shard({ "r s^": "2" }))).not.toContain(problem);
  });

  test("nothing in a shard that is sound", () => {
    const shard: Shard = {
      ...EMPTY,
      jobs: { a: OF_RUN, b: KEYED, c: RECORD, d: RECORD, e: "[0]", f: RECORD },
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
      waits: { a: "client", r: "client" },
      notes: { "r.each.1": '["a"]', "r.each.1 log": "0\n" },
      workflows: {
        r: '[1,"a:flow","h",1,"",{}]',
        "r :stamp": "1.2",
        "r :open": "1",
        "@a:flow h": "{}",
        "@a:flow h#": "1",
      },
      running: { r: 1 },
      wake: { q: ["1"] },
    };
    expect(problemsOf(shard)).toEqual([]);
  });
});
