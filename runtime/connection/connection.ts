/**
 * A connection to Redis: it runs our scripts (loading them where a server does not know them), reads jobs and
 * runs, and reports when it was re-established. It retries for ever; a caller that needs a bound sets a
 * deadline.
 */
import type { Redis } from "ioredis";
import type { TaskweftError } from "../errors.js";
import type { ShardKeys } from "../protocol/index.js";
import type { Script, ScriptArgument, ScriptRunner } from "../scripts/index.js";
import { isElsewhere } from "./cluster-connector.js";
import { Reads } from "./reads.js";
import { type IoredisOptions, maskUrl, openRedis, reconnectDelay } from "./open-redis.js";
import { isFromReplica, isNoScript, isTimeout, toTaskweftError, unanswered } from "./reply-errors.js";
import { SILENCE_LIMIT_MS, watchSilence } from "./silence.js";

const DEFAULT_REDIS_URL = "redis://127.0.0.1:6379";

export interface ConnectionOptions {
  /**
   * `redis://host:port`, `redis+sentinel://host:port,host:port/name` or
   * `redis+cluster://host:port,host:port`; `rediss` for TLS. Default: `TASKWEFT_REDIS_URL`, else
   * `redis://127.0.0.1:6379`.
   */
  readonly url?: string | undefined;
  /**
   * Further options of ioredis (TLS, Sentinels, addresses behind a NAT). They take precedence over the URL.
   */
  readonly redis?: IoredisOptions | undefined;
}

/** Fields that one HMGET reads. */
const READ_BATCH = 1000;
/**
 * The options of every connection that taskweft opens. They are plain values, so that they can be passed to a
 * thread.
 */
export const PLAIN_OPTIONS = {
  // With RESP2 the replies of plain commands have the same shape on every supported server, and inside
  // scripts.
  protocol: 2,
  maxRetriesPerRequest: null,
  enableAutoPipelining: false,
  noDelay: true,
} as const;

export class Connection implements ScriptRunner {
  /** For reads by `inspect/` and for blocking pops. Job state is written by scripts only. */
  readonly redis: Redis;
  /** The address of the server without credentials, for messages. */
  readonly address: string;
  /** Tag of the shard. */
  readonly #shard: string | undefined;
  readonly #onReconnect: (() => void)[] = [];
  #everReady = false;
  #remade = 0;
  #lastError: Error | undefined;

