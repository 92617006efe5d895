// A step of a workflow whose handler waits for an event: a job like others, which its run does not forget.
import { expect, onTestFinished, test } from "vitest";
import { PermanentError } from "../../../runtime/errors.js";
import { openInspector } from "../../../runtime/inspect/index.js";
import type { TaskContext } from "../../../runtime/worker/index.js";
import { commandCalls, defineTask, setupProject } from "../../support/project.js";
import { startRedis } from "../../support/redis.js";
import { signal } from "../../support/signal.js";
import { approver, rests } from "../../support/waits.js";
import { jobOf, outcomes, path, start, workflow } from "../../support/workflow.js";

const redis = await startRedis();
const ask = defineTask("order:ask", { waitsFor: { "order:approved": ["orderId"] } });
type Context = TaskContext<{ "order:approved": { event: { orderId: number }; by: "orderId" } }>;
const definition = workflow([{ name: "ask", needs: [], job: jobOf(ask as never) }], {
  output: path("steps", "ask", "result"),
});

async function setup() {
  const project = setupProject({ redis, tasks: [ask] as never });
  const inspector = openInspector({ url: redis.url, prefix: project.prefix });
  onTestFinished(() => inspector.close());
  await project.worker({
    "order:ask": ({ payload }: { payload: { n: number } }, ctx: Context) =>
      ctx.waitFor("approval", "order:approved", { where: { orderId: payload.n }, timeout: "1h" }),
  } as never);
  return { project, inspector, emit: approver(project) };
}

test("it rests, and ends with the event", async () => {
  const { project, emit } = await setup();
  const run = await start(project, definition);
  await rests(project, `${run.id}.ask`);
  expect(await emit({ orderId: 1 })).toMatchObject({ runs: [], heardBy: [`${run.id}.ask`] });
  expect(await run.result()).toEqual({ orderId: 1 });
});

test("its run does not keep what was sensitive in the event, nor does the log of the worker", async () => {
  const secret = { ...ask, sensitiveEvents: { "order:approved": [["by", "name"]] } } as typeof ask;
  const project = setupProject({ redis, tasks: [secret] as never });
  const inspector = openInspector({ url: redis.url, prefix: project.prefix });
  onTestFinished(() => inspector.close());
  await project.worker({
    "order:ask": async ({ payload }: { payload: { n: number } }, ctx: Context) => {
      const event = await ctx.waitFor("approval", "order:approved", {
        where: { orderId: payload.n },
        timeout: "1h",
      });
      ctx.log.info("approved", { event });
      throw new PermanentError(`no room for ${JSON.stringify(event)}`);
    },
  } as never);
  const run = await start(project, definition);
  await rests(project, `${run.id}.ask`);
  await approver(project)({ orderId: 1, by: { name: "Grace Hopper" } });
  await expect(run.result()).rejects.toThrow('no room for {"orderId":1,"by":{"name":"***"}}');
  expect(JSON.stringify(await inspector.showRun(run.id))).not.toContain("Grace");
  expect((await project.raw.hvals(project.keys.workflows)).join()).not.toContain("Grace");
  const lines = JSON.stringify(project.logger.lines);
  expect(lines).toContain("approved");
  expect(lines).not.toContain("Grace");
});

test("it ends with its run, and nothing listens any more when an event comes", async () => {
  const { project, inspector, emit } = await setup();
  const run = await start(project, definition);
  await rests(project, `${run.id}.ask`);
  await inspector.cancelRun(run.id);
  await expect(run.result()).rejects.toThrow(/RunCancelled/);
  expect(await outcomes(project, run.id)).toEqual({ ask: "cancelled" });
  expect((await emit({ orderId: 1 })).heardBy).toEqual([]);
  const { keys, raw } = project;
  expect(await raw.exists(keys.notes, keys.listeners, keys.listenersExpiry)).toBe(0);
});

test.each(["default", "slow"])(
  "it ends with a run that another step or its timeout ends, in the queue %s",
  async (queue) => {
    const fails = defineTask("order:fail");
    const project = setupProject({
      redis,
      tasks: [ask, fails] as never,
      queues: [
        { name: "default", weight: 1 },
        { name: "slow", weight: 1 },
      ],
    });
    const goOn = signal();
    await project.worker({
      "order:ask": ({ payload }: { payload: { n: number } }, ctx: Context) =>
        ctx.waitFor("approval", "order:approved", { where: { orderId: payload.n }, timeout: "1h" }),
      "order:fail": async () => {
        await goOn.promise;
        throw new PermanentError("no");
      },
    } as never);
    const waits = { name: "ask", needs: [], job: { ...jobOf(ask as never), queue } };
    const late = await start(project, workflow([waits], { timeoutMs: 300 }));
    await expect(late.result({ timeout: "9s" })).rejects.toThrow(/its timeout/);
    expect(await outcomes(project, late.id)).toEqual({ ask: "cancelled" });
    const steps = [waits, { name: "fail", needs: [], job: jobOf(fails as never) }];
    const failed = await start(project, workflow(steps, { hash: "11111111" }));
    await rests(project, `${failed.id}.ask`, queue);
    goOn.send();
    await expect(failed.result({ timeout: "9s" })).rejects.toThrow(/step fail failed/);
    expect(await outcomes(project, failed.id)).toEqual({ ask: "cancelled", fail: "failed" });
  },
);

test("an emit makes one call for all that wait by one field, and none where nobody does", async () => {
  // Without a worker, which makes calls of its own.
  const project = setupProject({ redis, tasks: [] });
  const { client } = project;
  await client.ready();
  const callsOf = async (emit: ReturnType<typeof approver>): Promise<number> => {
    await emit({ orderId: 0 });
    const before = await commandCalls(project.raw, "evalsha");
    await emit({ orderId: 1 });
    return (await commandCalls(project.raw, "evalsha")) - before;
  };
  expect(await callsOf(approver({ client, queues: [] }, { waitFields: [["orderId"]] }))).toBe(1);
  expect(await callsOf(approver({ client, queues: [] }, { handlerFields: [] }))).toBe(0);
});
