// The auditor at the gate of limits: states broken by hand are found, mended, and sound afterwards by the checks of the tests as well.
import { afterAll, beforeEach, describe, expect, test } from "vitest";
import { createInspector } from "../../../runtime/inspect/index.js";
import type { LimitedGroup } from "../../../runtime/definition/index.js";
import { pause } from "../../../runtime/scripts/index.js";
import { assertSound } from "../../support/fsck.js";
import { readShard } from "../../support/shard.js";
import { startRedis } from "../../support/redis.js";
import { TestShard } from "./shard.js";

const redis = await startRedis();
const shard = new TestShard(redis.url);
const { keys, connection } = shard;
const db = connection.redis;
const inspector = createInspector({ connection, keys, tasks: ["mail:send"] });
const { pending, due } = keys.queue("default");
const FAR = 9_000_000_000_000;
const GROUP = "mail:send ada";

afterAll(() => connection.disconnect());
beforeEach(async () => {
  await shard.clear();
  await db.hset(keys.meta, "protocol", "1", "queue:default", "3");
});

const add = (id: string, more: Partial<LimitedGroup> = { limit: 1 }, due = "") =>
  shard.add(id, { group: { name: GROUP, ...more }, options: { group: GROUP }, due });

const codesOf = ({ findings }: Awaited<ReturnType<typeof inspector.audit>>) =>
  [...new Set(findings.map(({ code }) => code))].toSorted();

/** What is found and repaired; nothing may be left of it, and nothing may be wrong by any check. */
async function mended(): Promise<readonly string[]> {
  const found = codesOf(await inspector.audit());
  expect((await inspector.audit({ repair: true })).remaining).toBe(0);
  expect((await inspector.audit()).findings).toEqual([]);
  await assertSound(db, keys);
  return found;
}

/** Runs all that can run, one after the other. */
async function drained(): Promise<readonly string[]> {
  const order: string[] = [];
  for (let ids = await shard.claim(10); ids.length > 0; ids = await shard.claim(10)) {
    order.push(...ids);
    for (const id of ids) await shard.complete(id, "ok");
  }
  return order;
}

const member = async (id: string) => {
  const [number, queue, ...group] = ((await db.hget(keys.limited, id)) ?? "").split(" ");
  return `${group.join(" ")}\n${number} ${queue} ${id}`;
};

describe("finds and mends", () => {
  test("a slot that leaked: its group would never open again", async () => {
    for (const id of ["a", "b", "c"]) await add(id);
    await db.hincrby(keys.groups, GROUP, 1);
    await shard.claim(1);
    await shard.complete("a", "ok");
    expect(await shard.claim(10)).toEqual([]);
    expect(await mended()).toEqual(["TW-F53"]);
    expect(await drained()).toEqual(["b", "c"]);
  });

  test("a slot that is not counted: more would run than may", async () => {
    for (const id of ["a", "b"]) await add(id);
    await shard.claim(1);
    await db.hdel(keys.groups, GROUP);
    expect(await mended()).toEqual(["TW-F53"]);
    expect(await shard.claim(10)).toEqual([]);
    await shard.complete("a", "ok");
    expect(await drained()).toEqual(["b"]);
  });

  test("a note that is lost: the next would wait for ever at an open gate", async () => {
    for (const id of ["a", "b"]) await add(id);
    await shard.claim(1);
    await shard.fail("a", "dead", "no");
    await db.zrem(keys.waiting, `\ndefault\n${GROUP}`);
    expect(await shard.claim(10)).toEqual([]);
    expect(await mended()).toEqual(["TW-F55"]);
    expect(await db.llen(keys.queue("default").wake)).toBe(1);
    expect(await drained()).toEqual(["b"]);
  });

  test("the place of a start that nobody has", async () => {
    const rate = { rate: { limit: 2, perMs: 3_600_000 } };
    for (const id of ["a", "b", "c"]) await add(id, rate);
    await shard.claim(1);
    await db.lrem(pending, 0, "b");
    await db.zadd(due, FAR, "b");
    await db.hset(keys.groups, GROUP, "1 2");
    await db.zrem(keys.waiting, `\ndefault\n${GROUP}`);
    const found = await mended();
    expect(found).toContain("TW-F53");
    expect(await shard.claim(10)).toEqual(["c"]);
  });

  test("a note at a gate whose limits a deploy has removed", async () => {
    const rate = { limit: 1, rate: { limit: 1, perMs: 3_600_000 } };
    for (const id of ["a", "b"]) await add(id, rate);
    await db.hset(keys.groups, "mail:send", "-", "%mail:send", "-");
    expect(await mended()).toEqual(["TW-F55"]);
    expect(await shard.claim(10)).toEqual(["a", "b"]);
  });

  test("a count of a queue", async () => {
    for (const id of ["a", "b"]) await add(id);
    await db.hincrby(keys.groups, "#default", 4);
    expect(await mended()).toEqual(["TW-F54"]);
    expect((await inspector.showQueue("default")).pending).toBe(2);
  });

  test("a job that the gate has lost, and that stands nowhere", async () => {
    for (const id of ["a", "b", "c"]) await add(id);
    await db.zrem(keys.waiting, await member("b"));
    expect(await mended()).toEqual(["TW-F01", "TW-F53", "TW-F54"]);
    // It kept its number, and so its place.
    expect(await drained()).toEqual(["a", "b", "c"]);
  });

  test("a job that runs without being known at the gate", async () => {
    for (const id of ["a", "b"]) await add(id);
    await shard.claim(1);
    await db.hdel(keys.limited, "a");
    expect(await mended()).toEqual(["TW-F50", "TW-F53"]);
    expect(await shard.claim(10)).toEqual([]);
    await shard.complete("a", "ok");
    expect(await drained()).toEqual(["b"]);
  });

  test("a job that waits at the gate without an entry", async () => {
    for (const id of ["a", "b"]) await add(id);
    await db.hdel(keys.limited, "b");
    expect(await mended()).toEqual(["TW-F01", "TW-F50", "TW-F52"]);
    expect(await drained()).toEqual(["a", "b"]);
  });

  test("what the gate knows of jobs that have ended or are gone", async () => {
    await add("a");
    await add("b");
    await shard.claim(1);
    const entry = (await db.hget(keys.limited, "a")) ?? "";
    await shard.complete("a", "ok");
    await db.hset(keys.limited, "a", entry, "gone", entry);
    await db.zadd(keys.waiting, 0, `${GROUP}\n0000000000000001 default gone`);
    await db.hincrby(keys.groups, "#default", 1);
    expect(await mended()).toEqual(expect.arrayContaining(["TW-F03", "TW-F51"]));
    expect(await drained()).toEqual(["b"]);
  });

  test("a job that waits at the gate and stands in its list, twice at the gate, or at another one", async () => {
    for (const id of ["a", "b", "c", "d"]) await add(id);
    await db.rpush(pending, "b");
    for (const stray of [`${GROUP}\n0000000000000009 default c`, "mail:send eve\n0000000000000004 default d"])
      await db.zadd(keys.waiting, 0, stray);
    expect(await mended()).toEqual(["TW-F02", "TW-F52", "TW-F54", "TW-F55"]);
    expect((await drained()).toSorted()).toEqual(["a", "b", "c", "d"]);
  });

  test("a job that is due and waits at the gate", async () => {
    await add("a");
    await add("b");
    await db.zadd(due, FAR, "b");
    expect(await mended()).toEqual(["TW-F02"]);
    expect(await drained()).toEqual(["a", "b"]);
  });
});

