// Steps: stored once, by who holds the job, and kept exactly as long as somebody may go on from them.
import { describe, expect, test } from "vitest";
import { HOUR_MS, runText, useShards, type ShardBench } from "./shard-bench.js";

const setup = useShards();

async function setupActive(): Promise<ShardBench> {
  const bench = setup();
  await bench.put({ a: {} });
  await bench.claim("A", 1);
  return bench;
}

async function setupNoted(): Promise<ShardBench> {
  const bench = await setupActive();
  await bench.saveStep("A", "a", "charge", { id: 1 });
  await bench.note("A", { a: 50 });
  return bench;
}

const NOTES = { a: '["charge",{"id":1}]', "a progress": "50" };

describe("a step", () => {
  test("is stored in a line of its own, with its result or without one", async () => {
    const bench = await setupActive();
    expect(await bench.saveStep("A", "a", "charge", { id: 1 })).toBe("SAVED");
    expect(await bench.saveStep("A", "a", "send")).toBe("SAVED");
    expect(await bench.saveStep("A", "a", 'a "name"', null)).toBe("SAVED");
    expect((await bench.shard()).notes).toEqual({
      a: '["charge",{"id":1}]\n["send"]\n["a \\"name\\"",null]',
    });
  });

  test("that is sent again stays as it is, wherever it stands", async () => {
    const bench = await setupActive();
    for (const name of ["one", "two", "three"]) await bench.saveStep("A", "a", name, name);
    const { notes } = await bench.shard();
    for (const name of ["one", "two", "three"]) {
      expect(await bench.saveStep("A", "a", name, "another")).toBe("SAVED");
      expect(await bench.saveStep("A", "a", name)).toBe("SAVED");
    }
    expect((await bench.shard()).notes).toEqual(notes);
  });

  test.each([['x\n["b"'], [[["b", 1]]], [{ '\n["b"': 1 }], ["b"]])(
    "is not taken for one that the result %j of another only mentions",
    async (result) => {
      const bench = await setupActive();
      await bench.saveStep("A", "a", "first", result);
      await bench.saveStep("A", "a", "b", 1);
      expect((await bench.shard()).notes["a"]?.split("\n")[1]).toBe('["b",1]');
    },
  );

  test("is not taken for one whose name begins the same", async () => {
    const bench = await setupActive();
    await bench.saveStep("A", "a", "charge-2", 2);
    await bench.saveStep("A", "a", "charge", 1);
    expect((await bench.shard()).notes).toEqual({ a: '["charge-2",2]\n["charge",1]' });
  });
});

describe("is refused", () => {
  test("as LOST for a worker without a lease, or a condemned one that still holds the job", async () => {
    const bench = await setupActive();
    expect(await bench.saveStep("nobody", "a")).toBe("LOST");
    await bench.redis.zadd(bench.keys.leases, 0, "A");
    expect(await bench.saveStep("A", "a")).toBe("LOST");
    expect((await bench.shard()).notes).toEqual({});
  });

  test("as GONE for a job that another holds, that waits, or that is unknown", async () => {
    const bench = await setupActive();
    await bench.register("B");
    await bench.put({ waits: {} });
    for (const [worker, id] of [
      ["B", "a"],
      ["A", "waits"],
      ["A", "never"],
    ] as const) {
      expect(await bench.saveStep(worker, id)).toBe("GONE");
    }
    expect((await bench.shard()).notes).toEqual({});
  });

  test("after the job was taken over: what the new holder has stored stands byte for byte", async () => {
    const bench = await setupActive();
    await bench.endLease("A");
    await bench.reclaim("A", ["a"]);
    await bench.claim("B", 1);
    await bench.saveStep("B", "a", "charge", "of B");
    await bench.note("B", { a: 10 });
    const { notes } = await bench.shard();
    expect(await bench.saveStep("A", "a", "later", "of A")).toBe("LOST");
    expect(await bench.note("A", { a: 90 })).toBe("LOST");
    expect((await bench.shard()).notes).toEqual(notes);
  });
});

describe("steps and progress", () => {
  const stays: Readonly<Record<string, (bench: ShardBench) => Promise<unknown>>> = {
    "a failure that is retried": (bench) => bench.fail("A", "a", "retry"),
    "a crash": async (bench) => {
      await bench.endLease("A");
      await bench.reclaim("A", ["a"]);
    },
    "a hand-back": (bench) => bench.reclaim("A", ["a"], { reason: "handed-back" }),
    "death, and a retry by a person": async (bench) => {
      await bench.fail("A", "a", "dead");
      expect((await bench.shard()).notes).toEqual(NOTES);
      expect(await bench.retry("a")).toBe("RETRIED");
    },
    "death by crashes": async (bench) => {
      await bench.runAlone("A", "a");
      await bench.endLease("A");
      await bench.reclaim("A", ["a"], { maxCrashes: 1 });
      expect((await bench.runOf("a")).state).toBe("dead");
    },
    "a cancel of the running job": (bench) => bench.fail("A", "a", "cancelled"),
    "a cancel that is kept": async (bench) => {
      await bench.fail("A", "a", "retry");
      await bench.cancel("a");
    },
    "a sweep before the time": async (bench) => {
      await bench.fail("A", "a", "dead");
      await bench.sweep();
    },
    "the completion of another job": async (bench) => {
      await bench.put({ b: {}, c: {} });
      await bench.claim("A", 2);
      const kept = [{ id: "b", run: runText({ state: "completed" }), keepMs: HOUR_MS }];
      await bench.advance("A", { kept, dropped: ["c"] });
    },
  };
  test.each(Object.entries(stays))("stay through %s", async (_what, move) => {
    const bench = await setupNoted();
    await move(bench);
    expect((await bench.shard()).notes).toEqual(NOTES);
  });

  const goes: Readonly<Record<string, (bench: ShardBench) => Promise<unknown>>> = {
    "a completion that is kept": (bench) =>
      bench.advance("A", { kept: [{ id: "a", run: runText({ state: "completed" }), keepMs: HOUR_MS }] }),
    "a completion of which nothing is kept": (bench) => bench.advance("A", { dropped: ["a"] }),
    "a death of which nothing is kept": (bench) => bench.fail("A", "a", "dead", { ms: 0 }),
    "a cancel of which nothing is kept": async (bench) => {
      await bench.fail("A", "a", "retry");
      await bench.cancel("a", 0);
    },
    "a deletion": async (bench) => {
      await bench.fail("A", "a", "dead");
      await bench.remove("a");
    },
    "the end of the retention of a dead job": async (bench) => {
      await bench.fail("A", "a", "dead");
      await bench.redis.zadd(bench.keys.dead, "XX", 1, "a");
      await bench.sweep();
    },
    "the end of the retention of a cancelled job": async (bench) => {
      await bench.fail("A", "a", "cancelled");
      await bench.redis.zadd(bench.keys.done, "XX", 1, "a");
      await bench.sweep();
    },
  };
  test.each(Object.entries(goes))("go with %s", async (_what, move) => {
    const bench = await setupNoted();
    await move(bench);
    expect((await bench.shard()).notes).toEqual({});
  });
});
