// A step is deleted only as it was seen: ended.
import { expect, onTestFinished, test } from "vitest";
import { Connection } from "../../../runtime/connection/index.js";
import { createInspector, openInspector } from "../../../runtime/inspect/index.js";
import { defineTask, setupProject } from "../../support/project.js";
import { startRedis } from "../../support/redis.js";
import { endOf, jobOf, start, value, workflow } from "../../support/workflow.js";
import { until, within } from "../../support/signal.js";

const redis = await startRedis();
const add = defineTask("math:add", { retry: { maxRetries: 0 } as never });

test("a step that is deleted while its run is retried does not leave the run waiting for ever", async () => {
  const project = setupProject({ redis, tasks: [add] as never });
  const inspector = openInspector({ url: redis.url, prefix: project.prefix });
  onTestFinished(() => inspector.close());
  let fails = true;
  const handlers = {
    "math:add": () => {
      if (fails) throw new Error("no");
      return 1;
    },
  };
  const worker = await project.worker(handlers as never);
  const run = await start(project, workflow([{ name: "a", needs: [], job: jobOf(add as never, value(1)) }]));
  expect(await endOf(run)).toBe("RunFailed");
  await until("the job to be dead", async () => (await project.state(`${run.id}.a`)) === "dead");
  await inspector.pauseTask("math:add");

  // Between the look of `weft jobs delete` and its script, somebody else retries the run.
  const connection = new Connection({ url: redis.url }, "inspect");
  onTestFinished(() => connection.disconnect());
  const call = connection.run.bind(connection);
  connection.run = async (script, keys, args) => {
    if (script.name === "remove") {
      await inspector.retryRun(run.id);
      await until(
        "the step to wait again",
        async () => (await project.raw.hget(project.keys.runs, `${run.id}.a`))?.includes("pending") === true,
      );
    }
    return await call(script, keys, args);
  };
  const racing = createInspector({ connection, keys: project.keys });
  await expect(racing.remove(`${run.id}.a`)).rejects.toMatchObject({ code: "StateConflict" });
  fails = false;
  await inspector.resumeTask("math:add");
  await within(
    10_000,
    "the run to end",
    until("its end", async () => (await inspector.showRun(run.id)).state === "completed"),
  );
  void worker;
});
