// A purge beside a system that works: nothing runs that is gone, nothing is lost that was not counted.
import { describe, expect, onTestFinished, test } from "vitest";
import { openInspector, type OpenedInspector } from "../../../runtime/inspect/index.js";
import { defineTask, type Project, rejection, setupProject } from "../../support/project.js";
import { startRedis } from "../../support/redis.js";
import { jobOf, start, workflow } from "../../support/workflow.js";

const redis = await startRedis();
const plain = defineTask("plain:work");
const other = defineTask("other:work");
const numbers = (count: number): { n: number }[] => Array.from({ length: count }, (_unused, n) => ({ n }));

function setup(shards = 1): { project: Project; inspector: OpenedInspector } {
  const project = setupProject({ redis, tasks: [plain, other] as never, shards });
  const inspector = openInspector({ url: redis.url, prefix: project.prefix, shards });
  onTestFinished(() => inspector.close());
  return { project, inspector };
}

describe("a purge of a queue", () => {
  test.each([1, 3])("of %i shards removes all that waits, and tells how far it is", async (shards) => {
    const { project, inspector } = setup(shards);
    await project.many(plain, numbers(3000));
    await project.many(plain, numbers(700), { delay: "1h" });
    const told: number[] = [];
    const report = await inspector.purgeQueue("default", { onProgress: ({ removed }) => told.push(removed) });
    expect(report).toEqual({ removed: 3000, steps: 0 });
    expect(told).toEqual(told.toSorted((a, b) => a - b));
    expect(told.at(-1)).toBe(3000);
    expect(told.length).toBeGreaterThan(5);
    expect(await inspector.showQueue("default")).toMatchObject({ pending: 0, scheduled: 700 });
    expect(await inspector.purgeQueue("default", { state: "scheduled" })).toEqual({ removed: 700, steps: 0 });
    expect(await inspector.showQueue("default")).toMatchObject({ pending: 0, scheduled: 0 });
  });

  test("of one task leaves the others in their order", async () => {
    const { project, inspector } = setup();
    const kept: string[] = [];
    for (let round = 0; round < 12; round += 1) {
      await project.many(plain, numbers(100));
      kept.push(...(await project.many(other, numbers(50))).map(({ id }) => id));
    }
    expect(await inspector.purgeQueue("default", { task: "plain:work" })).toEqual({
      removed: 1200,
      steps: 0,
    });
    expect(await project.raw.lrange(project.keys.queue("default").pending, 0, "-1")).toEqual(kept);
  });

  test("beside workers and producers: every job either runs or is counted", async () => {
    const { project, inspector } = setup();
    const ran = new Set<unknown>();
    await project.many(plain, numbers(20_000));
    await project.worker({ "plain:work": (job: { readonly id: string }) => void ran.add(job.id) } as never, {
      concurrency: 20,
    });
    const late = Promise.all(numbers(20).map((payload) => project.many(plain, [payload, payload])));
    const [{ removed, steps }] = await Promise.all([inspector.purgeQueue("default"), late]);
    expect(removed).toBeGreaterThan(1000);
    const last = await project.enqueue(plain, { n: 0 });
    await last.result();
    await inspector.showQueue("default");
    await expect.poll(() => ran.size + removed).toBe(20_041);
    expect(steps).toBe(0);
  });

  test("of a task that has just been paused removes also what workers put aside meanwhile", async () => {
    const { project, inspector } = setup();
    await project.many(plain, numbers(20_000));
    await inspector.pauseTask("plain:work");
    await project.worker({ "plain:work": () => undefined, "other:work": () => undefined } as never);
    expect(await inspector.purgeQueue("default")).toEqual({ removed: 20_000, steps: 0 });
    expect(await inspector.showQueue("default")).toMatchObject({ pending: 0 });
  });

  test("leaves the steps of workflow runs, which go on", async () => {
    const { project, inspector } = setup();
    const run = await start(project, workflow([{ name: "a", needs: [], job: jobOf(plain as never) }]));
    await project.many(plain, numbers(10));
    expect(await inspector.purgeQueue("default")).toEqual({ removed: 10, steps: 1 });
    expect((await inspector.showRun(run.id)).state).toBe("running");
  });

  test("takes one that is known, a state that can be purged, and a name of a task", async () => {
    const { inspector } = setup();
    expect(await rejection(inspector.purgeQueue("nowhere"))).toMatchObject({ code: "QueueUnknown" });
    const { inspector: sharded, project } = setup(2);
    expect(await rejection(sharded.purgeQueue("nowhere"))).toMatchObject({ code: "QueueUnknown" });
    await project.enqueue(plain, { n: 1 });
    const wrong = { state: "active" } as never;
    expect((await rejection(sharded.purgeQueue("default", wrong))).message).toContain("one of pending");
    expect(await rejection(sharded.purgeQueue("default", { task: "A B" }))).toMatchObject({
      code: "OptionInvalid",
    });
  });
});
