// A failover that an operator asks for: workers that sleep go on at the new primary, and have nothing to complain about.
import { beforeAll, expect, test } from "vitest";
import { startCluster, type TestCluster } from "../../support/cluster.js";
import { defineTask, setupProject } from "../../support/project.js";
import { until } from "../../support/signal.js";

const plain = defineTask("plain:work");

let cluster: TestCluster;
beforeAll(async () => {
  cluster = await startCluster({ replicas: true });
}, 60_000);

test("a worker that sleeps while its primary hands over to the replica logs no warning", async () => {
  const project = setupProject({ redis: cluster, tasks: [plain] as never });
  const ran: number[] = [];
  const handlers = { "plain:work": ({ payload }: { payload: { n: number } }) => void ran.push(payload.n) };
  await project.worker(handlers as never);
  await project.enqueue(plain, { n: 1 });
  await until("the job to run", () => ran.length === 1);
  const raw = (await cluster.primaryOf(project.keys.tag)).client();
  const sleeps = async (): Promise<boolean> =>
    /flags=b[^\n]*cmd=blpop/.test(String(await raw.client("LIST")));
  await until("the worker to sleep", sleeps);
  const [, , [[, port]]] = (await raw.call("ROLE")) as [string, number, [[string, string, string]]];
  const replica = cluster.nodes.find((node) => node.port === Number(port))!.client();
  await replica.call("CLUSTER", "FAILOVER");
  await until(
    "the replica to take over",
    async () => /role:master/.test(await replica.info("replication")),
    20_000,
  );
  await project.enqueue(plain, { n: 2 });
  await until("the next job to run", () => ran.length === 2, 20_000);
  expect(project.logger.messages("warn")).toEqual([]);
}, 60_000);
