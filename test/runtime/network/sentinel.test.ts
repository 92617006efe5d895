// A primary that Sentinels watch is killed, and everything finds the one that took over by itself.
import { expect, onTestFinished, test } from "vitest";
import { Connection } from "../../../runtime/connection/index.js";
import { heartbeat } from "../../../runtime/scripts/index.js";
import { HeartbeatThread } from "../../../runtime/worker/leases/heartbeat-thread.js";
import { inProcess } from "../../cli/weft.js";
import { defineTask, type Project, setupProject } from "../../support/project.js";
import type { TestRedis } from "../../support/redis.js";
import { startSentinels } from "../../support/sentinel.js";
import { signal, until, within } from "../../support/signal.js";

const money = defineTask("money:move", { durability: "replicated" });
const slow = defineTask("slow:work", { timeoutMs: 60_000 });
const FAILOVER_MS = 30_000;
const LEASE_MS = 1000;
const PRODUCERS = 8;

async function promoted(server: TestRedis): Promise<void> {
  const client = server.client();
  const isPrimary = async (): Promise<boolean> => ((await client.role()) as unknown[])[0] === "master";
  await until("the replica to be the primary", isPrimary, FAILOVER_MS);
}

/** Enqueues as fast as it is confirmed, until told to stop. */
function produce(project: Project, url: string) {
  const client = project.newClient({ url });
  const confirmed = new Set<number>();
  const state = { confirmed, refused: 0, stopped: false };
  let next = 0;
  const loop = async (): Promise<void> => {
    while (!state.stopped) {
      const n = next++;
      const enqueued = project.enqueue(money, { n }, { client });
      await enqueued.then(
        () => confirmed.add(n),
        () => (state.refused += 1),
      );
    }
  };
  const loops = Array.from({ length: PRODUCERS }, loop);
  return {
    client,
    state,
    async stop(): Promise<void> {
      state.stopped = true;
      await Promise.all(loops);
    },
  };
}

test("a failover under load loses no job that the replica had confirmed; producers, workers, waits and the command line go on", async () => {
  const { url, servers } = await startSentinels();
  const [primary, replica] = servers;
  // What it looks into afterwards is the server that is left.
  const project = setupProject({ redis: replica, tasks: [money, slow] as never });
  const ran = new Set<number>();
  const goOn = signal();
  const handlers = {
    "money:move": ({ payload }: { payload: { n: number } }) => void ran.add(payload.n),
    "slow:work": () => goOn.promise.then(() => "done"),
  };
  await project.worker(handlers, { url, concurrency: 5 });
  const producers = produce(project, url);
  const { client, state } = producers;
  const awaited = await project.enqueue(slow, { n: 0 }, { client, durability: "replicated" });
  const result = awaited.result({ timeout: "60s" });
  await until("jobs to flow", () => state.confirmed.size > 200 && ran.size > 200);

  await primary.kill9();
  await promoted(replica);
  // It has no replica of its own now, so nothing more is confirmed; plain enqueues go on.
  const plain = project.enqueue(money, { n: -1 }, { client, durability: "memory" });
  await within(FAILOVER_MS, "an enqueue after the failover", plain);
  await producers.stop();
  goOn.send();

  expect(await within(FAILOVER_MS, "the result", result)).toBe("done");
  const isDone = (): boolean => ran.has(-1) && [...state.confirmed].every((n) => ran.has(n));
  await until("every confirmed job to have run", isDone, FAILOVER_MS);
  expect(state.refused).toBeGreaterThan(0);
  const listed = await inProcess(["queues", "list", "--json", "--redis-url", url], {
    cwd: "/",
    env: { TASKWEFT_PREFIX: project.prefix },
  });
  expect([listed.code, JSON.parse(listed.stdout)]).toMatchObject([
    0,
    { data: { queues: [{ name: "default" }] } },
  ]);
}, 90_000);

test("a heartbeat thread follows the failover, and renews the lease at the new primary", async () => {
  const { url, servers } = await startSentinels();
  const [primary, replica] = servers;
  const { keys, logger } = setupProject({ redis: replica, tasks: [] });
  const thread = new HeartbeatThread({
    connection: { url },
    keys,
    leaseMs: LEASE_MS,
    maxBlockMs: 60_000,
    logger,
  });
  const connection = new Connection({ url }, "test", keys);
  const raw = replica.client();
  onTestFinished(async () => {
    connection.disconnect();
    await thread.stop();
    await raw.del(keys.leases, keys.workers);
  });
  thread.start();
  // A lease that outlasts the failover: the thread renews for a second at a time.
  await heartbeat(connection, { keys, worker: "A", leaseMs: 60_000, about: "{}" });
  const endOf = async (): Promise<number> => Number(await raw.zscore(keys.leases, "A"));
  // Replicas are a moment behind; and what the thread writes first must not be taken for what it renews.
  await until("the replica to have the lease", async () => (await endOf()) > 0);
  const first = await endOf();
  thread.keep("A");
  await until("the thread to renew", async () => (await endOf()) < first);
  await primary.kill9();
  await heartbeat(connection, { keys, worker: "A", leaseMs: 60_000, about: "{}" });
  await promoted(replica);
  const second = await endOf();
  await until("the thread to renew there", async () => (await endOf()) !== second, FAILOVER_MS);
  expect(logger.lines).toEqual([]);
}, 90_000);
