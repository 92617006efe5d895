// Many fan-outs that begin at once: no call begins so many jobs that Redis stands still for it.
import { expect, test, vi } from "vitest";
import { Connection } from "../../../runtime/connection/index.js";
import { defineTask, setupProject } from "../../support/project.js";
import { startRedis } from "../../support/redis.js";
import { endOf, jobOf, path, start, workflow } from "../../support/workflow.js";

const redis = await startRedis();
const add = defineTask("math:add");
const ITEMS = 200;

test("fan-outs that begin together are begun in calls of a bounded size", async () => {
  const project = setupProject({ redis, tasks: [add] as never });
  const job = jobOf(add as never, path("item"));
  const each = { name: "each", needs: [], forEach: path("input", "list"), job };
  const list = Array.from({ length: ITEMS }, (_unused, index) => index);
  const runs = await Promise.all(
    Array.from({ length: 20 }, () => start(project, workflow([each]), { list })),
  );
  const begun: number[] = [];
  const original = Reflect.get(Connection.prototype, "run") as Connection["run"];
  vi.spyOn(Connection.prototype, "run").mockImplementation(async function (this: Connection, ...call) {
    const reply = await Reflect.apply(original, this, call);
    if (call[0].name === "settle-steps") begun.push(Number((reply as [number])[0]));
    return reply;
  });
  await project.worker({ "math:add": () => 1 } as never, { concurrency: 100 });
  for (const run of runs) expect(await endOf(run)).toBe("completed");
  expect(Math.max(...begun)).toBeGreaterThanOrEqual(ITEMS);
  expect(Math.max(...begun)).toBeLessThanOrEqual(1024 + ITEMS);
});
