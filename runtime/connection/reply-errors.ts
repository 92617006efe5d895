/**
 * Maps errors of ioredis and Redis to the closed list of error codes, so that callers never parse messages.
 */
import { TaskweftError } from "../errors.js";

/** Error replies that mean "not now": nothing was executed, and the same request may succeed later. */
const UNAVAILABLE = /^(LOADING|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|NOREPLICAS|BUSY|MISCONF)\b/;
/** What a replica answers writes and WAIT, and a primary that becomes one a blocking pop. */
const FROM_REPLICA = /^(READONLY|UNBLOCKED)\b|cannot be used with replica instances/;
const DENIED = /^(NOAUTH|WRONGPASS|NOPERM)\b/;

export function isFromReplica(error: Error): boolean {
  return FROM_REPLICA.test(error.message);
}

export function isNoScript(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith("NOSCRIPT");
}

/** Whether Redis has refused something that it may accept in a while, as a primary without its replica does. */
export function isRefusedForNow(error: unknown): boolean {
  const said = error instanceof TaskweftError ? error.cause : error;
  return said instanceof Error && UNAVAILABLE.test(said.message);
}

/** Whether the call was given up, because its `commandTimeout` had passed. */
export function isTimeout(error: unknown): boolean {
  return error instanceof Error && error.message === "Command timed out";
}

/** Operations that change nothing, so that it does not matter whether they were executed. */
const READS: ReadonlySet<string> = new Set(["inspect", "read"]);

/** The error for a call that has got no answer in its time. */
export function unanswered(
  operation: string,
  of: {
    readonly address: string;
    readonly shard: string | undefined;
    readonly lastError: string | undefined;
  },
): TaskweftError {
  const { address, shard, lastError } = of;
  const isRead = READS.has(operation);
  const place = shard === undefined ? address : `the shard ${shard} at ${address}`;
  const call = isRead ? "" : ` the ${operation}`;
  const effect = isRead ? "" : ", so it may or may not have happened";
  const reason = lastError === undefined ? "" : `; its latest error: ${connectionErrorText(lastError)}`;
  const hint = /^(ASK|TRYAGAIN)\b/.test(lastError ?? "")
    ? "The slot of the shard is half moved to another node of the Cluster: finish the move, then try again."
    : "Check with `weft doctor` whether this Redis is alive, then try again.";
  return new TaskweftError(
    isRead ? "RedisUnavailable" : "OutcomeUnknown",
    `${place} did not answer${call} in time${effect}${reason}. ${hint}`,
    { operation },
  );
}

/** The text of a connection error, with what to do where Redis has refused something. */
export function connectionErrorText(text: string): string {
  const isRefusal = FROM_REPLICA.test(text) || DENIED.test(text);
  return isRefusal ? toTaskweftError(new Error(text), "connect").message : text;
}

/** The error for a server that refuses the requested database; `undefined` for every other error. */
export function databaseRefusal(error: Error): TaskweftError | undefined {
  const { command } = error as {
    readonly command?: { readonly name: string; readonly args: readonly unknown[] };
  };
  if (error instanceof TaskweftError || command?.name !== "select") return undefined;
  if (!error.message.startsWith("ERR ")) return toTaskweftError(error, "connect");
  return new TaskweftError(
    "RedisUnsuitable",
    `Redis has no database ${String(command.args[0])} (${error.message}). Name one that it has behind the host, as in redis://host:6379/0 (0 is the only one of most Clusters), or raise its setting \`databases\`. To separate systems that share a Redis, a prefix is enough.`,
    { operation: "connect", cause: new Error(error.message) },
  );
}

/**
 * The TaskweftError for a failed Redis call. The `command` of the original error is dropped: it contains
 * payloads and passwords.
 */
export function toTaskweftError(error: unknown, operation: string): TaskweftError {
  if (error instanceof TaskweftError) return error;
  const text = error instanceof Error ? error.message : String(error);
  const cause = new Error(text);
  if (text.startsWith("OOM")) {
    return new TaskweftError(
      "RedisFull",
      `Redis has reached maxmemory and refused the ${operation}; nothing was stored. Raise maxmemory, shorten retention, or let workers drain.`,
      { operation, cause },
    );
  }
  if (FROM_REPLICA.test(text)) {
    return new TaskweftError(
      "RedisUnavailable",
      `Redis refused the ${operation}, because this server is a read-only replica (READONLY). Use the address of its primary, or redis+sentinel://host:port/name, which finds the primary also after a failover.`,
      { operation, cause },
    );
  }
  if (UNAVAILABLE.test(text)) {
    return new TaskweftError("RedisUnavailable", `Redis refused the ${operation} for now: ${text}`, {
      operation,
      cause,
    });
  }
  if (DENIED.test(text)) {
    return new TaskweftError(
      "RedisUnavailable",
      `Redis does not let this user ${operation === "connect" ? "in" : `do the ${operation}`}: ${text.replace(/\.$/, "")}. Check the user and password in the URL, and the ACL.`,
      { operation, cause },
    );
  }
  if (error instanceof Error && error.name === "ReplyError") {
    return new TaskweftError("RedisRefused", `Redis answered the ${operation} with an error: ${text}`, {
      operation,
      cause,
    });
  }
  return new TaskweftError(
    "OutcomeUnknown",
    `the connection failed during the ${operation}, so it may or may not have happened: ${text}`,
    { operation, cause },
  );
}
