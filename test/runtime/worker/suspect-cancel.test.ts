// A suspect that waits to run alone can be cancelled.
import { expect, onTestFinished, test } from "vitest";
import { NEW_RUN, encodeRun } from "../../../runtime/protocol/index.js";
import { openInspector } from "../../../runtime/inspect/index.js";
import { type Project, defineTask, setupProject } from "../../support/project.js";
import { startRedis } from "../../support/redis.js";
import { signal, until } from "../../support/signal.js";

const redis = await startRedis();
const slow = defineTask("slow:work", { timeoutMs: 60_000 });
const quick = defineTask("quick:work");
const setup = (): Project => setupProject({ redis, tasks: [slow, quick] as never });

async function suspectOf(project: Project, task = quick) {
  const job = await project.enqueue(task, { n: 0 }, { delay: "1h" });
  await project.raw.hset(project.keys.runs, job.id, encodeRun({ ...NEW_RUN, crashes: 2 }));
  const { due, pending, wake } = project.keys.queue("default");
  await project.raw.multi().zrem(due, job.id).rpush(pending, job.id).del(wake).lpush(wake, "1").exec();
  return job;
}

test("a suspect that waits for its turn and is cancelled does not start any more", async () => {
  const project = setup();
  const inspector = openInspector({ url: redis.url, prefix: project.prefix });
  onTestFinished(() => inspector.close());
  const [started, go] = [signal(), signal()];
  let ran = 0;
  await project.worker({
    "slow:work": async () => {
      started.send();
      await go.promise;
    },
    "quick:work": () => void (ran += 1),
  });
  const long = await project.enqueue(slow, { n: 1 });
  await started.promise;
  const suspect = await suspectOf(project);
  await until("the suspect to be claimed", async () => (await project.state(suspect.id)) === "active");
  expect(await inspector.cancel(suspect.id)).toBe("requested");
  // The other job still runs.
  await until("the suspect to end", async () => (await project.state(suspect.id)) === "cancelled");
  go.send();
  await long.result();
  expect(ran).toBe(0);
});
