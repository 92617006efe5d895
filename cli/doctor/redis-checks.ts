/** Checks of the project's Redis. */
import type { Redis } from "ioredis";
import { parseRedisAddress } from "../../runtime/config/index.js";
import { openServer, ShardKeys } from "../../runtime/inspect/index.js";
import { describeError } from "../error-report.js";
import { maskUrls } from "../output/mask.js";
import { reachRedis, reachShards } from "../redis/reach.js";
import type { ServerInfo } from "../redis/server-info.js";
import type { Session } from "../session.js";
import { checkAccess } from "./access-checks.js";
import {
  checkCoverage,
  checkFailedSnapshot,
  checkPersistence,
  checkReplication,
} from "./durability-checks.js";
import { ok, problem, type Finding } from "./finding.js";
import { checkSystem } from "./system-checks.js";

const PINGS = 20;
const SLOW_PING_MS = 10;
const MAX_SKEW_MS = 1000;
const FULL_SHARE = 0.8;
const SLOW_ENTRIES = 128;
const SLOW_COMMAND_MS = 100;
const HOUR_MS = 3_600_000;

/** All checks of the server that the other commands would use. */
export async function checkRedis(session: Session): Promise<readonly Finding[]> {
  let url: string;
  let info: ServerInfo;
  try {
    url = await session.redisUrl();
    info = await reachRedis(url, await session.prefix());
  } catch (error) {
    const { message, fix } = describeError(error);
    return [
      problem("TW-D20", "error", message, {
        why: "nothing can be enqueued or run",
        fix: fix ?? "check the address",
      }),
    ];
  }
  return [
    ok("TW-D20", `${info.product} ${info.version} answers at ${maskUrls(url)}`),
    checkTransport(url),
    ...(await checkServer(url, info, session)),
    ...(await checkOtherShards(url, info, session)),
    ...(await checkSystem(session)),
  ];
}

async function checkServer(
  url: string,
  info: ServerInfo,
  session: Session,
  shard = 0,
): Promise<readonly Finding[]> {
  return [
    checkPolicy(info),
    checkMemory(info),
    checkReplication(info),
    ...(await askServer(url, session, shard, async (redis) => {
      const setting = async (name: string): Promise<string | undefined> => {
        const pair = await redis.config("GET", name).catch(() => undefined);
        return (pair as readonly string[] | undefined)?.[1];
      };
      const slow = await redis.slowlog("GET", SLOW_ENTRIES).catch(() => undefined);
      return [
        checkPersistence(info, await setting("appendfsync")),
        ...checkFailedSnapshot(info, await setting("save"), await setting("stop-writes-on-bgsave-error")),
        ...checkCoverage(info, await setting("cluster-require-full-coverage")),
        ...(await measure(redis)),
        ...(Array.isArray(slow) ? [checkSlowCommands(slow, Date.now())] : []),
      ];
    })),
    ...(await checkRights(url, session, shard)),
  ];
}

/**
 * Checks the other servers of a Cluster: one server that is configured differently loses jobs just as a
 * single one would. Each server is checked once and only its problems are reported; access rights are checked
 * per shard, because they depend on its keys.
 */
async function checkOtherShards(
  url: string,
  first: ServerInfo,
  session: Session,
): Promise<readonly Finding[]> {
  const prefix = await session.prefix();
  let shards: number;
  try {
    shards = await reachShards(url, prefix, await session.saidShards());
  } catch {
    // TW-D27 reports the reason.
    return [];
  }
  const servers = new Set([serverId(first)]);
  const findings: Finding[] = [];
  for (let shard = 1; shard < shards; shard += 1) {
    let found: readonly Finding[];
    try {
      const info = await reachRedis(url, prefix, shard);
      found = servers.has(serverId(info))
        ? await checkRights(url, session, shard)
        : await checkServer(url, info, session, shard);
      servers.add(serverId(info));
    } catch (error) {
      const { message, fix } = describeError(error);
      const details = { why: "its jobs wait, and enqueues to it fail", fix: fix ?? "look at that server" };
      found = [problem("TW-D20", "error", message, details)];
    }
    for (const finding of found) {
      if (finding.level !== "ok")
        findings.push({ ...finding, message: `shard ${shard}: ${finding.message}` });
    }
  }
  const spread = servers.size > 1 ? [ok("TW-D20", `${servers.size} servers have the ${shards} shards`)] : [];
  return [...spread, ...findings];
}

function serverId({ fields }: ServerInfo): string | undefined {
  return fields.get("run_id");
}

function checkPolicy(info: ServerInfo): Finding {
  const policy = info.fields.get("maxmemory_policy");
  if (policy === "noeviction") return ok("TW-D21", "maxmemory-policy is noeviction");
  return problem("TW-D21", "error", `expected maxmemory-policy noeviction, got ${policy ?? "no answer"}`, {
    why: "a full server with any other policy deletes jobs without a trace",
    fix: "run: redis-cli CONFIG SET maxmemory-policy noeviction, and set it in redis.conf",
  });
}

