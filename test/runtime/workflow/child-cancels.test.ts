// What is asked of a step that is a run is forgotten when it rests.
import { expect, onTestFinished, test } from "vitest";
import { Connection } from "../../../runtime/connection/index.js";
import { openInspector } from "../../../runtime/inspect/index.js";
import { defineTask, setupProject } from "../../support/project.js";
import { startRedis } from "../../support/redis.js";
import { signal, until } from "../../support/signal.js";
import { childOf, children, endOf, jobOf, start, value, workflow } from "../../support/workflow.js";

const redis = await startRedis();
const hold = defineTask("hold:on", { timeoutMs: 60_000 });
const inner = workflow([{ name: "x", needs: [], job: jobOf(hold as never, value(1)) }], {
  name: "test:inner",
  hash: "1a1a1a1a",
});

test("no request to cancel stays with a step that goes on to wait for its run", async () => {
  const project = setupProject({ redis, tasks: [hold] as never });
  const inspector = openInspector({ url: redis.url, prefix: project.prefix });
  onTestFinished(() => inspector.close());
  const { keys, raw } = project;
  const [running, end] = [signal(), signal()];
  await project.worker(
    {
      "hold:on": async () => {
        running.send();
        await end.promise;
      },
    },
    { lease: "30s" },
  );
  const run = await start(
    project,
    workflow([{ name: "run", needs: [], ...childOf(inner) }], children(inner)),
  );
  await running.promise;
  const left: string[][] = [];
  const send = Reflect.get(Connection.prototype, "run") as Connection["run"];
  onTestFinished(() => void (Connection.prototype.run = send));
  Connection.prototype.run = async function (script, all, args) {
    if (script.name !== "follow-run" || args[6] !== "wait" || left.length > 0)
      return await send.call(this, script, all, args);
    // Somebody cancels the run once more, while the worker holds the job of the step.
    left.push([]);
    await inspector.cancelRun(run.id);
    const reply = await send.call(this, script, all, args);
    left.push(await raw.smembers(keys.cancels));
    return reply;
  };
  await inspector.cancelRun(run.id);
  await until("the step to wait again", () => left.length === 2);
  const { findings } = await inspector.audit();
  end.send();
  await endOf(run);
  expect(left[1]!.filter((id) => id === `${run.id}.run`)).toEqual([]);
  expect(findings).toEqual([]);
});
