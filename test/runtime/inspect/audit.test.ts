// The auditor: every finding on a shard that is really broken, its repair, and that it leaves a sound shard alone.
import { afterAll, beforeEach, describe, expect, test } from "vitest";
import { createInspector } from "../../../runtime/inspect/index.js";
import { readShard } from "../../support/shard.js";
import { startRedis } from "../../support/redis.js";
import { TestShard, WORKER } from "./shard.js";

const redis = await startRedis();
const shard = new TestShard(redis.url);
const { keys, connection } = shard;
const db = connection.redis;
const inspector = createInspector({ connection, keys });
const { pending, due, wake } = keys.queue("default");
const KEY = "mail:send secret-of-ada";
const FAR = 9_000_000_000_000;
const DEAD = '[1,0,"dead",null,[]]';
const COMPLETED = '[1,0,"completed",{"a":[1]},[]]';
const CANCELLED = '[0,0,"cancelled",null,[]]';

afterAll(() => connection.disconnect());
beforeEach(async () => {
  await shard.clear();
  await db.hset(keys.meta, "protocol", "1", "queue:default", "3", "queue:other", "1");
});

/** Codes of what is found without and with a repair, and of what is left after it. */
async function mend(): Promise<Readonly<Record<"found" | "left", readonly string[]>>> {
  const codes = (report: Awaited<ReturnType<typeof inspector.audit>>) =>
    report.findings.map(({ code, repair }) => (repair === undefined ? `${code} by hand` : code));
  const found = codes(await inspector.audit());
  expect(codes(await inspector.audit({ repair: true }))).toEqual(found);
  return { found, left: codes(await inspector.audit()) };
}

const broken: [what: string, codes: readonly string[], breakIt: () => Promise<unknown>][] = [
  ["a job in no index", ["TW-F01"], () => db.del(pending)],
  ["a job in two indexes", ["TW-F02"], () => db.zadd(due, FAR, "a")],
  ["a job twice in its list", ["TW-F02"], () => db.rpush(pending, "a")],
  ["a job that waits in done", ["TW-F02"], () => db.zadd(keys.done, FAR, "a")],
  ["a completed job that waits", ["TW-F07"], () => db.hset(keys.runs, "a", COMPLETED)],
  ["a dead job in no index", ["TW-F07"], () => both(db.hset(keys.runs, "a", DEAD), db.del(pending))],
  ["a dead job in done", ["TW-F02"], () => both(ended(DEAD), db.zadd(keys.done, FAR, "a"))],
  ["a cancelled job without its hole", ["TW-F07"], () => ended('[0,0,"cancelled",1,[]]')],
  [
    "a cancelled job in its list",
    ["TW-F02"],
    () => both(db.hset(keys.runs, "a", CANCELLED), db.zadd(keys.done, FAR, "a")),
  ],
  ["a waiting id without a record", ["TW-F03"], () => db.hdel(keys.jobs, "a")],
  ["a due id without a record", ["TW-F03"], () => db.zadd(due, FAR, "gone")],
  ["a dead id without a record", ["TW-F03"], () => db.zadd(keys.dead, FAR, "gone")],
  [
    "an active id without a record",
    ["TW-F03"],
    () => both(db.hset(keys.active, "gone", "A"), db.zadd(keys.leases, 0, "A")),
  ],
  ["a run without a record", ["TW-F03"], () => db.hset(keys.runs, "gone", DEAD)],
  ["a tombstone that no list holds", ["TW-F04"], () => db.hset(keys.jobs, "gone", "[0]")],
  ["a record that cannot be read", ["TW-F05 by hand"], () => db.hset(keys.jobs, "a", '[1,"mail')],
  ["a run that cannot be read", ["TW-F06"], () => db.hset(keys.runs, "a", "[7")],
  [
    "a job in another queue",
    ["TW-F08"],
    () => both(db.del(pending), db.rpush(keys.queue("other").pending, "a")),
  ],
  [
    "a job that is due in another queue",
    ["TW-F08"],
    () => both(db.del(pending), db.zadd(keys.queue("other").due, FAR, "a")),
  ],
  ["a cancel of a job that waits", ["TW-F10"], () => db.sadd(keys.cancels, "a")],
  ["clients that wait for nothing", ["TW-F11"], () => db.hset(keys.waits, "gone", "client")],
  ["the log of nothing", ["TW-F12"], () => db.hset(keys.notes, "gone log", "0\n")],
  ["notes of nothing", ["TW-F12"], () => db.hset(keys.notes, "gone progress", "5", "gone", '["s"]')],
  ["notes that cannot be read", ["TW-F13 by hand"], () => db.hset(keys.notes, "a", '["s"')],
  ["a key without an end", ["TW-F20"], () => db.hset(keys.keys, KEY, "gone")],
  ["a worker without a lease", ["TW-F30"], () => db.hset(keys.active, "b", "A").then(() => lost("b"))],
  ["a known worker without a lease", ["TW-F30"], () => db.hset(keys.workers, "A", "{}")],
  ["a queue that nobody has declared", ["TW-F40"], () => db.hdel(keys.meta, "queue:default")],
  ["two hints", ["TW-F41"], () => db.rpush(wake, "1", "1")],
];

