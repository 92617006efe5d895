/** What can be wrong with the Redis of the project. */
import { Redis } from "ioredis";
import type { WorkerSummary } from "../../runtime/inspect/index.js";
import { describeError } from "../error-report.js";
import { withInspector } from "../inspection.js";
import { maskUrls } from "../output/mask.js";
import { reachRedis } from "../redis/reach.js";
import type { ServerInfo } from "../redis/server-info.js";
import type { Session } from "../session.js";
import { ok, problem, type Finding } from "./finding.js";

const PINGS = 20;
const SLOW_PING_MS = 10;
const MAX_SKEW_MS = 1000;
const FULL_SHARE = 0.8;

/** Everything about the server that the other commands would use. */
export async function checkRedis(session: Session): Promise<readonly Finding[]> {
  let url: string;
  let info: ServerInfo;
  try {
    url = await session.redisUrl();
    info = await reachRedis(url);
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
    checkPolicy(info),
    checkPersistence(info),
    checkMemory(info),
    checkTransport(url),
    ...(await checkTiming(url)),
    await checkWorkers(session),
  ];
}

export function checkPolicy(info: ServerInfo): Finding {
  const policy = info.fields.get("maxmemory_policy");
  if (policy === "noeviction") return ok("TW-D21", "maxmemory-policy is noeviction");
  return problem("TW-D21", "error", `expected maxmemory-policy noeviction, got ${policy ?? "no answer"}`, {
    why: "a full server with any other policy deletes jobs without a trace",
    fix: "run: redis-cli CONFIG SET maxmemory-policy noeviction, and set it in redis.conf",
  });
}

export function checkPersistence(info: ServerInfo): Finding {
  if (info.fields.get("aof_enabled") !== "1") {
    return problem("TW-D22", "warning", "the append-only file is off", {
      why: "jobs since the last snapshot are lost when the server restarts",
      fix: "run: redis-cli CONFIG SET appendonly yes, and set appendonly yes and appendfsync everysec in redis.conf",
    });
  }
  const status = info.fields.get("aof_last_write_status");
  if (status === undefined || status === "ok") return ok("TW-D22", "the append-only file is on");
  return problem("TW-D22", "error", `the last write of the append-only file failed (${status})`, {
    why: "the server refuses writes, or loses them at the next restart",
    fix: "look into the server's log; a full disk is the usual cause",
  });
}

export function checkMemory(info: ServerInfo): Finding {
  const used = Number(info.fields.get("used_memory"));
  const limit = Number(info.fields.get("maxmemory"));
  const mebibytes = (bytes: number) => `${Math.round(bytes / 1024 / 1024)} MiB`;
  if (!(limit > 0)) return ok("TW-D23", `${mebibytes(used)} used, no limit set`);
  if (used <= limit * FULL_SHARE) return ok("TW-D23", `${mebibytes(used)} of ${mebibytes(limit)} used`);
  return problem("TW-D23", "warning", `${mebibytes(used)} of ${mebibytes(limit)} used`, {
    why: "when it is full, enqueues fail with RedisFull; workers go on draining",
    fix: "raise maxmemory, shorten retention, or add workers",
  });
}

/** Passwords and payloads travel in clear over redis://. */
export function checkTransport(url: string): Finding {
  const { protocol, hostname } = new URL(url);
  const local = hostname === "localhost" || hostname === "[::1]" || hostname.startsWith("127.");
  if (protocol === "rediss:" || local)
    return ok("TW-D24", local ? "the server is on this machine" : "the way there is encrypted");
  return problem("TW-D24", "warning", `the way to ${hostname} is not encrypted`, {
    why: "payloads and the password can be read on the network",
    fix: "use rediss:// unless the network itself is private",
  });
}

async function checkTiming(url: string): Promise<readonly Finding[]> {
  const redis = new Redis(url, { maxRetriesPerRequest: 0, retryStrategy: () => null });
  let failure: unknown;
  redis.on("error", (error: unknown) => (failure = error));
  try {
    const roundTrips: number[] = [];
    let skewMs = Number.POSITIVE_INFINITY;
    for (let index = 0; index < PINGS; index++) {
      const before = performance.now();
      const [seconds, micros] = await redis.time();
      const tookMs = performance.now() - before;
      roundTrips.push(tookMs);
      const serverMs = Number(seconds) * 1000 + Number(micros) / 1000;
      // The server read its clock about half a round trip ago; the shortest trip tells best.
      skewMs = Math.min(skewMs, Math.abs(Date.now() - tookMs / 2 - serverMs));
    }
    const median = roundTrips.toSorted((a, b) => a - b)[Math.floor(PINGS / 2)]!;
    return [checkLatency(median), checkSkew(skewMs)];
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

async function checkWorkers(session: Session): Promise<Finding> {
  const workers = await withInspector(session, ({ inspector }) => inspector.listWorkers());
  return workersFinding(workers);
}

export function workersFinding(workers: readonly WorkerSummary[]): Finding {
  const alive = workers.filter((worker) => worker.alive).length;
  if (alive > 0) return ok("TW-D27", `${alive} ${alive === 1 ? "worker is" : "workers are"} alive`);
  return problem("TW-D27", "warning", "no worker is alive", {
    why: "jobs are stored and wait",
    fix: "run: weft worker, or weft dev",
  });
}