export function checkMemory(info: ServerInfo): Finding {
  const used = Number(info.fields.get("used_memory"));
  const limit = Number(info.fields.get("maxmemory"));
  // Buffers for replicas and the append-only file do not count against the limit.
  const notCounted = Number(info.fields.get("mem_not_counted_for_evict") ?? 0);
  const mebibytes = (bytes: number) => `${Math.round(bytes / 1024 / 1024)} MiB`;
  if (!(limit > 0)) return ok("TW-D23", `${mebibytes(used)} used, no limit set`);
  if (used - notCounted >= limit) {
    return problem("TW-D23", "error", `the memory is full: ${mebibytes(used)} of ${mebibytes(limit)} used`, {
      why: "enqueues fail with RedisFull; workers go on draining",
      fix: "raise maxmemory with: redis-cli CONFIG SET maxmemory, or remove jobs with: weft queues purge",
    });
  }
  if (used <= limit * FULL_SHARE) return ok("TW-D23", `${mebibytes(used)} of ${mebibytes(limit)} used`);
  return problem("TW-D23", "warning", `${mebibytes(used)} of ${mebibytes(limit)} used`, {
    why: "when it is full, enqueues fail with RedisFull; workers go on draining",
    fix: "raise maxmemory, shorten retention, or add workers",
  });
}

/** Over redis://, passwords and payloads are sent unencrypted. */
export function checkTransport(url: string): Finding {
  const { hosts, tls } = parseRedisAddress(url);
  const far = hosts.find(({ host }) => !/^(localhost|\[?::1\]?|127\..*)$/.test(host));
  if (tls || far === undefined)
    return ok("TW-D24", far === undefined ? "the server is on this machine" : "the way there is encrypted");
  return problem("TW-D24", "warning", `the way to ${far.host} is not encrypted`, {
    why: "payloads and the password can be read on the network",
    fix: "use rediss:// unless the network itself is private",
  });
}

async function checkRights(url: string, session: Session, shard: number): Promise<readonly Finding[]> {
  const { tag } = new ShardKeys(await session.prefix(), shard);
  return await askServer(url, session, shard, async (redis) => [await checkAccess(redis, tag)]);
}

/** What INFO does not report; a server may refuse any of these questions. */
async function askServer(
  url: string,
  session: Session,
  shard: number,
  ask: (redis: Redis) => Promise<readonly Finding[]>,
): Promise<readonly Finding[]> {
  const options = { maxRetriesPerRequest: 0, retryStrategy: () => null };
  const redis = openServer(url, await session.prefix(), options, shard);
  let failure: unknown;
  redis.on("error", (error: unknown) => (failure = error));
  try {
    return await ask(redis);
  } catch (error) {
    const { message } = describeError(failure ?? error);
    return [
      problem("TW-D25", "warning", `could not measure the latency: ${message}`, {
        why: "the server refused or went away",
        fix: "check the server's log and the user's ACL",
      }),
    ];
  } finally {
    redis.disconnect();
  }
}

async function measure(redis: Redis): Promise<readonly Finding[]> {
  const roundTrips: number[] = [];
  let skewMs = Number.POSITIVE_INFINITY;
  for (let index = 0; index < PINGS; index++) {
    const before = performance.now();
    const [seconds, micros] = await redis.time();
    const tookMs = performance.now() - before;
    roundTrips.push(tookMs);
    const serverMs = Number(seconds) * 1000 + Number(micros) / 1000;
    // The server read its clock about half a round trip ago, so the shortest round trip gives the best
    // estimate.
    skewMs = Math.min(skewMs, Math.abs(Date.now() - tookMs / 2 - serverMs));
  }
  const median = roundTrips.toSorted((a, b) => a - b)[Math.floor(PINGS / 2)]!;
  return [checkLatency(median), checkSkew(skewMs)];
}

/**
 * Entries of SLOWLOG: id, time (s), duration (µs), command. Only the command name is shown, because the
 * arguments contain payloads.
 */
export function checkSlowCommands(entries: readonly unknown[], nowMs: number): Finding {
  const slow = (entries as readonly [number, number, number, readonly string[]][]).filter(
    ([, at, micros]) => micros >= SLOW_COMMAND_MS * 1000 && nowMs - at * 1000 < HOUR_MS,
  );
  if (slow.length === 0) return ok("TW-D31", `no command took ${SLOW_COMMAND_MS} ms in the last hour`);
  const worst = slow.reduce((a, b) => (b[2] > a[2] ? b : a));
  const text = `${slow.length} commands took ${SLOW_COMMAND_MS} ms or more in the last hour, the worst ${worst[3][0]} ${Math.round(worst[2] / 1000)} ms`;
  return problem("TW-D31", "warning", text, {
    why: "Redis does one thing at a time: all workers and producers waited",
    fix: "look for who sends it with: redis-cli SLOWLOG GET; KEYS, large ranges and other programs on this server are the usual cause",
  });
}

export function checkLatency(medianMs: number): Finding {
  const text = `a round trip takes ${medianMs.toFixed(1)} ms (median of ${PINGS})`;
  if (medianMs <= SLOW_PING_MS) return ok("TW-D25", text);
  return problem("TW-D25", "warning", text, {
    why: "each enqueue and each pickup waits that long",
    fix: "run workers and producers near Redis; look for a slow command with: redis-cli SLOWLOG GET",
  });
}

export function checkSkew(skewMs: number): Finding {
  if (skewMs <= MAX_SKEW_MS) return ok("TW-D26", "the clocks agree");
  return problem(
    "TW-D26",
    "warning",
    `the clock here and that of Redis differ by ${(skewMs / 1000).toFixed(1)} s`,
    {
      why: "jobs run by the clock of Redis: a runAt computed here is off by that much",
      fix: "synchronise the clocks (NTP), or use delay instead of runAt",
    },
  );
}
