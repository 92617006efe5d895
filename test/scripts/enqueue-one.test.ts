// The enqueue of one job in few words: it must leave and answer what the call for many does.
import { describe, expect, test } from "vitest";
import { enqueue, enqueueOneScript, enqueueScript, type EnqueueItem } from "../../runtime/scripts/index.js";
import { item, recordText, type ShardBench, useShards } from "./shard-bench.js";

const setup = useShards();

/** What a way answers, and what it leaves, without what differs from one moment to the next. */
async function outcome(before: (bench: ShardBench) => Promise<unknown>, job: EnqueueItem): Promise<object> {
  const bench = setup();
  await before(bench);
  const { nowMs, known, refused, drained } = await bench.send([job], 7);
  const shard = await bench.shard();
  return {
    ...shard,
    nowMs: Math.abs(shard.nowMs - nowMs) < 5000,
    sent: Object.keys(shard.sent),
    draining: JSON.stringify(shard.draining).replaceAll(/\d{13}/g, "some time"),
    answer: [known, refused, drained.map(({ id }) => id)],
  };
}

describe("leaves and answers what the call for many does", () => {
  test.each<[string, (bench: ShardBench) => Promise<unknown>]>([
    ["where there is nothing", async () => undefined],
    ["behind others, with a hint that nobody took", (bench) => bench.put({ z: {}, y: {} })],
    ["where its queue is drained", (bench) => bench.drain("queue", "q")],
    ["where its task is drained", (bench) => bench.drain("task", "a:task")],
    ["where others are drained", (bench) => bench.drain("queue", "other")],
    [
      "where others are drained, with a hint that nobody took",
      async (bench) => {
        await bench.put({ z: {} });
        await bench.drain("task", "z:task");
      },
    ],
  ])("%s", async (_name, before) => {
    const one = item("a");
    // That queue has a most of pending jobs, of which it is far: the call for many.
    expect(await outcome(before, one)).toEqual(await outcome(before, { ...one, maxPending: 1000 }));
  });
});

test.each<[string, (bench: ShardBench) => Promise<unknown>]>([
  ["stored", async () => undefined],
  ["refused", (bench) => bench.drain("queue", "q")],
])(
  "a call that is sent again is answered as the first time, and nothing more is stored: %s",
  async (_name, before) => {
    const bench = setup();
    await before(bench);
    const first = await bench.send([item("a")], 7);
    if (first.drained.length === 0) await bench.advance("A", { dropped: await bench.claim("A", 1) });
    const gone = await bench.shard();
    for (let times = 0; times < 2; times += 1) expect(await bench.send([item("a")], 7)).toEqual(first);
    expect(await bench.shard()).toEqual({ ...gone, nowMs: expect.any(Number) as number });
    expect(await bench.redis.pttl(bench.keys.sent("client", 0))).toBeGreaterThan(590_000);
    // The next call of the slot is a new one, also where its number begins with that of the last.
    await bench.send([item("b")], 77);
    expect(Object.keys((await bench.shard()).jobs)).toEqual(first.drained.length === 0 ? ["b"] : []);
  },
);

test.each(["one", "many"])(
  "a call that comes late on a connection that was given up stores nothing: %s",
  async (kind) => {
    const bench = setup();
    const more = kind === "one" ? {} : { maxPending: 1000 };
    await bench.send([{ ...item("a"), ...more }], 9);
    await bench.advance("A", { dropped: await bench.claim("A", 1) });
    await bench.send([{ ...item("b"), ...more }], 10);
    await bench.send([{ ...item("a"), ...more }], 9);
    expect(Object.keys((await bench.shard()).jobs)).toEqual(["b"]);
    await bench.send([{ ...item("b"), ...more }], 10);
    await bench.send([{ ...item("c"), ...more }], 11);
    expect(Object.keys((await bench.shard()).jobs).toSorted()).toEqual(["b", "c"]);
  },
);

test("tells the time only where it is asked for it, also when it is sent again", async () => {
  const bench = setup();
  const call = { keys: bench.keys, client: "c", slot: 0, call: 4, items: [item("a")] };
  const untimed = { nowMs: undefined, known: [], refused: [], drained: [] };
  for (let times = 0; times < 2; times += 1)
    expect(await enqueue(bench.connection, { ...call, asksTime: false })).toEqual(untimed);
  expect(await enqueue(bench.connection, { ...call, call: 5, items: [item("b")] })).toEqual({
    ...untimed,
    nowMs: expect.any(Number) as number,
  });
  await bench.drain("queue", "q");
  const refused = await enqueue(bench.connection, { ...call, call: 6, asksTime: false });
  expect(refused).toEqual({ ...untimed, drained: call.items });
  expect(Object.keys((await bench.shard()).jobs).sort()).toEqual(["a", "b"]);
});

test("is what one plain job takes, and no other", async () => {
  const bench = setup();
  const ran: string[] = [];
  const runner = {
    run: (script: { readonly name: string }, keys: readonly string[], args: readonly (number | string)[]) => {
      ran.push(script.name);
      return bench.connection.run(script as typeof enqueueScript, keys, args);
    },
  };
  const call = async (items: readonly EnqueueItem[], more = {}) => {
    ran.length = 0;
    await enqueue(runner, { keys: bench.keys, client: "c", slot: 0, call: call.number++, items, ...more });
    return ran;
  };
  call.number = 1;
  const [one, many] = [[enqueueOneScript.name], [enqueueScript.name]];
  expect(await call([item("a")])).toEqual(one);
  expect(await call([item("b"), item("c")])).toEqual(many);
  for (const job of [
    { key: "a:task k", keyTtlMs: 1000 },
    { due: "+1000" },
    { ownId: true },
    { maxPending: 5 },
  ])
    expect(await call([item(JSON.stringify(job).length.toString(), job)])).toEqual(many);
  expect(await call([{ ...item("d"), dated: true }])).toEqual(many);
  expect(await call([item("e")], { evenDrained: true })).toEqual(many);
  expect((await bench.shard()).jobs["a"]).toBe(recordText());
});
