// `npm run soak`: the chaos tests in their long form, one after the other. They mostly wait, so the machine may
// be a small one, but not a busy one: a lease of a second is lost where nobody is given the processor for a second.
//   npm run soak                       all
//   npm run soak -- stall poison       only these
//   npm run soak -- --list             what there is
import { build } from "./build.mjs";
import { ensureInstalled, ensureNode, ensureRedisServer, redisInstallCommand } from "./ensure.mjs";
import { main, runPackage, say, ToolError } from "./process.mjs";

/** The variables are those that each test reads; without them it plays its short form. */
const PARTS = [
  {
    name: "blocked",
    what: "100 handlers block their event loop for 30 s each, in 20 processes: none runs twice",
    file: "test/chaos/blocked-loops.test.ts",
    env: { CHAOS_BLOCKED_JOBS: "100", CHAOS_BLOCK_MS: "30000" },
  },
  {
    name: "escrow",
    what: "5 producers ask for 1,000 releases each, 12 workers are killed, the bank fails one call in five: each is paid once",
    file: "examples/hustlex/test/escrow.test.ts",
    env: { HUSTLEX_CONTRACTS: "1000", HUSTLEX_KILLS: "12" },
  },
  {
    name: "kills",
    what: "workers are killed at random for 10 minutes: every job is finished, and each second start has a crash on record",
    file: "test/chaos/processes.test.ts",
    env: { CHAOS_SECONDS: "600" },
  },
  {
    name: "memory",
    what: "Redis is filled to 256 MiB and refuses; workers drain it to zero, one of them is killed: no job that was taken is lost",
    file: "test/chaos/full-redis.test.ts",
    env: { CHAOS_MEMORY_MB: "256" },
  },
  {
    name: "operators",
    what: "5 people make 10,000 random calls in each of three systems beside workers and producers: every job ends as it must, fsck finds nothing",
    file: "test/chaos/operators.test.ts",
    env: { CHAOS_OPERATOR_CALLS: "10000" },
  },
  {
    name: "poison",
    what: "10 jobs that kill their process among 1,000: each takes three along at most, and all others finish",
    file: "test/chaos/poison.test.ts",
    env: { CHAOS_POISON: "10", CHAOS_JOBS: "1000" },
  },
  {
    name: "schedules",
    what: "30 schedules and 5 workers, one killed every 10 s for 5 minutes, Redis frozen for 20 s: each tick runs once",
    file: "test/chaos/schedules.test.ts",
    env: { CHAOS_SCHEDULE_MINUTES: "5" },
  },
  {
    name: "stall",
    what: "Redis stands still for 45 s under 50 jobs that run on: none runs twice, none is lost",
    file: "test/chaos/redis-stall.test.ts",
    env: { CHAOS_STALL_LEASE_MS: "15000", CHAOS_STALL_MS: "45000" },
  },
  {
    name: "workflows",
    what: "random workflows and a fan-out of 20,000 whose workers are killed: each run ends as it must",
    file: "test/chaos/workflows.test.ts",
    env: { CHAOS_FAN_OUT: "20000" },
  },
];

function pickParts(names) {
  const known = PARTS.map(({ name }) => name);
  const unknown = names.find((name) => !known.includes(name));
  if (unknown !== undefined) {
    throw new ToolError(
      `Expected names out of ${known.join(", ")}, got ${JSON.stringify(unknown)}.`,
      "npm run soak -- --list",
    );
  }
  return names.length === 0 ? PARTS : PARTS.filter(({ name }) => names.includes(name));
}

async function play({ name, what, file, env }) {
  say(`\n${name}: ${what}`);
  const startedAt = Date.now();
  const { code } = await runPackage("vitest/vitest.mjs", ["run", "--config", "test/vitest.config.ts", file], {
    env,
  });
  const took = `${((Date.now() - startedAt) / 60_000).toFixed(1)} min`;
  return { name, took, passed: code === 0 };
}

await main(async () => {
  ensureNode();
  const args = process.argv.slice(2);
  if (args.includes("--list")) {
    for (const { name, what } of PARTS) process.stdout.write(`${name.padEnd(10)} ${what}\n`);
    return 0;
  }
  const parts = pickParts(args);
  await ensureInstalled();
  const redis = await ensureRedisServer();
  if (redis === undefined) {
    throw new ToolError(
      "The tests need a real redis-server or valkey-server on PATH.",
      redisInstallCommand(),
    );
  }
  process.env["REDIS_BIN"] = redis;
  await build();
  const results = [];
  for (const part of parts) results.push(await play(part));
  process.stdout.write("\n");
  for (const { name, took, passed } of results) {
    process.stdout.write(`${passed ? "ok    " : "FAILED"}  ${name.padEnd(10)} ${took}\n`);
  }
  return results.every(({ passed }) => passed) ? 0 : 1;
});
