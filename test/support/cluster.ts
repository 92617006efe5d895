// A real Redis Cluster of three primaries, each with a replica if asked for, whose slots can be moved as an operator does it.
import type { Redis } from "ioredis";
import { afterAll } from "vitest";
import { Connection } from "../../runtime/connection/index.js";
import { startRedis, type TestRedis } from "./redis.js";
import { until } from "./signal.js";

const SLOTS = 16_384;
const PRIMARIES = 3;
const NODE_TIMEOUT_MS = 1000;

export interface TestCluster {
  readonly url: string;
  /** A new connection to the node of this hash tag, which follows it; closed when the file ends. */
  clientFor(tag: string): Redis;
  readonly nodes: readonly TestRedis[];
  /** The node that serves the slot of this hash tag now. */
  primaryOf(tag: string): Promise<TestRedis>;
  /** Moves the slot of the tag to another primary, key by key; `halfway` runs when some keys have moved and some have not. */
  moveSlot(tag: string, halfway?: () => Promise<void>): Promise<TestRedis>;
}

/** Resolves when every node calls the Cluster whole. */
export async function startCluster({ replicas = false, fullCoverage = true } = {}): Promise<TestCluster> {
  const args = ["--cluster-enabled", "yes", "--cluster-node-timeout", String(NODE_TIMEOUT_MS)];
  if (!fullCoverage) args.push("--cluster-require-full-coverage", "no");
  const count = replicas ? 2 * PRIMARIES : PRIMARIES;
  const nodes: TestRedis[] = [];
  for (let started = 0; started < count; started += 1) nodes.push(await startRedis({ args }));
  const clients = nodes.map((node) => node.client());
  const perNode = Math.ceil(SLOTS / PRIMARIES);
  for (const [index, client] of clients.entries())
    await client.call("CLUSTER", "SET-CONFIG-EPOCH", index + 1);
  for (const [index, client] of clients.entries()) {
    for (const { port } of nodes) await client.call("CLUSTER", "MEET", "127.0.0.1", port);
    if (index >= PRIMARIES) continue;
    const last = Math.min((index + 1) * perNode, SLOTS) - 1;
    await client.call("CLUSTER", "ADDSLOTSRANGE", index * perNode, last);
  }
  const isKnown = async (client: Redis): Promise<boolean> =>
    new RegExp(`cluster_state:ok[^]*cluster_known_nodes:${count}\r`).test(
      String(await client.call("CLUSTER", "INFO")),
    );
  await everywhere(clients, "a node to know the others", isKnown);
  for (const [index, client] of clients.entries()) {
    const primary = clients[index - PRIMARIES];
    if (primary !== undefined) await client.call("CLUSTER", "REPLICATE", await idOf(primary));
  }
  const follows = async (client: Redis, index: number): Promise<boolean> =>
    index < PRIMARIES || /master_link_status:up/.test(await client.info("replication"));
  await everywhere(clients, "a replica to follow", follows);
  return new Cluster(nodes, clients);
}

const followers = new Set<Redis>();
if (process.env["VITEST"] !== undefined) {
  afterAll(() => {
    for (const redis of followers) redis.disconnect();
  });
}

class Cluster implements TestCluster {
  readonly nodes: readonly TestRedis[];
  readonly #clients: readonly Redis[];

  constructor(nodes: readonly TestRedis[], clients: readonly Redis[]) {
    this.nodes = nodes;
    this.#clients = clients;
  }

  get url(): string {
    return `redis+cluster://${this.nodes.map(({ port }) => `127.0.0.1:${port}`).join(",")}`;
  }

  clientFor(tag: string): Redis {
    const { redis } = new Connection({ url: this.url }, "raw", { tag });
    followers.add(redis);
    return redis;
  }

  async primaryOf(tag: string): Promise<TestRedis> {
    for (const [index, client] of this.#clients.entries()) {
      const found = await this.#ask(client, tag).catch(() => undefined);
      const node = this.nodes.find(({ port }) => port === found);
      if (node !== undefined) return node;
      if (index === this.#clients.length - 1) break;
    }
    throw new Error(`no node serves ${tag}`);
  }

  async moveSlot(tag: string, halfway: () => Promise<void> = async () => undefined): Promise<TestRedis> {
    const source = await this.primaryOf(tag);
    const target = this.nodes.slice(0, PRIMARIES).find((node) => node !== source)!;
    const [from, to] = [source, target].map((node) => this.#clients[this.nodes.indexOf(node)]!) as [
      Redis,
      Redis,
    ];
    const slot = Number(await from.call("CLUSTER", "KEYSLOT", tag));
    await to.call("CLUSTER", "SETSLOT", slot, "IMPORTING", await idOf(from));
    await from.call("CLUSTER", "SETSLOT", slot, "MIGRATING", await idOf(to));
    let isHalf = false;
    for (;;) {
      const keys = (await from.call("CLUSTER", "GETKEYSINSLOT", slot, 1)) as string[];
      if (keys.length === 0) break;
      await from.call("MIGRATE", "127.0.0.1", target.port, "", 0, 5000, "KEYS", ...keys);
      if (!isHalf) await halfway();
      isHalf = true;
    }
    const targetId = await idOf(to);
    for (const client of [to, from]) await client.call("CLUSTER", "SETSLOT", slot, "NODE", targetId);
    return target;
  }

  async #ask(client: Redis, tag: string): Promise<number | undefined> {
    const slot = Number(await client.call("CLUSTER", "KEYSLOT", tag));
    const ranges = (await client.call("CLUSTER", "SLOTS")) as [number, number, [string, number]][];
    return ranges.find(([first, last]) => first <= slot && slot <= last)?.[2][1];
  }
}

async function idOf(client: Redis): Promise<string> {
  return String(await client.call("CLUSTER", "MYID"));
}

async function everywhere(
  clients: readonly Redis[],
  what: string,
  holds: (client: Redis, index: number) => Promise<boolean>,
): Promise<void> {
  for (const [index, client] of clients.entries()) await until(what, () => holds(client, index), 30_000);
}