describe("a step that runs, or waits in its list, and that the gate does not know", () => {
  const run = (state: Readonly<Record<string, string>>) =>
    db.hset(keys.workflows, { r: '[1,"w","h1",1795420000000,"",{}]', ...state });
  const isKnown = async () => (await db.hget(keys.limited, "r.a")) !== null;

  test.each([1, 0])("is a finding while its run goes on, and comes to be known (%d of it run)", async (n) => {
    await run({});
    await shard.add("r.a", {
      group: { name: GROUP, limit: 1 },
      options: { group: GROUP, run: "r", step: "a" },
    });
    await shard.claim(n);
    await db.hdel(keys.limited, "r.a");
    expect(codesOf(await inspector.audit())).toContain("TW-F50");
    const { counts } = await inspector.audit({ repair: true });
    expect([counts["TW-F50"], await isKnown()]).toEqual([1, true]);
  });

  test.each([{ "r :state": "cancelling" }, { "r :state": "failed 1795420000000 null" }])(
    "has left the gate where its run does not go on: %j",
    async (state) => {
      await run(state);
      await shard.add("r.a", {
        group: { name: GROUP, limit: 1 },
        options: { group: GROUP, run: "r", step: "a" },
      });
      await db.hdel(keys.limited, "r.a");
      await db.hdel(keys.groups, GROUP);
      expect((await inspector.audit()).counts).not.toHaveProperty("TW-F50");
      await shard.claim(1);
      expect((await inspector.audit({ repair: true })).counts).not.toHaveProperty("TW-F50");
      expect(await isKnown()).toBe(false);
    },
  );
});

describe("of a paused task", () => {
  const set = (action: "pause" | "resume") =>
    pause(connection, { keys, kind: "task", name: "mail:send", action, queues: ["default"] });

  test("a parked job is where it belongs, and one that was lost comes back", async () => {
    await shard.add("a");
    await shard.add("b");
    await set("pause");
    expect(await shard.claim(10)).toEqual([]);
    const before = await readShard(db, keys);
    expect((await inspector.audit({ repair: true })).findings).toEqual([]);
    expect(await readShard(db, keys)).toEqual({ ...before, nowMs: expect.any(Number) as number });
    await db.zrem(keys.waiting, await member("a"));
    expect(await mended()).toEqual(["TW-F01", "TW-F51", "TW-F54"]);
    await set("resume");
    expect((await drained()).toSorted()).toEqual(["a", "b"]);
  });

  test("nobody waits for ever behind a pause: groups that claims have not reopened yet are no finding", async () => {
    for (const id of ["a", "b"]) await add(id);
    await set("pause");
    await shard.claim(10);
    await set("resume");
    expect((await inspector.audit({ repair: true })).findings).toEqual([]);
    expect(await drained()).toEqual(["a", "b"]);
  });
});

test("a sound gate is left alone: holes, retries, holders, those who wait", async () => {
  for (const id of ["done", "retry", "held", "hole"]) await add(id, { limit: 9 });
  await add("later", { limit: 9 }, "+60000");
  await shard.claim(3);
  await shard.complete("done", "ok");
  await shard.fail("retry", "retry", "later");
  await inspector.cancel("hole");
  await db.hset(keys.groups, "mail:send", 2);
  for (const id of ["w1", "w2"]) await add(id);
  const before = await readShard(db, keys);
  expect((await inspector.audit({ repair: true })).findings).toEqual([]);
  expect(await readShard(db, keys)).toEqual({ ...before, nowMs: expect.any(Number) as number });
});