  /**
   * @param shard the shard that the connection is for, which decides the node of a Cluster. Not needed
   * without a Cluster.
   */
  constructor(options: ConnectionOptions, role: string, shard?: Pick<ShardKeys, "tag">) {
    const url = redisUrl(options);
    this.#shard = shard?.tag;
    const { socketTimeout = SILENCE_LIMIT_MS, ...given } = options.redis ?? {};
    this.address = maskUrl(addressText(options, url));
    const redisOptions: IoredisOptions = {
      ...PLAIN_OPTIONS,
      connectionName: `taskweft-${role}`,
      retryStrategy: reconnectDelay,
      // After a failover this node is a replica: connect to the current primary and send the command again.
      reconnectOnError: (error) => {
        if (!isFromReplica(error) && !isElsewhere(error)) return false;
        this.#lastError = error;
        return 2;
      },
      ...given,
    };
    this.redis = openRedis(url, shard?.tag, redisOptions);
    watchSilence(this.redis, socketTimeout);
    // Each call that is sent again elsewhere adds a listener until this connection has closed; Node warns of
    // many.
    this.redis.on("connect", () => this.redis.stream.setMaxListeners(0));
    this.redis.on("error", (error: Error) => {
      this.#lastError = error;
    });
    this.redis.on("ready", () => {
      if (this.#everReady) {
        this.#remade += 1;
        for (const callback of this.#onReconnect) callback();
      }
      this.#everReady = true;
    });
  }

  /** The latest connection error, if there was one: it explains a missing answer. */
  get lastError(): string | undefined {
    return this.#lastError?.message;
  }

  /** Number of reconnects. Replies from before and after one may come from different servers. */
  get remade(): number {
    return this.#remade;
  }

  /**
   * Calls back each time the connection was lost and re-established: replies may have been lost in between.
   */
  onReconnect(callback: () => void): void {
    this.#onReconnect.push(callback);
  }

  async run(script: Script, keys: readonly string[], args: readonly ScriptArgument[]): Promise<unknown> {
    try {
      return await this.redis.evalsha(script.sha, keys.length, ...keys, ...args);
    } catch (error) {
      // NOSCRIPT means that nothing ran (the server was restarted or failed over), so sending the text is
      // safe.
      if (!isNoScript(error)) throw this.failure(error, script.operation);
    }
    try {
      return await this.redis.eval(script.text, keys.length, ...keys, ...args);
    } catch (error) {
      throw this.failure(error, script.operation);
    }
  }

  /**
   * Sends everything that `send` issues in one packet; separate packets would wake Redis once for each
   * command.
   */
  together<Sent>(send: () => Sent): Sent {
    // There is no stream while the client connects; ioredis then queues the commands.
    const stream = this.redis.stream as Redis["stream"] | undefined;
    stream?.cork();
    try {
      return send();
    } finally {
      stream?.uncork();
    }
  }

  /** The replies to all reads that `collect` requests, from one moment, in the order of its calls. */
  async readTogether(collect: (reads: Reads) => unknown, operation = "read"): Promise<unknown[]> {
    const reads = new Reads();
    collect(reads);
    return await this.#named(operation, reads.send(this.redis));
  }

  /** The records of `ids`; `null` for a job that does not exist. */
  async readRecords(keys: ShardKeys, ids: readonly string[]): Promise<readonly (string | null)[]> {
    return await this.#named("read", this.redis.hmget(keys.jobs, ...ids));
  }

  /** The stored text of a kept event; `null` when there is none. */
  async readEvent(keys: ShardKeys, field: string): Promise<string | null> {
    return await this.#named("read", this.redis.hget(keys.events, field));
  }

  /** The runs of `ids` by their position in the list; jobs without a run are left out. */
  async readRuns(keys: ShardKeys, ids: readonly string[]): Promise<ReadonlyMap<number, string>> {
    const texts = await this.#named("read", this.redis.hmget(keys.runs, ...ids));
    return new Map(texts.flatMap((text, position) => (text === null ? [] : [[position, text] as const])));
  }

  /**
   * The fields of the `workflows` hash that exist. Large reads are split, so that no single read blocks Redis
   * for long.
   */
  async readRunFields(keys: ShardKeys, fields: readonly string[]): Promise<ReadonlyMap<string, string>> {
    const found = new Map<string, string>();
    for (let from = 0; from < fields.length; from += READ_BATCH) {
      const part = fields.slice(from, from + READ_BATCH);
      const texts = await this.#named("read", this.redis.hmget(keys.workflows, ...part));
      for (const [i, field] of part.entries()) {
        const text = texts[i];
        if (text !== null && text !== undefined) found.set(field, text);
      }
    }
    return found;
  }

  /**
   * Workflow runs whose retention has ended.
   * @param now Redis time (ms); an estimate is enough, because the script that removes runs checks again.
   */
  async expiredRuns(keys: ShardKeys, limit: number, now: number): Promise<readonly string[]> {
    return await this.#named("read", this.redis.zrangebyscore(keys.ended, "-inf", now, "LIMIT", 0, limit));
  }

  /** The steps that the handlers of a job have stored, `null` when there are none. */
  async readSteps(keys: ShardKeys, id: string): Promise<string | null> {
    return await this.#named("read", this.redis.hget(keys.notes, id));
  }

  /**
   * The ids of the jobs that `worker` holds. Uses HSCAN, so that a large `active` hash does not block Redis. A
   * cursor means nothing to another server, so the list begins anew where the connection was lost.
   */
  async heldBy(keys: ShardKeys, worker: string): Promise<readonly string[]> {
    const held = new Set<string>();
    let [cursor, remade] = ["0", this.#remade];
    for (;;) {
      const page = await this.#named("read", this.redis.hscan(keys.active, cursor, "COUNT", 1000));
      if (remade !== this.#remade) {
        held.clear();
        [cursor, remade] = ["0", this.#remade];
        continue;
      }
      const fields = page[1];
      for (let i = 0; i < fields.length; i += 2) {
        if (fields[i + 1] === worker) held.add(fields[i] ?? "");
      }
      cursor = page[0];
      if (cursor === "0") return [...held];
    }
  }

  /** The error to throw for a failed call of this connection. */
  failure(error: unknown, operation: string): TaskweftError {
    const { address, lastError } = this;
    if (!isTimeout(error)) return toTaskweftError(error, operation);
    return unanswered(operation, { address, lastError, shard: this.#shard });
  }

  /** Drops the connection at once; calls in flight are rejected. */
  disconnect(): void {
    this.redis.disconnect();
  }

  async #named<Reply>(operation: string, reply: Promise<Reply>): Promise<Reply> {
    try {
      return await reply;
    } catch (error) {
      throw this.failure(error, operation);
    }
  }
}

export function redisUrl(options: ConnectionOptions): string {
  return options.url ?? (process.env["TASKWEFT_REDIS_URL"] || DEFAULT_REDIS_URL);
}

/** Options of ioredis take precedence over the URL, so messages must show them too. */
function addressText({ redis }: ConnectionOptions, url: string): string {
  if (redis?.sentinels === undefined) return url;
  const hosts = redis.sentinels.map(({ host, port }) => `${host}:${port}`);
  return `redis+sentinel://${hosts.join(",")}/${redis.name}`;
}
