// A call of an operator that Redis refuses changes nothing of its run, so that it can be made again.
import { expect, onTestFinished, test } from "vitest";
import { openInspector } from "../../../runtime/inspect/index.js";
import { defineTask, type Project, setupProject } from "../../support/project.js";
import { startRedis } from "../../support/redis.js";
import { readShard } from "../../support/shard.js";
import { endOf, jobOf, path, start, value, workflow } from "../../support/workflow.js";

const redis = await startRedis();
const add = defineTask("math:add", { retry: { maxRetries: 0 } as never });

function setup() {
  const project = setupProject({ redis, tasks: [add] as never });
  const inspector = openInspector({ url: redis.url, prefix: project.prefix });
  onTestFinished(() => inspector.close());
  return { project, inspector };
}

/** Makes a call while the pending list is something else; it must fail, and leave everything as it was. */
async function refused({ keys, raw }: Project, call: () => Promise<unknown>): Promise<void> {
  const { pending } = keys.queue("default");
  await raw.set(pending, "not a list");
  const { nowMs: _then, ...before } = await readShard(raw, keys);
  await expect(call()).rejects.toThrow(/WRONGTYPE/);
  expect(await readShard(raw, keys)).toMatchObject(before);
  await raw.del(pending);
}

test("a cancel of a run", async () => {
  const { project, inspector } = setup();
  const run = await start(project, workflow([{ name: "sleep", needs: [], delayMs: 3_600_000 }]));
  await refused(project, () => inspector.cancelRun(run.id));
  expect(await inspector.cancelRun(run.id)).toBe("cancelling");
  await project.worker({ "math:add": () => 1 } as never);
  expect(await endOf(run)).toBe("RunCancelled");
});

test("jobs of a run that has been cancelled stay where they wait", async () => {
  const { project, inspector } = setup();
  const run = await start(project, workflow([{ name: "sleep", needs: [], delayMs: 3_600_000 }]));
  await inspector.cancelRun(run.id);
  await project.raw.zadd(project.keys.queue("default").due, 9_000_000_000_000, `${run.id}.sleep`);
  await project.raw.lrem(project.keys.queue("default").pending, 0, `${run.id}.sleep`);
  const stopper = await project.raw.lpop(project.keys.queue("default").pending);
  await refused(project, () => inspector.cancelRun(run.id));
  await project.raw.rpush(project.keys.queue("default").pending, stopper!);
  await project.worker({ "math:add": () => 1 } as never);
  expect(await endOf(run)).toBe("RunCancelled");
});

test.each(["retry", "skip"] as const)("a %s of a run", async (kind) => {
  const { project, inspector } = setup();
  let fails = true;
  const handler = () => {
    if (fails) throw new Error("no");
    return 1;
  };
  const list = {
    name: "list",
    needs: [],
    forEach: path("input", "list"),
    job: jobOf(add as never, value(1)),
  };
  const worker = await project.worker({ "math:add": handler } as never);
  const run = await start(project, workflow([list]), { list: [1, 2] });
  expect(await endOf(run)).toBe("RunFailed");
  await worker.stop();
  const again = () =>
    kind === "retry" ? inspector.retryRun(run.id) : inspector.skipStep(run.id, "list.0", 7);
  await refused(project, again);
  await again();
  fails = false;
  await project.worker({ "math:add": handler } as never);
  expect(await endOf(run)).toBe("completed");
});
