import { describe, expect, test } from "vitest";
import { parseRun } from "../../runtime/protocol/index.js";
import { useShards } from "./shard-bench.js";

const setup = useShards();

describe("run-alone", () => {
  test("notes in the run which worker runs the job alone, and answers with the run", async () => {
    const bench = setup();
    await bench.put({ a: {} });
    await bench.claim("A", 1);
    const reply = await bench.runAlone("A", "a");
    const run = await bench.runOf("a");
    expect(parseRun(reply)).toEqual(run);
    expect(run).toMatchObject({ attempts: 0, crashes: 0, state: "pending" });
    expect(run.events).toEqual([[expect.any(Number), "alone", "A"]]);
    expect((await bench.shard()).active).toEqual({ a: "A" });
  });

  test("is GONE for what the worker does not hold: another's job, one that waits, one that is not there", async () => {
    const bench = setup();
    await bench.put({ a: {}, b: {} });
    await bench.claim("A", 1);
    await bench.register("B");
    for (const id of ["a", "b", "never"]) expect(await bench.runAlone("B", id)).toBe("GONE");
    expect((await bench.shard()).runs).toEqual({});
  });

  test("is LOST for a worker that is condemned or has no lease, also while it still holds the job", async () => {
    const bench = setup();
    await bench.put({ a: {} });
    await bench.claim("A", 1);
    await bench.endLease("A");
    await bench.reclaim("A", ["nothing"]);
    expect(await bench.runAlone("A", "a")).toBe("LOST");
    expect(await bench.runAlone("stranger", "a")).toBe("LOST");
    expect((await bench.shard()).runs).toEqual({});
  });
});
