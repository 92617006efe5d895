// What the usual life of jobs costs Redis, counted by Redis: things that few jobs have must cost the others nothing.
import { expect, test } from "vitest";
import { HOUR_MS, runText, type ShardBench, useShards } from "./shard-bench.js";

const setup = useShards();
const JOBS = 10_000;
const BATCH = 100;

/** Calls by command since the last CONFIG RESETSTAT, without those of the measurement. */
async function counted({ redis }: ShardBench): Promise<Readonly<Record<string, number>>> {
  const lines = [...(await redis.info("commandstats")).matchAll(/^cmdstat_([^:|]+):calls=(\d+)/gm)];
  const calls = lines.map(([, command = "", count]) => [command, Number(count)] as const);
  return Object.fromEntries(
    calls.filter(([command]) => !["config", "info", "eval", "evalsha"].includes(command)),
  );
}

/** Enqueues and claims all, completes every other one with a run that is kept, and sweeps. */
async function live(bench: ShardBench): Promise<Readonly<Record<string, number>>> {
  await bench.register("A");
  await bench.redis.config("RESETSTAT");
  for (let from = 0; from < JOBS; from += BATCH) {
    const ids = Array.from({ length: BATCH }, (_unused, i) => `job${from + i}`);
    await bench.put(Object.fromEntries(ids.map((id) => [id, {}])));
    await bench.advance("A", { want: BATCH });
    const run = runText({ attempts: 1, state: "completed" });
    await bench.advance("A", {
      leaseMs: HOUR_MS,
      dropped: ids.filter((_id, i) => i % 2 === 0),
      kept: ids.filter((_id, i) => i % 2 === 1).map((id) => ({ id, run, keepMs: HOUR_MS })),
    });
  }
  await bench.sweep();
  return await counted(bench);
}

const BATCHES = JOBS / BATCH;
const COMMANDS = {
  // One of the sweep: whether anything may expire.
  exists: 4 * BATCHES + 1,
  hdel: 4 * BATCHES,
  hmget: 3 * BATCHES,
  hset: 3 * BATCHES,
  lpop: BATCHES,
  lpush: 1,
  // What the last call in the slot answered, and whether something is drained.
  mget: BATCHES,
  rpush: BATCHES,
  set: BATCHES,
  time: 3 * BATCHES + 1,
  zadd: 2 * BATCHES,
  zrange: 2 * BATCHES,
  // Of the sweep: starts that no rate counts any more.
  zrangebylex: 1,
  zrangebyscore: 5,
  zscore: 2 * BATCHES,
};

test(`${JOBS} jobs that note nothing cost what they cost without notes`, async () => {
  expect(await live(setup())).toEqual(COMMANDS);
});

test("beside a dead job that has noted something, they cost some commands a batch and none a job", async () => {
  const bench = setup();
  await bench.put({ noted: {} });
  await bench.claim("A", 1);
  await bench.saveStep("A", "noted");
  await bench.fail("A", "noted", "dead");
  await bench.redis.del(bench.keys.queue("q").wake);
  expect(await live(bench)).toEqual({
    ...COMMANDS,
    // Three for each part of a batch of acknowledgements: here one part is kept, of the other nothing.
    hdel: COMMANDS.hdel + 2 * BATCHES,
    hmget: COMMANDS.hmget + 2 * BATCHES,
    srem: 2 * BATCHES,
    // Is it that jobs have limits, or that something is paused? One for each call.
    exists: COMMANDS.exists + 2 * BATCHES,
  });
});

test("jobs with a limit cost a fixed number of short commands each, also beside many that wait", async () => {
  const bench = setup();
  const put = (from: number, count: number, group: string) =>
    bench.put(
      Object.fromEntries(
        Array.from({ length: count }, (_unused, i) => [
          `${group}${from + i}`,
          { group: { name: `a:task ${group}`, limit: 1 } },
        ]),
      ),
    );
  await bench.register("A");
  for (let from = 0; from < 5000; from += 250) await put(from, 250, "blocked");
  await bench.advance("A", { want: 1 });
  await bench.redis.config("RESETSTAT");
  for (let n = 0; n < 100; n += 1) {
    await put(n, 1, "k");
    expect(await bench.advance("A", { want: 10 })).toMatchObject({ ids: [`k${n}`] });
    await bench.advance("A", { dropped: [`k${n}`] });
  }
  const calls = Object.values(await counted(bench)).reduce((sum, count) => sum + count, 0);
  expect(calls / 100).toBeLessThan(48);
});
