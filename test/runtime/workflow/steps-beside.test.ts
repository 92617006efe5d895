// Steps that are claimed together do not wait for one another.
import { expect, onTestFinished, test, vi } from "vitest";
import { Connection } from "../../../runtime/connection/index.js";
import { defineTask, setupProject } from "../../support/project.js";
import { startRedis } from "../../support/redis.js";
import { signal, within } from "../../support/signal.js";
import { endOf, jobOf, start, stored, value, workflow } from "../../support/workflow.js";

const redis = await startRedis();
const add = defineTask("math:add");

test("a step starts while a fan-out that was claimed with it stores its list", async () => {
  const project = setupProject({ redis, tasks: [add] as never });
  const each = { name: "each", needs: [], forEach: stored([1, 2]), job: jobOf(add as never) };
  const fanOut = await start(project, workflow([each], { name: "test:each" }), {}, "fan-out");
  const step = { name: "step", needs: [], job: jobOf(add as never, value(7)) };
  const plain = await start(project, workflow([step], { name: "test:step" }), {}, "plain");
  const [ran, storing] = [signal(), signal()];
  const original = Reflect.get(Connection.prototype, "run") as Connection["run"];
  const runs = vi.spyOn(Connection.prototype, "run").mockImplementation(async function (
    this: Connection,
    ...call
  ) {
    const reply = await Reflect.apply(original, this, call);
    if (call[0].name === "store-items") {
      storing.send();
      await ran.promise;
    }
    return reply;
  });
  onTestFinished(() => runs.mockRestore());
  const handlers = { "math:add": ({ payload }: { payload: { n: number } }) => payload.n === 7 && ran.send() };
  await project.worker(handlers as never, { concurrency: 4 });
  await storing.promise;
  await within(5000, "the plain step to start", ran.promise);
  expect(await Promise.all([endOf(fanOut), endOf(plain)])).toEqual(["completed", "completed"]);
});
