/**
 * The one place that knows ioredis. A connection runs our scripts (loading them when a server does not know them),
 * reads claimed jobs, and says when it was re-made. It retries for ever: whoever needs a bound sets a deadline.
 */
import type { Redis } from "ioredis";
import type { ShardKeys } from "../protocol/index.js";
import type { Script, ScriptArgument, ScriptRunner } from "../scripts/index.js";
import { isElsewhere } from "./cluster-connector.js";
import { Reads } from "./reads.js";
import { type IoredisOptions, maskUrl, openRedis, reconnectDelay } from "./open-redis.js";
import { isFromReplica, isNoScript, toTaskweftError } from "./reply-errors.js";
import { SILENCE_LIMIT_MS, watchSilence } from "./silence.js";

const DEFAULT_REDIS_URL = "redis://127.0.0.1:6379";

export interface ConnectionOptions {
  /**
   * `redis://host:port`, `redis+sentinel://host:port,host:port/name` or `redis+cluster://host:port,host:port`; `rediss` for TLS.
   * Default: `TASKWEFT_REDIS_URL`, else `redis://127.0.0.1:6379`.
   */
  readonly url?: string | undefined;
  /** Further options of ioredis (TLS, Sentinels, addresses behind a NAT). They win over the URL. */
  readonly redis?: IoredisOptions | undefined;
}

/** Fields of one read. */
const READ_BATCH = 1000;
/** What every connection of ours is like, whoever makes it. Plain values, so that a thread can be given them. */
export const PLAIN_OPTIONS = {
  // Replies of plain commands look the same on every supported server and in scripts.
  protocol: 2,
  maxRetriesPerRequest: null,
  enableAutoPipelining: false,
  noDelay: true,
} as const;

export class Connection implements ScriptRunner {
  /** For reads by `inspect/` and for blocking pops; writes of job state go through scripts. */
  readonly redis: Redis;
  /** Where it connects to, fit for messages. */
  readonly address: string;
  readonly #onReconnect: (() => void)[] = [];
  #everReady = false;
  #lastError: Error | undefined;

