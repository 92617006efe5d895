// Runs of a thousand steps in every shape: each step once, in the order of what it needs, and the run ends.
import { expect, test } from "vitest";
import type { WorkflowStep } from "../../../runtime/definition/index.js";
import { defineTask, setupProject } from "../../support/project.js";
import { startRedis } from "../../support/redis.js";
import { seededRandom } from "../../support/signal.js";
import { jobOf, object, path, start, value, workflow } from "../../support/workflow.js";

const redis = await startRedis();
const add = defineTask("math:add");
const SIZE = 1000;
const random = seededRandom(7);

const step = (n: number, needs: readonly number[]): WorkflowStep => ({
  name: `s${n}`,
  needs: needs.map((need) => `s${need}`),
  job: jobOf(add as never, value(n)),
});
const steps = (needs: (n: number) => readonly number[]): WorkflowStep[] =>
  Array.from({ length: SIZE }, (_unused, n) => step(n, needs(n)));
const numbers = (count: number): number[] => Array.from({ length: count }, (_unused, n) => n);
const last = SIZE - 1;

const shapes: [shape: string, steps: readonly WorkflowStep[]][] = [
  ["a chain", steps((n) => (n === 0 ? [] : [n - 1]))],
  [
    "one step, all others after it, and one after them",
    steps((n) => (n === 0 ? [] : n === last ? numbers(last) : [0])),
  ],
  ["steps that all begin with the run", steps(() => [])],
  ["a tree that branches", steps((n) => (n === 0 ? [] : [(n - 1) >> 1]))],
  [
    "a tree that joins",
    steps((n) => [2 * n - SIZE, 2 * n - SIZE + 1].filter((need) => need >= 0 && need < n)),
  ],
  ["a random graph", steps((n) => numbers(n).filter((need) => random() < (n - need < 30 ? 0.1 : 0.002)))],
];

test.each(shapes)("%s", { timeout: 60_000 }, async (_shape, made) => {
  const project = setupProject({ redis, tasks: [add] as never });
  const ended: number[] = [];
  await project.worker({ "math:add": (job) => void ended.push((job.payload as { n: number }).n) });
  const run = await start(project, workflow(made));
  await run.result({ timeout: "50s" });
  const place = new Map(ended.map((n, at) => [`s${n}`, at]));
  expect(ended).toHaveLength(SIZE);
  expect(place.size).toBe(SIZE);
  const early = made.filter(({ name, needs }) => needs.some((need) => place.get(need)! > place.get(name)!));
  expect(early.map(({ name }) => name)).toEqual([]);
  expect(await project.raw.hlen(project.keys.jobs)).toBe(0);
});

test("a step for each of a thousand items, and one that reads them all", { timeout: 60_000 }, async () => {
  const project = setupProject({ redis, tasks: [add] as never });
  await project.worker({ "math:add": (job) => 2 * (job.payload as { n: number }).n });
  const each = { name: "each", needs: [], forEach: path("input"), job: jobOf(add as never, path("item")) };
  const sums = workflow([each], { output: object({ all: path("steps", "each", "result") }) });
  const run = await start(project, sums, numbers(SIZE));
  expect(await run.result({ timeout: "50s" })).toEqual({ all: numbers(SIZE).map((n) => 2 * n) });
});
