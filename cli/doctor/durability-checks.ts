/** Checks how much data a crash of the server would lose. */
import type { ServerInfo } from "../redis/server-info.js";
import { ok, problem, type Finding } from "./finding.js";

const LONGEST_LAG_SECONDS = 10;

/** `appendfsync` as CONFIG GET reports it; `undefined` if the server refused the question. */
export function checkPersistence({ fields }: ServerInfo, appendfsync?: string): Finding {
  if (fields.get("aof_enabled") !== "1") return checkSnapshots(fields);
  const status = fields.get("aof_last_write_status");
  if (status !== undefined && status !== "ok") {
    return problem("TW-D22", "error", `the last write of the append-only file failed (${status})`, {
      why: "the server refuses writes, or loses them at the next restart",
      fix: "look into the server's log; a full disk is the usual cause",
    });
  }
  if (appendfsync === "no") {
    return problem("TW-D22", "warning", "the append-only file is on, with appendfsync no", {
      why: "when the machine stops, all that the system has not yet written is lost: half a minute as a rule",
      fix: "run: redis-cli CONFIG SET appendfsync everysec, and set it in redis.conf",
    });
  }
  return ok("TW-D22", `the append-only file is on${LOSSES.get(appendfsync) ?? ""}`);
}

const LOSSES: ReadonlyMap<string | undefined, string> = new Map([
  ["always", " with appendfsync always: a crash loses nothing that was answered"],
  ["everysec", " with appendfsync everysec: when the machine stops, the last second is lost"],
]);

function checkSnapshots(fields: ServerInfo["fields"]): Finding {
  const status = fields.get("rdb_last_bgsave_status") ?? "ok";
  const changes = Number(fields.get("rdb_changes_since_last_save") ?? 0);
  const failed = status === "ok" ? "" : `, and the last snapshot failed (${status})`;
  return problem("TW-D22", "warning", `the append-only file is off${failed}`, {
    why: `jobs since the last snapshot are lost when the server restarts: now ${changes} changes`,
    fix: "run: redis-cli CONFIG SET appendonly yes, and set appendonly yes and appendfsync everysec in redis.conf",
  });
}

/**
 * A server with save points that cannot save refuses every write (MISCONF), even with the append-only file on.
 * `save` and `stopWrites` (stop-writes-on-bgsave-error) are the values of CONFIG GET; `undefined` if the server
 * refuses it.
 */
export function checkFailedSnapshot(
  { fields }: ServerInfo,
  save: string | undefined,
  stopWrites: string | undefined,
): readonly Finding[] {
  const status = fields.get("rdb_last_bgsave_status") ?? "ok";
  if (status === "ok" || save === undefined || save === "" || stopWrites !== "yes") return [];
  return [
    problem("TW-D22", "error", `the server refuses every write: the last snapshot failed (${status})`, {
      why: "nothing can be enqueued or run until a snapshot is written",
      fix: "look into the server's log; a full disk, or a folder that it may not write to, is the usual cause. Then run: redis-cli BGSAVE",
    }),
  ];
}

export function checkReplication({ fields }: ServerInfo): Finding {
  if (fields.get("role") === "slave") {
    const link = fields.get("master_link_status") ?? "unknown";
    return problem("TW-D30", "error", `this server is a replica (link to its primary: ${link})`, {
      why: "it refuses every write, so nothing can be enqueued or run",
      fix: "use the address of the primary, or of the proxy or Sentinel that knows it",
    });
  }
  const replicas = replicasOf(fields);
  if (replicas.length === 0) return ok("TW-D30", "no replicas: durability replicated cannot be reached");
  const late = replicas.filter(({ state, lag }) => state !== "online" || lag > LONGEST_LAG_SECONDS);
  if (late.length === 0) return ok("TW-D30", `${replicas.length} replicas follow`);
  const worst = late.map(({ state, lag }) => (state === "online" ? `${lag} s behind` : state)).join(", ");
  return problem(
    "TW-D30",
    "warning",
    `${late.length} of ${replicas.length} replicas do not follow: ${worst}`,
    {
      why: "a failover to one of them loses the jobs since; enqueues with durability replicated time out",
      fix: "look into the replica's log; the network, or a backlog that is too small, is the usual cause",
    },
  );
}

/**
 * `coverage`: cluster-require-full-coverage as CONFIG GET reports it; `undefined` if the server refused the
 * question.
 */
export function checkCoverage({ fields }: ServerInfo, coverage: string | undefined): readonly Finding[] {
  const isPrimary = fields.get("cluster_enabled") === "1" && fields.get("role") !== "slave";
  if (!isPrimary || coverage !== "yes" || replicasOf(fields).length > 0) return [];
  return [
    problem(
      "TW-D33",
      "warning",
      "this primary of a Cluster has no replica, and cluster-require-full-coverage is yes",
      {
        why: "while it is down, every other node refuses everything as well: all shards stand still",
        fix: "give it a replica, or run on every node: redis-cli CONFIG SET cluster-require-full-coverage no",
      },
    ),
  ];
}

function replicasOf(
  fields: ServerInfo["fields"],
): readonly { readonly state: string; readonly lag: number }[] {
  return [...fields].filter(([name]) => /^slave\d+$/.test(name)).map(([, text]) => replicaOf(text));
}

/** Parses `ip=10.0.0.2,port=6379,state=online,offset=1,lag=0`. */
function replicaOf(text: string): { readonly state: string; readonly lag: number } {
  const parts = new Map(text.split(",").map((part) => part.split("=") as [string, string]));
  return { state: parts.get("state") ?? "unknown", lag: Number(parts.get("lag") ?? 0) };
}
