// Texts that JSON allows and Lua's decoder refuses or changes must travel through every script unharmed: a script that
// stops half-way leaves a job nowhere, and one that stops each time keeps a whole worker's jobs from being taken back.
import { describe, expect, test } from "vitest";
import type { JobRun } from "../../runtime/protocol/index.js";
import { HOUR_MS, runText, useShards } from "./shard-bench.js";

const setup = useShards();

const payloads: Readonly<Record<string, unknown>> = {
  "half a surrogate pair": { text: "cut \ud83d" },
  "nested deeper than 1000": JSON.parse("[".repeat(1500) + "]".repeat(1500)) as unknown,
  "text that looks like structure": { '"},[{': '\\"]}', at: '"at":1' },
  "empty list and map": [[], {}, ""],
};

const messages: readonly string[] = [
  "cut \ud83d",
  'quote " backslash \\ brace } bracket ]]',
  "line\nbreak \u0000 \u2028 ünïcödé 🎉",
  ',"dead",null,[[1,"failed"]]',
  "",
];

function failure(message: string): JobRun["events"][number] {
  return [1_700_000_000_123, "failed", 1, "Error", message, `${message}\n at x`];
}

describe.each(Object.entries(payloads))("a payload with %s", (_name, payload) => {
  const key = 'a:task {"k}';
  const job = { payload, options: { at: 5 }, key, keyTtlMs: HOUR_MS };

  test("is cancelled, retried and deleted", async () => {
    const bench = setup();
    await bench.put({ j: job });
    expect(await bench.cancel("j")).toBe("CANCELLED");
    expect((await bench.shard()).keys).toEqual({});
    expect(await bench.retry("j")).toBe("RETRIED");
    expect((await bench.shard()).keys).toEqual({ [key]: "j" });
    expect(await bench.remove("j")).toBe("REMOVED");
    expect((await bench.shard()).keys).toEqual({});
  });

  test("goes dead and frees its key", async () => {
    const bench = setup();
    await bench.put({ j: job });
    await bench.claim("A", 1);
    expect(await bench.fail("A", "j", "dead")).toBe("dead");
    const shard = await bench.shard();
    expect(Object.keys(shard.dead)).toEqual(["j"]);
    expect(shard.keys).toEqual({});
  });

  test("is taken back from a worker that is gone, until it is dead", async () => {
    const bench = setup();
    await bench.put({ j: job });
    for (const worker of ["A", "B"]) {
      await bench.claim(worker, 1);
      await bench.runAlone(worker, "j");
      await bench.endLease(worker);
      const call = { maxCrashes: 2, suspectWaitMs: 0 };
      expect(await bench.reclaim(worker, ["j"], call)).toEqual({ taken: 1, unknownQueues: [] });
    }
    expect(Object.keys((await bench.shard()).dead)).toEqual(["j"]);
  });
});

test("an error that ends like the note that the job ran alone is no such note", async () => {
  const bench = setup();
  await bench.put({ j: {} });
  await bench.claim("A", 1);
  const event = [1, "failed", 1, "Error", "", '"alone","A"]]'] as const;
  const run = runText({ attempts: 1, crashes: 2, state: "retry", events: [event] });
  await bench.fail("A", "j", "retry", { run, ms: 0 });
  await bench.claim("A", 1);
  await bench.endLease("A");
  await bench.reclaim("A", ["j"]);
  expect(await bench.runOf("j")).toMatchObject({ crashes: 2, state: "retry", events: [event] });
});

test("a key with half a surrogate pair does not keep its job from ending", async () => {
  const bench = setup();
  await bench.put({ j: { key: "a:task cut \ud83d", keyTtlMs: HOUR_MS } });
  await bench.claim("A", 1);
  expect(await bench.fail("A", "j", "dead")).toBe("dead");
  expect(await bench.retry("j")).toBe("RETRIED");
  // Such a key reaches Redis as another text than the record holds, so its field belongs to no job.
  await bench.redis.del(bench.keys.keys);
});

describe.each(messages)("an error message %j stays as it is", (message) => {
  async function setupFailed(state: "dead" | "retry") {
    const bench = setup();
    await bench.put({ j: {} });
    await bench.claim("A", 1);
    const run = runText({ attempts: 1, state, events: [failure(message)] });
    await bench.fail("A", "j", state, { run, ms: state === "retry" ? 0 : HOUR_MS });
    return bench;
  }

  test("when the job is cancelled, discarded and retried", async () => {
    const bench = await setupFailed("retry");
    await bench.advance("A"); // moves the retry into the list
    await bench.cancel("j");
    expect(await bench.claim("A", 1)).toEqual(["j"]);
    await bench.discard("A", ["j"]);
    await bench.retry("j");
    const { events } = await bench.runOf("j");
    expect(events[0]).toEqual(failure(message));
    expect(events.map((entry) => entry[1])).toEqual(["failed", "cancelled", "retried"]);
  });

  test("when the dead job is retried", async () => {
    const bench = await setupFailed("dead");
    await bench.retry("j");
    const { events } = await bench.runOf("j");
    expect(events[0]).toEqual(failure(message));
    expect(events.map((entry) => entry[1])).toEqual(["failed", "retried"]);
  });

  test("when the job is taken back", async () => {
    const bench = await setupFailed("retry");
    await bench.claim("A", 1);
    await bench.endLease("A");
    await bench.reclaim("A", ["j"]);
    const { events } = await bench.runOf("j");
    expect(events[0]).toEqual(failure(message));
    expect(events.map((entry) => entry[1])).toEqual(["failed", "crashed"]);
  });

  test("when a retry turns into the cancel that was asked for", async () => {
    const bench = setup();
    await bench.put({ j: {} });
    await bench.claim("A", 1);
    await bench.cancel("j");
    const run = runText({ attempts: 1, state: "retry", events: [failure(message)] });
    expect(await bench.fail("A", "j", "retry", { run, ms: 0 })).toBe("cancelled");
    const { state, events } = await bench.runOf("j");
    expect(state).toBe("cancelled");
    expect(events[0]).toEqual(failure(message));
    expect(events.map((entry) => entry[1])).toEqual(["failed", "cancelled"]);
  });
});