async function both(...all: readonly Promise<unknown>[]): Promise<void> {
  await Promise.all(all);
}

/** The job `a` has ended like this, and stands nowhere yet. */
function ended(run: string): Promise<void> {
  return both(db.hset(keys.runs, "a", run), db.del(pending));
}

async function lost(id: string): Promise<void> {
  await db.hset(keys.jobs, id, '[1,"mail:send","default","0a1b2c3d",0,{}]');
}

describe("finds, repairs and is content with", () => {
  test.each(broken)("%s", async (_what, codes, breakIt) => {
    await shard.add("a");
    await breakIt();
    const { found, left } = await mend();
    expect(found).toEqual(codes);
    const byHand = codes.filter((code) => code.endsWith("by hand"));
    expect(left).toEqual(byHand);
  });

  test("a key that a dead job still has, without telling the key", async () => {
    await shard.add("a", { options: { key: KEY } });
    await db.hset(keys.runs, "a", DEAD);
    await db.del(pending);
    await db.zadd(keys.dead, FAR, "a");
    const text = JSON.stringify(await inspector.audit());
    expect(text).toContain("mail:send sha256:");
    expect(text).not.toContain("secret-of-ada");
    expect(await mend()).toEqual({ found: ["TW-F21"], left: [] });
    expect(await db.hlen(keys.keys)).toBe(0);
  });
});

test("a key of another type is all that is told", async () => {
  await shard.add("a");
  await db.set(keys.dead, "no set");
  const { findings, remaining } = await inspector.audit({ repair: true });
  expect(findings).toEqual([{ code: "TW-F42", subject: keys.dead, expected: "zset", found: "string" }]);
  expect(remaining).toBe(1);
});

test("a job that a living worker holds is not taken from it", async () => {
  await shard.add("a");
  await shard.claim(1);
  await db.rpush(pending, "a");
  await db.hset(keys.runs, "b", DEAD);
  await db.hset(keys.active, "b", WORKER);
  const { findings } = await inspector.audit({ repair: true });
  expect(findings.map(({ code }) => code)).toEqual(["TW-F02", "TW-F03"]);
  const { active, pending: lists } = await readShard(db, keys);
  expect(active).toEqual({ a: WORKER, b: WORKER });
  expect(lists).toEqual({});
});

test("every state of a sound shard, keys of other people, and keys whose jobs are gone are left alone", async () => {
  for (const id of ["done", "dead", "retry", "held", "hole", "waits"])
    await shard.add(id, { options: { key: `mail:send ${id}` } });
  await shard.add("later", { due: "+60000" });
  await shard.claim(4);
  await shard.complete("done", "ok");
  await shard.fail("dead", "dead", "no");
  await shard.fail("retry", "retry", "later");
  await shard.note("held", { a: 1 }, 50);
  await inspector.cancel("hole");
  await db.hset(keys.keys, "mail:send gone", "gone");
  await db.zadd(keys.keysExpiry, FAR, "mail:send gone");
  await db.set(`${keys.tag}:novel`, "x");
  const before = await readShard(db, keys);
  expect(await inspector.audit({ repair: true })).toEqual({
    jobs: 7,
    findings: [],
    counts: {},
    remaining: 0,
  });
  expect(await readShard(db, keys)).toEqual({ ...before, nowMs: expect.any(Number) as number });
});

