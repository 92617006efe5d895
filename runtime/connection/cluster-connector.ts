/**
 * How a connection finds the node of a Cluster that serves its shard. A shard is one slot, so a connection needs one node
 * at a time, as behind Sentinels: all that holds for one server (order, blocking pops, WAIT, messages) holds here too.
 *
 * When the slot moves, the old node says so, and the connection is made anew: `isElsewhere`. While it is being moved no
 * node can run a script over all of its keys, so the answers of that time mean the same: look again.
 */
import { connect as connectPlain, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { AbstractConnector, Redis, type RedisOptions } from "ioredis";
import type { HostAddress } from "../config/redis-address.js";

/** Replies of a node that did not run the command because it does not serve the slot, or not now. */
const ELSEWHERE = /^(ASK|CLUSTERDOWN|MOVED|TRYAGAIN)\b/;

/** CLUSTER SLOTS: first slot, last slot, then nodes, the primary first, each with its host and port. */
type SlotRange = readonly [number, number, ...(readonly [string | null, number])[]];

/** True when nothing was run, and the connection should look for the node of its shard again. */
export function isElsewhere(error: Error): boolean {
  return ELSEWHERE.test(error.message);
}

export type ClusterConnector = new (options: unknown) => AbstractConnector;

/** @param seeds some nodes; the others are learned. @param tag hash tag of the shard. */
export function clusterConnector(seeds: readonly HostAddress[], tag: string): ClusterConnector {
  return class extends AbstractConnector {
    readonly #options: RedisOptions;
    /** The one to ask first stands in front. */
    #nodes: readonly HostAddress[] = seeds;

    constructor(options: unknown) {
      const known = options as RedisOptions;
      super(known.disconnectTimeout ?? 0);
      this.#options = known;
    }

    /** A primary that has become a replica closes nothing by itself. */
    override check(info: { readonly role?: string }): boolean {
      return info.role === undefined || info.role === "master";
    }

    /** Looks until a node tells where the shard is: a promise that rejects would end the connection for good. */
    override async connect(emit: (type: string, error: Error) => void): Promise<Socket> {
      this.connecting = true;
      for (let times = 1; ; times += 1) {
        const found = await this.#find();
        // Closed meanwhile.
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
        // The next search begins with another: this one may be cut off, or know only what was.
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
  /** Every node that it knows. */
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
    // A node that does not know its own name means the one by which it was asked.
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
