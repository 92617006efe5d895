// Lines that handlers log: the newest stay, within bounds, as long as the job does.
import { describe, expect, test } from "vitest";
import { logField, parseJobLog } from "../../runtime/protocol/index.js";
import { HOUR_MS, runText, useShards, type ShardBench } from "./shard-bench.js";

const setup = useShards();

async function logOf({ redis, keys }: ShardBench, id: string) {
  const text = await redis.hget(keys.notes, logField(id));
  if (text === null) return undefined;
  const { dropped, lines } = parseJobLog(text);
  return { dropped, texts: lines.map((line) => line.text) };
}

describe("log", () => {
  test("adds lines behind those that are there", async () => {
    const bench = setup();
    await bench.put({ a: {}, b: {} });
    await bench.claim("A", 2);
    expect(await bench.log("A", { a: ["1", "2"], b: ["x\ny"] })).toBe(2);
    expect(await bench.log("A", { a: ["3"] })).toBe(1);
    expect(await logOf(bench, "a")).toEqual({ dropped: 0, texts: ["1", "2", "3"] });
    expect(await logOf(bench, "b")).toEqual({ dropped: 0, texts: ["x\ny"] });
  });

  test("adds nothing when the call is sent again after a lost reply", async () => {
    const bench = setup();
    await bench.put({ a: {} });
    await bench.claim("A", 1);
    for (const lines of [["1", "2"], ["1", "2"], ["3"], ["3"]])
      expect(await bench.log("A", { a: lines })).toBe(1);
    expect(await logOf(bench, "a")).toEqual({ dropped: 0, texts: ["1", "2", "3"] });
  });

  test("keeps the newest lines, and counts what it has dropped or was not sent", async () => {
    const bench = setup();
    await bench.put({ a: {} });
    await bench.claim("A", 1);
    await bench.log("A", { a: ["1", "2", "3"] });
    await bench.log("A", { a: ["4", "5", "6", "7"] }, 10);
    expect(await logOf(bench, "a")).toEqual({ dropped: 12, texts: ["3", "4", "5", "6", "7"] });
    await bench.log("A", { a: ["x".repeat(150)] });
    expect(await logOf(bench, "a")).toEqual({ dropped: 15, texts: ["6", "7", "x".repeat(150)] });
    await bench.log("A", { a: ["x".repeat(500)] });
    expect(await logOf(bench, "a")).toEqual({ dropped: 19, texts: [] });
  });

  test("is refused without a lease, and for a job that is gone or that another worker holds", async () => {
    const bench = setup();
    await bench.put({ a: {}, b: {} });
    expect(await bench.log("A", { a: ["1"] })).toBe("LOST");
    await bench.claim("A", 1);
    await bench.claim("B", 1);
    expect(await bench.log("A", { a: ["1"], b: ["1"], nobody: ["1"] })).toBe(1);
    expect(Object.keys((await bench.shard()).notes)).toEqual(["a log"]);
    await bench.endLease("A");
    await bench.reclaim("A", ["a"]);
    expect(await bench.log("A", { a: ["2"] })).toBe("LOST");
  });

  test("takes the last lines of an attempt that has ended", async () => {
    const bench = setup();
    await bench.put({ a: {} });
    await bench.claim("A", 1);
    await bench.fail("A", "a", "dead");
    expect(await bench.log("A", { a: ["why"] })).toBe(1);
    expect(await logOf(bench, "a")).toEqual({ dropped: 0, texts: ["why"] });
  });
});

describe("the log of a job", () => {
  const completed = runText({ attempts: 1, state: "completed" });

  test("stays with a completed job that is kept, and goes when its retention ends", async () => {
    const bench = setup();
    await bench.put({ kept: {}, dropped: {} });
    await bench.claim("A", 2);
    await bench.log("A", { kept: ["1"], dropped: ["1"] });
    await bench.saveStep("A", "kept");
    await bench.advance("A", {
      dropped: ["dropped"],
      kept: [{ id: "kept", run: completed, keepMs: HOUR_MS }],
    });
    expect(Object.keys((await bench.shard()).notes)).toEqual(["kept log"]);
    await bench.redis.zadd(bench.keys.done, "XX", 1, "kept");
    await bench.sweep();
    expect((await bench.shard()).notes).toEqual({});
  });

  test("goes with a job that is deleted, and stays through a retry", async () => {
    const bench = setup();
    await bench.put({ a: {} });
    await bench.claim("A", 1);
    await bench.log("A", { a: ["1"] });
    await bench.fail("A", "a", "dead");
    await bench.retry("a");
    expect(await logOf(bench, "a")).toEqual({ dropped: 0, texts: ["1"] });
    await bench.remove("a");
    expect((await bench.shard()).notes).toEqual({});
    expect(await bench.log("A", { a: ["late"] })).toBe(0);
  });
});
