// A worker that starts while the slot of its shard is half moved says what it waits for, as one that starts without Redis does.
import { beforeAll, expect, test } from "vitest";
import { startCluster, type TestCluster } from "../../support/cluster.js";
import { defineTask, setupProject } from "../../support/project.js";
import { until, within } from "../../support/signal.js";

const plain = defineTask("plain:work", { concurrency: { limit: 2 } });

let cluster: TestCluster;
beforeAll(async () => {
  cluster = await startCluster();
}, 60_000);

test("a worker that starts in a shard whose slot is half moved says so, and starts when it is whole", async () => {
  const project = setupProject({ redis: cluster, tasks: [plain] as never });
  await project.enqueue(plain, { n: 1 });
  const worker = project.newWorker({ "plain:work": () => undefined } as never);
  let starting: Promise<unknown> | undefined;
  let said: Error | undefined;
  await cluster.moveSlot(project.keys.tag, async () => {
    starting = worker.start();
    const says = (): boolean => project.logger.messages("warn").includes("waiting for Redis");
    await until("the worker to say what it waits for", says, 8000).catch((error: Error) => (said = error));
  });
  await within(20_000, "the worker to start", starting!);
  expect(said).toBeUndefined();
}, 60_000);
