// Several shards over a real Redis Cluster: each is where its slot is, and one that fails over holds up no other.
import { beforeAll, expect, test } from "vitest";
import { startCluster, type TestCluster } from "../../support/cluster.js";
import { defineTask, setupProject } from "../../support/project.js";
import { until, within } from "../../support/signal.js";

const SHARDS = 6;
const plain = defineTask("plain:work", { durability: "replicated" });
const LONG_MS = 30_000;
type Numbered = { readonly payload: { readonly n: number } };

let cluster: TestCluster;
beforeAll(async () => {
  cluster = await startCluster({ replicas: true });
}, 60_000);

test("shards of a Cluster: jobs flow on every node, and while one is killed and replaced they flow on the others", async () => {
  const project = setupProject({ redis: cluster, tasks: [plain] as never, shards: SHARDS });
  const ran = new Set<number>();
  const handlers = { "plain:work": ({ payload }: Numbered) => void ran.add(payload.n) };
  await project.worker(handlers as never, { concurrency: 6 });
  const client = project.newClient({ durabilityTimeout: "5s" });
  const payloads = Array.from({ length: 300 }, (_unused, n) => ({ n }));
  const jobs = await project.many(plain, payloads, { client });
  await until("all to have run", () => ran.size === 300);
  const nodes = await Promise.all(project.shards.map(({ keys }) => cluster.primaryOf(keys.tag)));
  expect(new Set(nodes).size).toBeGreaterThan(1);
  expect(new Set(jobs.map(({ id }) => project.router.ofId(id))).size).toBe(SHARDS);

  const [dead] = nodes;
  const alive = nodes.findIndex((node) => node !== dead);
  // An id for each of the two shards: of the node that dies, and of another.
  const idIn = (shard: number, name: string): string => project.router.idIn(shard, name);
  await dead!.kill9();
  const there = project.enqueue(plain, { n: 1000 }, { client, id: idIn(0, "dead"), durability: "memory" });
  const here = project.enqueue(
    plain,
    { n: 1001 },
    { client, id: idIn(alive, "alive"), durability: "memory" },
  );
  let isThere = false;
  void there.then(() => (isThere = true));
  await within(LONG_MS, "the enqueue at the other node", here);
  await until("its job to have run", () => ran.has(1001), LONG_MS);
  expect(isThere).toBe(false);
  await within(LONG_MS, "the enqueue at the node that took over", there);
  await until("its job to have run as well", () => ran.has(1000), LONG_MS);
  await dead!.restart();
}, 90_000);
