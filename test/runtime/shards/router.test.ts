// Where a job lives follows from its id, in any language: these numbers must never change.
import { describe, expect, test } from "vitest";
import fc from "fast-check";
import { JobIdMaker, ShardRouter, tickJobId, tickOfJob } from "../../../runtime/protocol/index.js";

const counts = fc.integer({ min: 2, max: 64 });
const ids = fc.stringMatching(/^[A-Za-z0-9_:.-]{1,128}$/);

describe("the shard of an id", () => {
  test.each([
    ["mifa3k2hAbCdEfGh0", 4, 2],
    ["order-17", 4, 0],
    ["cron:nightly:mifa3k2h", 8, 3],
  ])("%s of %i shards is %i", (id, shards, shard) => {
    expect(new ShardRouter(shards).ofId(id)).toBe(shard);
  });

  test("is that of whatever is named after it", () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[A-Za-z0-9_-]{1,60}$/), counts, (id, count) => {
        const router = new ShardRouter(count);
        const family = [`${id}..exhausted`, `${id}.step.7`, `${id}:end`, `${id}.a.b.c`];
        for (const name of family) expect(router.ofId(name)).toBe(router.ofId(id));
      }),
    );
  });

  test("spreads the ids of a process evenly", () => {
    const [router, maker] = [new ShardRouter(8), new JobIdMaker()];
    const found = Array.from({ length: 8 }, () => 0);
    for (let made = 0; made < 8000; made += 1)
      found[router.ofId(maker.next(1_700_000_000_000 + made / 100))]! += 1;
    for (const count of found) expect(count).toBeGreaterThan(700);
  });
});

describe("an id that a key leads elsewhere", () => {
  test("tells the tick of a schedule as before", () => {
    const [router, tick] = [new ShardRouter(8), 1_800_000_000_000];
    const told = Array.from({ length: 8 }, (_unused, shard) =>
      tickOfJob(router.idIn(shard, tickJobId("shop:nightly", tick))),
    );
    expect(new Set(told)).toEqual(new Set([tick]));
  });

  test("lives there, is the same each time, and stays within its bounds", () => {
    fc.assert(
      fc.property(ids, counts, fc.nat(), (id, count, any) => {
        const router = new ShardRouter(count);
        const shard = any % count;
        const led = router.idIn(shard, id);
        expect(router.ofId(led)).toBe(shard);
        expect(router.idIn(shard, id)).toBe(led);
        expect(router.idIn(shard, led)).toBe(led);
        expect(led).toMatch(/^[A-Za-z0-9_:.-]{1,128}$/);
      }),
    );
  });

  test("is made anew until it leads there", () => {
    const [router, maker] = [new ShardRouter(64), new JobIdMaker()];
    for (let shard = 0; shard < 64; shard += 1)
      expect(router.ofId(router.makeId(shard, () => maker.next(1_700_000_000_000)))).toBe(shard);
  });
});

test("the shard of a key", () => {
  const router = new ShardRouter(4);
  expect(["mail:send a@b", "mail:send ä", "x 1"].map((key) => router.ofKey(key))).toEqual([0, 1, 2]);
});
