// Whoever gives a slot back says for which queues hints are to be left: those of others, whose keys the call does not have.
import { describe, expect, test } from "vitest";
import { HOUR_MS, runText, useShards, type NewJob, type ShardBench } from "./shard-bench.js";

const setup = useShards();

const of = (queue: string, limit = 1, more: NewJob = {}): NewJob => ({
  queue,
  group: { name: "a:task k", limit },
  ...more,
});

async function look(
  bench: ShardBench,
  queues: readonly string[],
  dropped: readonly string[] = [],
  want = 10,
) {
  const quotas = queues.map((queue) => ({ queue, quota: want }));
  const reply = await bench.advance("A", { want, quotas, dropped });
  if (reply === "LOST") throw new Error("expected a lease");
  return { ids: reply.ids, invited: reply.invited };
}

/** Worker A runs a job of `q`, and one of `other` waits behind it. */
async function setupBehind(limit = 1): Promise<ShardBench> {
  const bench = setup();
  await bench.put({ a: of("q", limit), b: of("other", limit), c: of("other", limit) });
  await bench.claim("A", 1);
  return bench;
}

describe("a queue is named", () => {
  test("by a completion, once: who takes the note up sees to the rest", async () => {
    const bench = await setupBehind();
    expect(await look(bench, ["q"], ["a"])).toEqual({ ids: [], invited: ["other"] });
    expect(await look(bench, ["q"])).toEqual({ ids: [], invited: [] });
    expect(await look(bench, ["other"])).toEqual({ ids: ["b"], invited: [] });
    expect(await look(bench, ["other"], ["b"])).toEqual({ ids: ["c"], invited: [] });
  });

  test("by a completion that is kept, and never where the worker serves it", async () => {
    const bench = await setupBehind();
    expect(await look(bench, ["q", "other"], ["a"])).toEqual({ ids: ["b"], invited: [] });
    const kept = [{ id: "b", run: runText({ state: "completed" }), keepMs: HOUR_MS }];
    expect(await bench.advance("A", { want: 1, kept })).toMatchObject({ ids: [], invited: ["other"] });
  });

  test.each(["retry", "dead", "cancelled"] as const)("by a failure (%s)", async (outcome) => {
    const bench = await setupBehind();
    expect(await bench.failed("A", "a", outcome)).toEqual({ outcome, invited: ["other"] });
    expect(await look(bench, ["other"])).toEqual({ ids: ["b"], invited: [] });
    expect(await bench.failed("A", "b", outcome, { queue: "other" })).toEqual({ outcome, invited: [] });
  });

  test("by a hole that is passed", async () => {
    const bench = setup();
    await bench.put({ a: of("q"), b: of("other") });
    await bench.cancel("a");
    await bench.claim("A", 1);
    expect(await bench.discarded("A", ["a"])).toEqual({ revived: 0, invited: ["other"] });
  });

  test("from when on one may start", async () => {
    const bench = setup();
    await bench.register("A");
    const group = { name: "a:task k", rate: { limit: 1, perMs: HOUR_MS } };
    await bench.put({ a: { group }, b: { group, queue: "other" } });
    expect(await look(bench, ["q"])).toEqual({ ids: ["a"], invited: ["other"] });
  });

  test("not from when on one may start where the worker serves it: it knows the time", async () => {
    const bench = setup();
    await bench.register("A");
    const group = { name: "a:task k", rate: { limit: 1, perMs: HOUR_MS } };
    await bench.put({ a: { group }, b: { group } });
    expect(await look(bench, ["q"])).toEqual({ ids: ["a"], invited: [] });
  });

  test("where nobody waits, by nobody", async () => {
    const bench = setup();
    await bench.put({ a: of("q"), b: of("q") });
    await bench.claim("A", 1);
    expect(await bench.failed("A", "a", "dead")).toEqual({ outcome: "dead", invited: [] });
    expect(await look(bench, ["q"])).toEqual({ ids: ["b"], invited: [] });
    expect(await look(bench, ["q"], ["b"])).toEqual({ ids: [], invited: [] });
  });
});

test("a queue that was looked at already is looked at again when the next one is of it", async () => {
  const bench = setup();
  await bench.put({
    one: of("q", 3),
    two: of("q", 3),
    three: of("q", 3),
    a: of("q", 3),
    b: of("other", 3),
    c: of("q", 3),
  });
  await bench.claim("A", 3);
  const first = await look(bench, ["q", "other"], ["one", "two", "three"]);
  expect(first).toEqual({ ids: ["a", "b"], invited: ["q"] });
  expect(await look(bench, ["q", "other"])).toEqual({ ids: ["c"], invited: [] });
});
