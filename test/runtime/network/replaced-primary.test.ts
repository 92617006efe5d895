// `durability: replicated` while the primary is lost before its replica has the job: what the new primary confirms is not this job.
import { beforeAll, expect, test } from "vitest";
import { startCluster, type TestCluster } from "../../support/cluster.js";
import { defineTask, setupProject } from "../../support/project.js";
import { until, within } from "../../support/signal.js";

const money = defineTask("money:move", { durability: "replicated" });

let cluster: TestCluster;
beforeAll(async () => {
  cluster = await startCluster({ replicas: true });
}, 60_000);

test("an enqueue that the new primary never got is not confirmed, also by a producer that has enqueued before", async () => {
  const project = setupProject({ redis: cluster, tasks: [money] as never });
  const client = project.newClient({ durabilityTimeout: "5s" });
  // From here on the replica has a `sent` key of this client's slot.
  await project.enqueue(money, { n: 1 }, { client });
  const primary = await cluster.primaryOf(project.keys.tag);
  const raw = primary.client();
  const [, , [[, port]]] = (await raw.call("ROLE")) as [string, number, [[string, string, string]]];
  const replica = cluster.nodes.find((node) => node.port === Number(port))!.client();
  // The replica loses the primary, and does not come in again.
  await raw.config("SET", "requirepass", "secret");
  await raw.call("CLIENT", "KILL", "TYPE", "replica");
  const waiting = async (): Promise<boolean> =>
    /flags=b[^\n]*cmd=wait/.test(String(await raw.client("LIST")));
  const outcome = project.enqueue(money, { n: 2 }, { client }).then(
    ({ id }) => ({ id, code: "confirmed" }),
    ({ jobId, code }: { jobId: string; code: string }) => ({ id: jobId, code }),
  );
  await until("the enqueue to wait for a replica", waiting);
  await primary.kill9();
  const isPrimary = async (): Promise<boolean> => /role:master/.test(await replica.info("replication"));
  await until("the replica to take over", isPrimary, 20_000);
  // It comes back empty, as the replica of the new primary: now that one can confirm.
  await primary.restart();
  const { id, code } = await within(20_000, "the enqueue to settle", outcome);
  expect(await project.state(id)).toBe("gone");
  expect(code).toBe("DurabilityNotReached");
}, 60_000);
