// The input of a run that is a step is checked before the run starts, where the worker knows the workflow as it was when the outer run began.
import { onTestFinished, expect, test } from "vitest";
import { createStartFunction, defineWorkflow, z, type Registry } from "taskweft/generated-v1";
import { type Inspector, openInspector } from "../../../runtime/inspect/index.js";
import { defineTask, type Project, setupProject } from "../../support/project.js";
import { startRedis } from "../../support/redis.js";
import {
  childOf,
  children,
  endOf,
  jobOf,
  object,
  outcomes,
  path,
  start,
  value,
  workflow,
} from "../../support/workflow.js";

const redis = await startRedis();
const add = defineTask("math:add");
const inner = workflow([{ name: "a", needs: [], job: jobOf(add as never, path("input", "n")) }], {
  name: "test:inner",
  hash: "11111111",
  output: path("steps", "a", "result"),
});
const startInner = createStartFunction(
  defineWorkflow<{ n: number }, number>({
    definition: inner,
    input: () => z.strictObject({ n: z.number().min(1) }),
  }),
  [],
);
const down = (n: number, more = {}) => ({
  name: "down",
  needs: [],
  ...childOf(inner, object({ n: value(n) })),
  ...more,
});
const last = { name: "last", needs: ["down"], job: jobOf(add as never, value(7)) };
const outer = (...steps: readonly object[]) => workflow(steps as never, children(inner));

async function setup(
  workflows: Registry["workflows"] = async () => [startInner],
): Promise<{ project: Project; inspector: Inspector; seen: number[] }> {
  const project = setupProject({ redis, tasks: [add] as never });
  const inspector = openInspector({ url: redis.url, prefix: project.prefix });
  onTestFinished(() => inspector.close());
  const seen: number[] = [];
  const handler = ({ payload: { n } }: { payload: { n: number } }) => {
    seen.push(n);
    return n;
  };
  await project.worker({ "math:add": handler } as never, { workflows });
  return { project, inspector, seen };
}

const idsOf = async (inspector: Inspector) =>
  (await inspector.listRuns({})).runs.map(({ id }) => id).toSorted();

test("one that does not fit fails the step, and no run starts", async () => {
  const { project, inspector, seen } = await setup();
  expect(await endOf(await start(project, outer(down(0), last), {}, "r"))).toBe("RunFailed");
  const { steps } = await inspector.showRun("r");
  expect(steps[0]).toMatchObject({
    state: "failed",
    failure: expect.stringMatching(
      /^PayloadInvalid: the input of test:inner does not fit its schema: n: Too small/,
    ) as string,
  });
  expect(await idsOf(inspector)).toEqual(["r"]);
  expect(seen).toEqual([]);
});

test("with onFailure: continue the run goes on; of a fan-out the item fails, and one that fits runs", async () => {
  const { project, inspector, seen } = await setup();
  const each = {
    forEach: value([3, 0]),
    onFailure: "continue",
    ...childOf(inner, object({ n: path("item") })),
  };
  const run = await start(project, outer(down(0, each), last), {}, "r");
  expect(await endOf(run)).toBe("completed");
  expect(await outcomes(project, "r")).toMatchObject({
    "down.0": "completed",
    "down.1": "failed",
    last: "completed",
  });
  expect(await idsOf(inspector)).toEqual(["r", "r.down-1.0"]);
  expect(seen).toEqual([3, 7]);
});

test("a retried run is checked again, and skipping the step goes on without it", async () => {
  const { project, inspector } = await setup();
  const run = await start(project, outer(down(0), last), {}, "r");
  expect(await endOf(run)).toBe("RunFailed");
  await inspector.retryRun("r");
  expect(await endOf(run)).toBe("RunFailed");
  await inspector.skipStep("r", "down", 5);
  expect(await endOf(run)).toBe("completed");
});

test("what another deploy says of a workflow judges no run that began before it", async () => {
  const other = defineWorkflow<object, number>({
    definition: { ...inner, hash: "22222222" },
    input: () => z.never(),
  });
  const { project, seen } = await setup(async () => [createStartFunction(other, [])]);
  expect(await endOf(await start(project, outer(down(0), last), {}, "r"))).toBe("completed");
  expect(seen).toEqual([0, 7]);
});

test("where the workflows cannot be loaded runs go on unchecked, and the log says so once", async () => {
  const { project } = await setup(async () => await Promise.reject(new Error("no such module")));
  const steps = [down(0), { ...down(0), name: "more" }, last];
  expect(await endOf(await start(project, outer(...steps), {}, "r"))).toBe("completed");
  expect(project.logger.messages("error")).toEqual([
    "the generated workflows cannot be loaded: inputs of runs that are steps are not checked",
  ]);
});