  /** @param shard the one that it is for: it says to which node of a Cluster to connect. Not needed elsewhere. */
  constructor(options: ConnectionOptions, role: string, shard?: Pick<ShardKeys, "tag">) {
    const url = redisUrl(options);
    const { socketTimeout = SILENCE_LIMIT_MS, ...given } = options.redis ?? {};
    this.address = maskUrl(addressText(options, url));
    const redisOptions: IoredisOptions = {
      ...PLAIN_OPTIONS,
      connectionName: `taskweft-${role}`,
      retryStrategy: reconnectDelay,
      // After a failover this node is a replica: reconnect to whoever is primary now and send the command again.
      reconnectOnError: (error) => {
        if (!isFromReplica(error) && !isElsewhere(error)) return false;
        this.#lastError = error;
        return 2;
      },
      ...given,
    };
    this.redis = openRedis(url, shard?.tag, redisOptions);
    watchSilence(this.redis, socketTimeout);
    this.redis.on("error", (error: Error) => {
      this.#lastError = error;
    });
    this.redis.on("ready", () => {
      if (this.#everReady) for (const callback of this.#onReconnect) callback();
      this.#everReady = true;
    });
  }

  /** What went wrong last, if anything has: why there is no answer when there is none. */
  get lastError(): string | undefined {
    return this.#lastError?.message;
  }

  /** Calls back each time the connection was lost and made again: replies may have been lost in between. */
  onReconnect(callback: () => void): void {
    this.#onReconnect.push(callback);
  }

  async run(script: Script, keys: readonly string[], args: readonly ScriptArgument[]): Promise<unknown> {
    try {
      return await this.redis.evalsha(script.sha, keys.length, ...keys, ...args);
    } catch (error) {
      // NOSCRIPT means that nothing ran (a restarted or failed-over server), so sending the text is safe.
      if (!isNoScript(error)) throw toTaskweftError(error, script.operation);
    }
    try {
      return await this.redis.eval(script.text, keys.length, ...keys, ...args);
    } catch (error) {
      throw toTaskweftError(error, script.operation);
    }
  }

  /** What `send` sends goes out in one piece: each would wake Redis by itself. */
  together<Sent>(send: () => Sent): Sent {
    // There is none while it connects; what is sent then goes out later.
    const stream = this.redis.stream as Redis["stream"] | undefined;
    stream?.cork();
    try {
      return send();
    } finally {
      stream?.uncork();
    }
  }

  /** The replies to all that `collect` asks for, of one moment, in the order of its calls. */
  async readTogether(collect: (reads: Reads) => unknown, operation = "read"): Promise<unknown[]> {
    const reads = new Reads();
    collect(reads);
    try {
      return await reads.send(this.redis);
    } catch (error) {
      throw toTaskweftError(error, operation);
    }
  }

  /** Records of `ids`, `null` where there is none. */
  async readRecords(keys: ShardKeys, ids: readonly string[]): Promise<readonly (string | null)[]> {
    try {
      return await this.redis.hmget(keys.jobs, ...ids);
    } catch (error) {
      throw toTaskweftError(error, "read");
    }
  }

  /** An event that is kept, `null` where there is none. */
  async readEvent(keys: ShardKeys, field: string): Promise<string | null> {
    try {
      return await this.redis.hget(keys.events, field);
    } catch (error) {
      throw toTaskweftError(error, "read");
    }
  }

  /** Runs of `ids` by position, without those that have none. */
  async readRuns(keys: ShardKeys, ids: readonly string[]): Promise<ReadonlyMap<number, string>> {
    try {
      const texts = await this.redis.hmget(keys.runs, ...ids);
      return new Map(texts.flatMap((text, position) => (text === null ? [] : [[position, text] as const])));
    } catch (error) {
      throw toTaskweftError(error, "read");
    }
  }

  /** Fields of the `workflows` hash, those that are there. Large reads go in parts, so that none holds Redis for long. */
  async readRunFields(keys: ShardKeys, fields: readonly string[]): Promise<ReadonlyMap<string, string>> {
    const found = new Map<string, string>();
    try {
      for (let from = 0; from < fields.length; from += READ_BATCH) {
        const part = fields.slice(from, from + READ_BATCH);
        const texts = await this.redis.hmget(keys.workflows, ...part);
        for (const [i, field] of part.entries()) {
          const text = texts[i];
          if (text !== null && text !== undefined) found.set(field, text);
        }
      }
    } catch (error) {
      throw toTaskweftError(error, "read");
    }
    return found;
  }

  /** Workflow runs whose retention has ended. `now`: of Redis, about; the script that removes them asks again. */
  async expiredRuns(keys: ShardKeys, limit: number, now: number): Promise<readonly string[]> {
    try {
      return await this.redis.zrangebyscore(keys.ended, "-inf", now, "LIMIT", 0, limit);
    } catch (error) {
      throw toTaskweftError(error, "read");
    }
  }

  /** What the handlers of a job have stored of their steps, `null` when nothing. */
  async readSteps(keys: ShardKeys, id: string): Promise<string | null> {
    try {
      return await this.redis.hget(keys.notes, id);
    } catch (error) {
      throw toTaskweftError(error, "read");
    }
  }

  /** Ids that `worker` holds. Walks the active hash in steps, so that it never blocks Redis. */
  async heldBy(keys: ShardKeys, worker: string): Promise<readonly string[]> {
    const held: string[] = [];
    let cursor = "0";
    try {
      do {
        const [next, fields] = await this.redis.hscan(keys.active, cursor, "COUNT", 1000);
        for (let i = 0; i < fields.length; i += 2) {
          if (fields[i + 1] === worker) held.push(fields[i] ?? "");
        }
        cursor = next;
      } while (cursor !== "0");
    } catch (error) {
      throw toTaskweftError(error, "read");
    }
    // A scan may show a field twice while the hash grows.
    return [...new Set(held)];
  }

  /** Drops the connection at once; calls in flight are rejected. */
  disconnect(): void {
    this.redis.disconnect();
  }
}

export function redisUrl(options: ConnectionOptions): string {
  return options.url ?? (process.env["TASKWEFT_REDIS_URL"] || DEFAULT_REDIS_URL);
}

/** Options of ioredis win over the URL, in messages too. */
function addressText({ redis }: ConnectionOptions, url: string): string {
  if (redis?.sentinels === undefined) return url;
  const hosts = redis.sentinels.map(({ host, port }) => `${host}:${port}`);
  return `redis+sentinel://${hosts.join(",")}/${redis.name}`;
}
