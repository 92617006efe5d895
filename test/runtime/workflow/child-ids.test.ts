// Ids of runs that are steps: readable, in the shard of their parent, and none that two steps share.
import { expect, test } from "vitest";
import { ShardRouter, tickRunId } from "../../../runtime/protocol/index.js";
import { childRunId, stepJobId, undoJobId } from "../../../runtime/workflow/index.js";

test("they say where a run belongs", () => {
  expect(childRunId("o42", "ship", 1)).toBe("o42.ship-1");
  expect(childRunId("o42", "ship", 2, 13)).toBe("o42.ship-2.13");
  expect(childRunId(childRunId("o42", "ship", 1), "book", 1)).toBe("o42.ship-1.book-1");
});

test("long ones are made of a hash, and stay within what an id may have", () => {
  const run = "r".repeat(80);
  let id = run;
  const seen = new Set<string>();
  for (let depth = 0; depth < 8; depth++) {
    id = childRunId(id, "s".repeat(40), 1, 99_999);
    seen.add(id);
    expect(id.length).toBeLessThanOrEqual(128);
    expect(id.startsWith(`${run}.`)).toBe(true);
  }
  expect(seen.size).toBe(8);
});

test("they lead to the shard of their parent, and so do their jobs", () => {
  const router = new ShardRouter(7);
  const tick = tickRunId(router, 3, "nightly", 1_700_000_000_000);
  for (const run of ["a", "order-17", "r".repeat(80), "s3.cron", tick]) {
    for (const id of [childRunId(run, "ship", 1), childRunId(run, "s".repeat(40), 1, 3)]) {
      const jobs = [stepJobId(id, "a"), undoJobId(id, "a"), `${id}:end`, `${id}:timeout`];
      expect([id, ...jobs].map((one) => router.ofId(one))).toEqual(Array(5).fill(router.ofId(run)));
    }
  }
});

test("no job of the parent, and no job of another run of it, has the id of a job in one", () => {
  const ofRuns = [childRunId("r", "a", 1), childRunId("r", "a", 2), childRunId("r", "a", 1, 0)];
  const jobs = ["r", ...ofRuns].flatMap((run) =>
    ["a", "undo", "end"].flatMap((step) => [
      stepJobId(run, step),
      stepJobId(run, step, 0),
      undoJobId(run, step),
    ]),
  );
  expect(new Set(jobs).size).toBe(jobs.length);
});
