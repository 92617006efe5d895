import { describe, expect, test } from "vitest";
import { HOUR_MS, recordText, runText, useShards, type NewJob } from "./shard-bench.js";

const setup = useShards();

describe("await", () => {
  test.each<[string, NewJob]>([
    ["pending", {}],
    ["scheduled", { due: "+5000" }],
  ])("notes each client that waits for a %s job once", async (_state, job) => {
    const bench = setup();
    await bench.put({ a: job });
    for (const client of ["one", "on", "one", "two", "on"])
      expect(await bench.await("a", client)).toBe("WAITING");
    expect((await bench.shard()).waits).toEqual({ a: "one on two" });
  });

  test("waits for an active job and for one that waits for its retry", async () => {
    const bench = setup();
    await bench.put({ a: {} });
    await bench.claim("A", 1);
    expect(await bench.await("a", "client")).toBe("WAITING");
    await bench.fail("A", "a", "retry");
    expect(await bench.await("a", "client")).toBe("WAITING");
    expect((await bench.shard()).waits).toEqual({ a: "client" });
  });

  test.each(["completed", "dead", "cancelled"] as const)(
    "answers with the texts of a %s job",
    async (state) => {
      const bench = setup();
      await bench.put({ a: { payload: { n: 1 } } });
      await bench.claim("A", 1);
      const run = runText({ attempts: 1, state, detail: state === "completed" ? "dead" : null });
      if (state === "completed") await bench.advance("A", { kept: [{ id: "a", run, keepMs: HOUR_MS }] });
      else await bench.fail("A", "a", state, { run });
      expect(await bench.await("a", "client")).toEqual({ record: recordText({ payload: { n: 1 } }), run });
      expect((await bench.shard()).waits).toEqual({});
    },
  );

  test("finds no job that was never there, is gone, or is deleted", async () => {
    const bench = setup();
    await bench.put({ gone: {}, deleted: {} });
    await bench.claim("A", 1);
    await bench.advance("A", { dropped: ["gone"] });
    await bench.remove("deleted");
    for (const id of ["never", "gone", "deleted"]) expect(await bench.await(id, "client")).toBe("NOTFOUND");
    expect((await bench.shard()).waits).toEqual({});
  });
});
