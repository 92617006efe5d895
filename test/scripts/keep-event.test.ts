import { describe, expect, test } from "vitest";
import { parseKeptEvent } from "../../runtime/protocol/index.js";
import { HOUR_MS, useShards } from "./shard-bench.js";

const setup = useShards();

const PAYLOAD = '{"note":"a \\"quoted\\" [1,2,\\"x\\"] text","name":"Ada ä"}';

describe("keep-event", () => {
  test("keeps an event with its time, its end and the actions that are settled", async () => {
    const bench = setup();
    expect(await bench.keep("1", { payload: PAYLOAD, settled: ["mail.1", "hook.2"] })).toBe("KEPT");
    const { events, eventsExpiry, nowMs } = await bench.shard();
    const { at, ...kept } = parseKeptEvent(events["e 1"]!)!;
    expect(kept).toEqual({ settled: ["mail.1", "hook.2"], payload: PAYLOAD });
    expect(nowMs - at).toBeLessThan(10_000);
    expect(eventsExpiry).toEqual({ "e 1": at + HOUR_MS });
  });

  test("kept again it keeps its time and its end, and settles more", async () => {
    const bench = setup();
    await bench.keep("1", { payload: PAYLOAD, settled: ["mail.1"] });
    const before = await bench.shard();
    const again = { payload: PAYLOAD, settled: ["hook.1", "mail.1"], keepMs: 1 };
    for (let call = 0; call < 2; call++) expect(await bench.keep("1", again)).toBe("KEPT");
    const after = await bench.shard();
    expect(after.eventsExpiry).toEqual(before.eventsExpiry);
    expect(after.events["e 1"]).toBe(before.events["e 1"]!.replace("mail.1", "mail.1 hook.1"));
  });

  test("whose end has passed is stored anew, also while no sweep has removed it", async () => {
    const bench = setup();
    await bench.keep("1", { payload: PAYLOAD, settled: ["mail.1"] });
    await bench.redis.zadd(bench.keys.eventsExpiry, 1, "e 1");
    expect(await bench.keep("1", { payload: "[2]", settled: ["hook.1"] })).toBe("KEPT");
    const { events, eventsExpiry, nowMs } = await bench.shard();
    const { at, ...kept } = parseKeptEvent(events["e 1"]!)!;
    expect(kept).toEqual({ settled: ["hook.1"], payload: "[2]" });
    expect(nowMs - at).toBeLessThan(10_000);
    expect(eventsExpiry).toEqual({ "e 1": at + HOUR_MS });
    expect(await bench.keep("1", { payload: "[2]" })).toBe("KEPT");
    expect(await bench.keep("1", { payload: PAYLOAD })).toBe("CONFLICT");
  });

  test("opens actions that were settled too early, also those of the same call", async () => {
    const bench = setup();
    await bench.keep("1", { settled: ["a.1", "a.10", "b.1"] });
    const open = ["a.1", "c.1"].map((name) => ({ name, id: `1..${name}` }));
    await bench.keep("1", { settled: ["a.1", "b.1", "c.1"], open });
    expect(parseKeptEvent((await bench.shard()).events["e 1"]!)!.settled).toEqual(["a.10", "b.1"]);
  });

  test("does not open actions whose job or run is there, whatever the producer knows", async () => {
    const bench = setup();
    const open = ["a.1", "b.1", "c.1"].map((name) => ({ name, id: `1..${name}` }));
    await bench.redis.hset(bench.keys.jobs, "1..a.1", "a job");
    await bench.redis.hset(bench.keys.workflows, "1..c.1", "a run");
    await bench.keep("1", { settled: ["a.1", "b.1", "c.1"], open });
    await bench.redis.del(bench.keys.jobs, bench.keys.workflows);
    expect(parseKeptEvent((await bench.shard()).events["e 1"]!)!.settled).toEqual(["a.1", "c.1"]);
  });

  test("refuses another payload under the id, and changes nothing; another event may have it", async () => {
    const bench = setup();
    await bench.keep("1", { payload: PAYLOAD });
    const before = await bench.shard();
    for (const payload of ["{}", PAYLOAD.slice(1), `${PAYLOAD} `])
      expect(await bench.keep("1", { payload, settled: ["a.1"] })).toBe("CONFLICT");
    expect({ ...(await bench.shard()), nowMs: 0 }).toEqual({ ...before, nowMs: 0 });
    expect(await bench.keep("1", { event: "other" })).toBe("KEPT");
  });

  test("finds it whatever the order of its fields, and keeps it as it was", async () => {
    const bench = setup();
    await bench.keep("1", { payload: '{"a":[],"b":{"c":1,"d":null}}' });
    const again = { payload: '{"b":{"d":null,"c":1},"a":[]}', settled: ["a.1"] };
    expect(await bench.keep("1", again)).toBe("KEPT");
    const { payload, settled } = parseKeptEvent((await bench.shard()).events["e 1"]!)!;
    expect([payload, settled]).toEqual(['{"a":[],"b":{"c":1,"d":null}}', ["a.1"]]);
    const other = { payload: '{"a":{},"b":{"c":1,"d":null}}' };
    expect(await bench.keep("1", other)).toBe("CONFLICT");
  });

  test("lets one be that a newer version has written", async () => {
    const bench = setup();
    await bench.redis.hset(bench.keys.events, "e 1", '[2,{"novel":1}]');
    await bench.redis.zadd(bench.keys.eventsExpiry, Date.now() + HOUR_MS, "e 1");
    expect(await bench.keep("1")).toBe("CONFLICT");
    expect(parseKeptEvent('[2,{"novel":1}]')).toBeUndefined();
  });
});
