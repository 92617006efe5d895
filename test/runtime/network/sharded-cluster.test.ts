// Several shards over a real Redis Cluster: each is where its slot is, and one that fails over holds up no other.
import { beforeAll, expect, onTestFinished, test } from "vitest";
import { startCluster, type TestCluster } from "../../support/cluster.js";
import { defineTask, rejection, setupProject } from "../../support/project.js";
import { startRedis } from "../../support/redis.js";
import { until, within } from "../../support/signal.js";

const SHARDS = 6;
const plain = defineTask("plain:work", { durability: "replicated" });
const work = defineTask("some:work");
const LONG_MS = 30_000;
type Numbered = { readonly payload: { readonly n: number } };

let cluster: TestCluster;
let bare: TestCluster;
beforeAll(async () => {
  cluster = await startCluster({ replicas: true });
  bare = await startCluster({ fullCoverage: false });
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

test("while the node of the first shard is away, new clients and new workers serve the shards of the others", async () => {
  const project = setupProject({ redis: bare, tasks: [work] as never, shards: SHARDS });
  const nodes = await Promise.all(project.shards.map(({ keys }) => bare.primaryOf(keys.tag)));
  const away = nodes.findIndex((node) => node === nodes[0]);
  const here = nodes.findIndex((node) => node !== nodes[away]);
  // All shards are known: one that is new would have to ask the first.
  await (await project.worker({})).stop();
  await project.enqueue(work, { n: 0 }, { id: project.router.idIn(0, "before") });
  nodes[0]!.pause();
  onTestFinished(() => nodes[0]!.resume());
  const ran = new Set<number>();
  const handlers = { "some:work": ({ payload }: Numbered) => void ran.add(payload.n) };
  const worker = project.newWorker(handlers as never, { grace: "1s" });
  const starting = worker.start();
  const patient = project.newClient();
  const send = (shard: number, n: number, client = patient): Promise<unknown> =>
    project.enqueue(work, { n }, { client, id: project.router.idIn(shard, `n${n}`) });
  await within(LONG_MS, "an enqueue at another node", send(here, 1));
  await until("its job to have run", () => ran.has(1), LONG_MS);
  await within(LONG_MS, "the start, of which one part is missing", starting);
  // It never left, and is not sent after all when the node is back.
  const hasty = project.newClient({ deadline: "1s" });
  await expect(send(0, 2, hasty)).rejects.toMatchObject({ code: "RedisUnavailable" });
  nodes[0]!.resume();
  await until("the job of the first shard to run", () => ran.has(0), LONG_MS);
  await within(LONG_MS, "the next one to be enqueued", send(0, 3));
  await until("it to run", () => ran.has(3), LONG_MS);
  expect(ran).toEqual(new Set([0, 1, 3]));
  await worker.stop();
  expect(project.logger.messages("error")).toEqual([]);
}, 120_000);

test("a worker that is stopped while it waits for its shards stops at once", async () => {
  const server = await startRedis();
  const project = setupProject({ redis: server, tasks: [work] as never, shards: 2 });
  server.pause();
  onTestFinished(() => server.resume());
  const worker = project.newWorker({});
  const starting = rejection(worker.start());
  await until("it to wait", () => project.logger.messages("warn").includes("waiting for Redis"));
  const since = performance.now();
  await worker.stop();
  expect(performance.now() - since).toBeLessThan(3000);
  expect(await starting).toMatchObject({ code: "Closed" });
  expect(project.logger.messages("error")).toEqual([]);
});
