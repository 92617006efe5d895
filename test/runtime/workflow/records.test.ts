// What a worker remembers of the runs whose steps it begins.
import { expect, test } from "vitest";
import { encodeRunRecord } from "../../../runtime/protocol/index.js";
import { RunReader } from "../../../runtime/worker/runs/run-reader.js";
import { RunRecords } from "../../../runtime/worker/runs/run-records.js";
import { Connection } from "../../../runtime/connection/index.js";
import { forgetRuns } from "../../../runtime/scripts/index.js";
import { defineTask, setupProject } from "../../support/project.js";
import { startRedis } from "../../support/redis.js";
import { jobOf, path, start, workflow } from "../../support/workflow.js";

const redis = await startRedis();
const task = defineTask("math:add");
const textOf = (input: unknown) =>
  encodeRunRecord({ workflow: "w", hash: "h", startedAt: 1, key: "", input });

test("a run is read once, and another one of its id anew", async () => {
  const project = setupProject({ redis, tasks: [task] as never });
  const { keys } = project;
  const connection = new Connection({ url: redis.url }, "test", keys);
  const reader = new RunReader(connection, keys);
  const definition = workflow([{ name: "a", needs: [], job: jobOf(task as never, path("input", "n")) }]);
  const inputOf = async () =>
    (await reader.record("r", await reader.read(reader.fieldsOfRecord("r"))))?.input;
  try {
    for (const n of [1, 2]) {
      await start(project, definition, { n }, "r");
      expect(await inputOf()).toEqual({ n });
      expect(reader.fieldsOfRecord("r")).not.toContain("r");
      expect(await inputOf()).toEqual({ n });
      await project.raw.zadd(keys.ended, 1, "r");
      const fields = (await project.raw.hkeys(keys.workflows)).filter((field) => /^r( |$)/.test(field));
      await forgetRuns(connection, {
        keys,
        parts: [{ run: "r", isLast: true, owner: "r", fields, jobs: [] }],
      });
    }
    expect(await inputOf()).toBeUndefined();
    await project.raw.del(keys.jobs, keys.queue("default").pending, keys.running);
  } finally {
    connection.disconnect();
  }
});

test("what was not asked for longest is forgotten first, and never more is remembered than may be", () => {
  const text = textOf({ n: 1 });
  const records = new RunRecords(3 * text.length);
  for (const run of ["a", "b", "c"]) records.add(run, "1", text);
  expect(records.get("a", "1")?.input).toEqual({ n: 1 });
  records.add("d", "1", text);
  expect(["a", "b", "c", "d"].filter((run) => records.has(run))).toEqual(["a", "c", "d"]);
  // In the place of an earlier run of its id.
  records.add("c", "2", text);
  expect(records.get("c", "1")).toBeUndefined();
  expect(["a", "c", "d"].every((run) => records.has(run))).toBe(true);
  records.forget("a");
  records.add("e", "1", text);
  expect(["c", "d", "e"].every((run) => records.has(run))).toBe(true);
  // Longer than all that may be.
  expect(records.add("f", "1", textOf("x".repeat(1000))).input).toHaveLength(1000);
  expect(records.has("f")).toBe(false);
});

test("what a handler does to its payload, other steps do not see", async () => {
  const project = setupProject({ redis, tasks: [task] as never });
  const seen: unknown[] = [];
  const handler = ({ payload: { n } }: { payload: { n: { list: number[] } } }) => {
    seen.push([...n.list]);
    n.list.push(7);
  };
  await project.worker({ "math:add": handler as never });
  const job = jobOf(task as never, path("input", "n"));
  const steps = [
    { name: "a", needs: [], job },
    { name: "b", needs: ["a"], job },
  ];
  const run = await start(project, workflow(steps), { n: { list: [1] } });
  await run.result();
  expect(seen).toEqual([[1], [1]]);
});
