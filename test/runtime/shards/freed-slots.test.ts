// A slot that is kept for what begins with the end of a step is given to another shard as soon as nothing does.
import { expect, test } from "vitest";
import { defineTask, setupProject } from "../../support/project.js";
import { startRedis } from "../../support/redis.js";
import { signal, until, within } from "../../support/signal.js";
import { jobOf, start, workflow } from "../../support/workflow.js";

const redis = await startRedis();
const add = defineTask("math:add");
const other = defineTask("other:work");

/** How long (ms) a job waits in one shard for the slot in which a run of the other one has ended. The second slot is taken. */
async function wait(): Promise<number> {
  const project = setupProject({ redis, tasks: [add, other] as never, shards: 2 });
  const idIn = (shard: number, name: string): string => {
    for (let i = 0; ; i += 1) if (project.router.ofId(`${name}${i}`) === shard) return `${name}${i}`;
  };
  const enqueue = async (n: number, options = {}) =>
    await project.enqueue(other as never, { n } as never, { id: idIn(1, `job${n}-`), ...options });
  const [held, over, begun, go] = [signal(), signal(), signal(), signal()];
  const handlers = {
    "math:add": async () => {
      begun.send();
      await go.promise;
    },
    "other:work": async ({ payload }: { payload: { n: number } }) => {
      if (payload.n === 2) return;
      held.send();
      await over.promise;
    },
  };
  await project.worker(handlers as never, { concurrency: 2 });
  await start(project, workflow([{ name: "a", needs: [], job: jobOf(add as never) }]), {}, idIn(0, "run"));
  await begun.promise;
  await enqueue(1);
  await held.promise;
  // When its time comes the worker looks, and has no slot.
  const runAt = Date.now() + 50;
  const job = await enqueue(2, { runAt });
  await until("its time to come", () => Date.now() > runAt + 100);
  const since = performance.now();
  // The end of the step is under way for longer than it takes to look for jobs.
  await project.raw.script("FLUSH");
  go.send();
  await within(10_000, "it to get the slot", job.result());
  over.send();
  return performance.now() - since;
}

test("where a run has ended, a job of another shard gets the slot at once", async () => {
  // Where nobody says that there is one, the next heartbeat does, after most of a second.
  expect(Math.min(await wait(), await wait(), await wait())).toBeLessThan(500);
});
