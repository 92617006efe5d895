// A job that has slept is under way, also while it changes hands.
import { expect, test } from "vitest";
import { HOUR_MS, runText, useShards } from "./shard-bench.js";

const setup = useShards();
const SLEPT = [[1, "slept", 2]];
const DEDUPE = { mode: "replace", keepCancelledMs: HOUR_MS } as never;

test.each([
  ["", SLEPT],
  [
    ", also where one without its task has met it before",
    [...SLEPT, [3, "failed", 1, "TaskUnknown", "no handler", ""]],
  ],
])(
  "a job that has slept goes on although a worker that had no slot for it hands it back%s",
  async (_also, events) => {
    const bench = setup();
    const job = { key: "!a:task@q k", dedupe: DEDUPE, keyTtlMs: HOUR_MS } as never;
    await bench.put({ old: job });
    await bench.claim("A", 1);
    const run = runText({ attempts: 0, state: "pending", events: events as never });
    expect(await bench.fail("A", "old", "retry", { run, ms: 0 })).toBe("retry");
    await bench.put({ new: job });
    expect((await bench.shard()).jobs).toHaveProperty("new");
    const ids = await bench.advance("A", { want: 2 });
    expect(ids === "LOST" ? [] : [...ids.ids].sort()).toEqual(["new", "old"]);
    await bench.reclaim("A", ["old"], { reason: "not-started" });
    const shard = await bench.shard();
    expect([shard.pending["q"], shard.runs["old"]]).toEqual([["old"], run]);
  },
);
