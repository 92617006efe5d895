// A primary with one replica, watched by three Sentinels: real processes, as small and as quick as they can be told to be.
import { type StartRedisOptions, startRedis, type TestRedis } from "./redis.js";
import { until } from "./signal.js";

export interface TestSentinels {
  readonly url: string;
  /** The primary at the start, and its replica. */
  readonly servers: readonly [TestRedis, TestRedis];
  readonly sentinels: readonly TestRedis[];
}

export const PRIMARY_NAME = "weft-primary";
const SENTINELS = 3;
const QUORUM = 2;
const DOWN_AFTER_MS = 500;
const FAILOVER_TIMEOUT_MS = 3000;

/** Resolves when the replica follows and every Sentinel knows of it and of the others. */
export async function startSentinels(options: StartRedisOptions = {}): Promise<TestSentinels> {
  const primary = await startRedis(options);
  const replica = await startRedis({
    ...options,
    args: [...(options.args ?? []), "--replicaof", `127.0.0.1 ${primary.port}`],
  });
  const sentinels = await Promise.all(Array.from({ length: SENTINELS }, () => startSentinel(primary.port)));
  await until("the replica to follow", async () =>
    /master_link_status:up/.test(await replica.client().info("replication")),
  );
  for (const sentinel of sentinels) await knowsAll(sentinel);
  const hosts = sentinels.map(({ port }) => `127.0.0.1:${port}`);
  return {
    url: `redis+sentinel://${hosts.join(",")}/${PRIMARY_NAME}`,
    servers: [primary, replica],
    sentinels,
  };
}

/** Sentinels elect a leader by a majority, and promote only a replica that they have heard of. */
async function knowsAll(sentinel: TestRedis): Promise<void> {
  const client = sentinel.client();
  const ask = async (): Promise<boolean> => {
    const flat = (await client.call("SENTINEL", "MASTER", PRIMARY_NAME)) as string[];
    const value = (name: string): string | undefined => flat[flat.indexOf(name) + 1];
    const count = `${value("num-slaves")} ${value("num-other-sentinels")} ${value("flags")}`;
    return count === `1 ${SENTINELS - 1} master`;
  };
  await until("a Sentinel to know the replica and the other Sentinels", ask, 20_000);
}

function startSentinel(primaryPort: number): Promise<TestRedis> {
  return startRedis({
    sentinel: [
      `sentinel monitor ${PRIMARY_NAME} 127.0.0.1 ${primaryPort} ${QUORUM}`,
      `sentinel down-after-milliseconds ${PRIMARY_NAME} ${DOWN_AFTER_MS}`,
      `sentinel failover-timeout ${PRIMARY_NAME} ${FAILOVER_TIMEOUT_MS}`,
    ],
  });
}
