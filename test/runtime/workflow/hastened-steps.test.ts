// Steps of a run that does not go on have left the gate, and that is right.
import { expect, onTestFinished, test } from "vitest";
import { openInspector } from "../../../runtime/inspect/index.js";
import { defineTask, setupProject } from "../../support/project.js";
import { startRedis } from "../../support/redis.js";
import { endOf, jobOf, start, value, workflow } from "../../support/workflow.js";

const redis = await startRedis();
const add = defineTask("math:add");
const limited = (n = value(1)) => ({ ...jobOf(add as never, n), limit: { name: "math:add ", limit: 1 } });

test("fsck finds nothing wrong with the steps of a cancelled run that waited for a limit", async () => {
  const project = setupProject({ redis, tasks: [add] as never });
  const inspector = openInspector({ url: redis.url, prefix: project.prefix });
  onTestFinished(() => inspector.close());
  const steps = ["a", "b", "c"].map((name) => ({ name, needs: [], job: limited() }));
  const run = await start(project, workflow(steps));
  await inspector.pauseQueue("default");
  expect((await inspector.audit()).findings).toEqual([]);
  await inspector.cancelRun(run.id);
  const report = await inspector.audit();
  await inspector.resumeQueue("default");
  await project.worker({ "math:add": () => 1 } as never);
  expect(await endOf(run)).toBe("RunCancelled");
  expect(report.findings).toEqual([]);
});
