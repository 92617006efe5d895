/**
 * How a connection finds the Cluster node that serves its shard. All keys of a shard are in one slot, so a
 * connection needs one node at a time, as it does behind Sentinels, and everything that holds for a single
 * server (order, blocking pops, WAIT, pub/sub) holds here too.
 *
 * When the slot moves, the old node says so and the connection is replaced (`isElsewhere`). While the slot is
 * being migrated no node can run a script over all of its keys; the error replies of that time are handled
 * the same way: search again.
 */
import { connect as connectPlain, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { AbstractConnector, Redis, type RedisOptions } from "ioredis";
import type { HostAddress } from "../config/redis-address.js";

/** Error replies of a node that did not run the command, because it does not serve the slot now. */
const ELSEWHERE = /^(ASK|CLUSTERDOWN|MOVED|TRYAGAIN)\b/;

/**
 * One entry of CLUSTER SLOTS: first slot, last slot, then the nodes with host and port, the primary first.
 */
type SlotRange = readonly [number, number, ...(readonly [string | null, number])[]];

/** True when the node ran nothing and the connection should search again for the node of its shard. */
export function isElsewhere(error: Error): boolean {
  return ELSEWHERE.test(error.message);
}

export type ClusterConnector = new (options: unknown) => AbstractConnector;

/**
 * @param seeds some nodes of the Cluster; the others are discovered.
 * @param tag hash tag of the shard.
 */
export function clusterConnector(seeds: readonly HostAddress[], tag: string): ClusterConnector {
  return class extends AbstractConnector {
    readonly #options: RedisOptions;
    /** The node to ask first is at the front. */
    #nodes: readonly HostAddress[] = seeds;

    constructor(options: unknown) {
      const known = options as RedisOptions;
      super(known.disconnectTimeout ?? 0);
      this.#options = known;
    }

    /** A primary that was demoted to a replica does not close its connections by itself. */
    override check(info: { readonly role?: string }): boolean {
      return info.role === undefined || info.role === "master";
    }

    /**
     * Searches until a node knows where the shard is. It retries here, because a rejection would end the
     * connection for good.
     */
    override async connect(emit: (type: string, error: Error) => void): Promise<Socket> {
      this.connecting = true;
      for (let times = 1; ; times += 1) {
        const found = await this.#find();
        // The connection was closed during the search.
        if (!this.connecting) throw new Error("Connection is closed.");
        if (!(found instanceof Error)) return this.#open(found);
        const pauseMs = this.#options.retryStrategy?.(times);
        if (typeof pauseMs !== "number") throw found;
        emit("error", found);
        await new Promise((resolve) => setTimeout(resolve, pauseMs));
      }
    }

    async #find(): Promise<HostAddress | Error> {
      let failure = new Error("no node of the Cluster was given");
      for (const node of this.#nodes) {
        const answer = await askNode(node, tag, this.#options);
        if (!(answer instanceof Error)) {
          this.#nodes = unique([...answer.nodes, ...this.#nodes]);
          return answer.primary;
        }
        failure = answer;
        // The next search starts with another node: this one may be partitioned off, or know an outdated
        // layout.
        this.#nodes = unique([...this.#nodes.filter((other) => other !== node), node]);
      }
      return failure;
    }

    #open({ host, port }: HostAddress): Socket {
      const { family, tls } = this.#options;
      const target = { host, port, ...(family === undefined ? {} : { family }) };
      const stream = tls === undefined ? connectPlain(target) : connectTls({ ...target, ...tls });
      stream.once("error", (error: Error) => (this.firstError = error));
      this.stream = stream;
      return stream;
    }
  };
}

interface NodeAnswer {
  readonly primary: HostAddress;
  /** Every node that the asked node knows. */
  readonly nodes: readonly HostAddress[];
}

async function askNode(node: HostAddress, tag: string, options: RedisOptions): Promise<NodeAnswer | Error> {
  const { username, password, tls, family, connectTimeout = 2000 } = options;
  const redis = new Redis({
    ...node,
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
    ...(tls === undefined ? {} : { tls }),
    ...(family === undefined ? {} : { family }),
    protocol: 2,
    connectionName: "taskweft-search",
    connectTimeout,
    commandTimeout: connectTimeout,
    enableReadyCheck: false,
    lazyConnect: true,
    maxRetriesPerRequest: 0,
    retryStrategy: () => null,
  });
  let failure: Error | undefined;
  redis.on("error", (error: Error) => (failure = error));
  try {
    await redis.connect();
    const slot = await redis.cluster("KEYSLOT", tag);
    const ranges = (await redis.cluster("SLOTS")) as unknown as readonly SlotRange[];
    return readSlots(node, Number(slot), ranges, options);
  } catch (error) {
    const { message } = failure ?? (error as Error);
    return new Error(`${node.host}:${node.port} does not tell where the shard is: ${message}`);
  } finally {
    redis.disconnect();
  }
}

function readSlots(
  asked: HostAddress,
  slot: number,
  ranges: readonly SlotRange[],
  { natMap }: RedisOptions,
): NodeAnswer {
  const reachable = ([host, port]: readonly [string | null, number]): HostAddress => {
    // A node that does not know its own host name means the host under which it was asked.
    const known = { host: host === null || host === "" ? asked.host : host, port };
    const name = `${known.host}:${known.port}`;
    return (typeof natMap === "function" ? natMap(name) : natMap?.[name]) ?? known;
  };
  const range = ranges.find(([first, last]) => first <= slot && slot <= last);
  const [, , primary] = range ?? [];
  if (primary === undefined) throw new Error(`no node serves slot ${slot}`);
  const nodes = ranges.flatMap(([, , ...members]) => members.map(reachable));
  return { primary: reachable(primary), nodes };
}

function unique(nodes: readonly HostAddress[]): readonly HostAddress[] {
  return [...new Map(nodes.map((node) => [`${node.host}:${node.port}`, node])).values()];
}