test("an event without an end is given one, and one that has it is left alone", async () => {
  await db.hset(keys.events, "order:placed 1", '[1,1,"",{}]', "order:placed secret", '[1,1,"",{}]');
  await db.zadd(keys.eventsExpiry, FAR, "order:placed 1");
  const [finding] = (await inspector.audit()).findings;
  expect(finding?.subject).toMatch(/^event order:placed sha256:[0-9a-f]{8}$/);
  expect(await mend()).toEqual({ found: ["TW-F22"], left: [] });
  expect(Number(await db.zscore(keys.eventsExpiry, "order:placed secret"))).toBeGreaterThan(Date.now());
});

test("a handler that waits for an event is found by it, and what finds it has an end", async () => {
  await shard.add("a");
  const line = (name: string, until: number): string => `\n%22${name}%22 ${until} e:x ["id"]\t"secret"\t`;
  const member = (name: string, id = "a"): string => `e:x ["id"]\n"secret"\ndefault ${id} %22${name}%22`;
  const waits = line("lost", FAR) + line("found", FAR) + line("over", 1);
  await db.hset(keys.notes, "a waits", `${waits}\n= e:x 1 %22heard%22`, "a", '["heard",{}]');
  await db.zadd(keys.listeners, 0, member("found"), 0, member("endless", "gone"));
  await db.zadd(keys.listenersExpiry, FAR, member("found"), FAR, member("left", "gone"));
  const { findings } = await inspector.audit();
  expect(findings.map(({ code, id, subject }) => [code, id, subject])).toEqual([
    ["TW-F24", "a", "event e:x"],
    ["TW-F23", "gone", "event e:x"],
  ]);
  expect(JSON.stringify(findings)).not.toContain("secret");
  expect(await mend()).toEqual({ found: ["TW-F24", "TW-F23"], left: [] });
  expect(await db.zscore(keys.listeners, member("lost"))).toBe("0");
  expect(await db.zscore(keys.listenersExpiry, member("lost"))).toBe(String(FAR));
  await db.hset(keys.notes, "a waits", "\n%22x%22 no time");
  expect(await mend()).toEqual({ found: [], left: [] });
  await db.hset(keys.notes, "a waits", "\n%22x%22 1 e:x [id]\t1\t");
  expect(await mend()).toEqual({ found: ["TW-F13 by hand"], left: ["TW-F13 by hand"] });
  await db.hset(keys.notes, "a waits", line("w", 1), "gone waits", line("w", 1));
  expect(await mend()).toEqual({ found: ["TW-F12"], left: [] });
});

test("clients wait for a workflow run until it has ended", async () => {
  const definition = JSON.stringify({ queue: "default", keepMs: 1, steps: [{ name: "a" }] });
  await db.hset(keys.workflows, "r", '[1,"a:flow","h",1,"",{}]', "r :open", 1);
  await db.hset(keys.workflows, "@a:flow h", definition, "@a:flow h#", 1);
  await db.zadd(keys.running, 1, "r");
  await shard.add("r.a", { options: { run: "r" } });
  await db.hset(keys.waits, "r", "client");
  expect(await mend()).toEqual({ found: [], left: [] });
  await db.hset(keys.workflows, "r :state", "completed 1 null");
  await db.hdel(keys.workflows, "r :open");
  await db.zrem(keys.running, "r");
  await db.zadd(keys.ended, FAR, "r");
  expect(await mend()).toEqual({ found: ["TW-F11"], left: [] });
});

test("a job with an option that the rules do not know is left alone, wherever it stands", async () => {
  const record = '[1,"mail:send","default","0a1b2c3d",{"novel":1},{}]';
  await db.hset(keys.jobs, "lost", record, "twice", record);
  await db.rpush(pending, "twice", "twice");
  expect(await inspector.audit({ repair: true })).toMatchObject({ jobs: 2, findings: [] });
});

test("what a newer protocol wrote is not looked at", async () => {
  await db.hset(keys.meta, "protocol", "2");
  await expect(inspector.audit()).rejects.toThrow("ProtocolUnknown");
});
