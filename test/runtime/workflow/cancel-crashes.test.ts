// Whoever cancels a run dies at each of its calls in turn: once the run is told to end, all that is under way of it and of the runs in it is
// stopped, and undone.
import { expect, test } from "vitest";
import { cancelRun } from "../../../runtime/cancel.js";
import { Connection } from "../../../runtime/connection/index.js";
import type { WorkflowDefinition } from "../../../runtime/definition/index.js";
import { parseRunEnd, runFields } from "../../../runtime/protocol/index.js";
import { type Death, Life } from "../../support/mortal-worker.js";
import { defineTask, type Project, setupProject } from "../../support/project.js";
import { startRedis } from "../../support/redis.js";
import { until } from "../../support/signal.js";
import {
  childOf,
  children,
  endOf,
  jobOf,
  object,
  path,
  start,
  stored,
  value,
  workflow,
} from "../../support/workflow.js";

const redis = await startRedis();
const add = defineTask("math:add", { retry: { maxRetries: 0 } as never });
const undo = defineTask("math:undo");
const step = (name: string, n: number, needs: string[] = [], more = {}) => ({
  name,
  needs,
  job: jobOf(add as never, value(n)),
  ...more,
});
const undoing = (n: number) => ({ compensate: jobOf(undo as never, value(n)) });

/** Steps below 0 hold on until they are told to stop; every run has one that has completed and one that holds. */
const leaf = workflow([step("a", 1, [], undoing(1)), step("b", -1, ["a"])], {
  name: "test:leaf",
  hash: "11111111",
});
const middle = workflow([step("a", 2, [], undoing(2)), { name: "down", needs: ["a"], ...childOf(leaf) }], {
  name: "test:middle",
  hash: "22222222",
  ...children(leaf),
});
const root: WorkflowDefinition = workflow(
  [
    step("a", 3, [], undoing(3)),
    step("b", -3, ["a"]),
    { name: "cool", needs: ["a"], delayMs: 3_600_000 },
    { name: "down", needs: ["a"], ...childOf(middle) },
    { name: "each", needs: ["a"], forEach: value([1, 2]), ...childOf(leaf, object({ n: path("item") })) },
    { ...step("items", -2, ["a"]), forEach: stored([1, 2]) },
  ],
  children(leaf, middle),
);
const TREE = ["r", "r.down-1", "r.down-1.down-1", "r.each-1.0", "r.each-1.1"];

interface Job {
  readonly payload: { readonly n: number };
}

/** Steps that have begun to hold, and what has been undone. */
async function setup(options = {}): Promise<{ project: Project; held: number[]; undone: number[] }> {
  const project = setupProject({ redis, tasks: [add, undo] as never });
  const [held, undone] = [[] as number[], [] as number[]];
  await project.worker(
    {
      "math:add": async ({ payload: { n } }: Job, { signal }: { signal: AbortSignal }) => {
        if (n > 0) return n;
        held.push(n);
        return await new Promise((_resolve, reject) =>
          signal.addEventListener("abort", () => reject(signal.reason)),
        );
      },
      "math:undo": ({ payload: { n } }: Job) => void undone.push(n),
    } as never,
    options,
  );
  return { project, held, undone };
}

const allHold = async (held: readonly number[]) => await until("all steps to hold", () => held.length === 6);

async function ends({ raw, keys }: Project): Promise<unknown> {
  const texts = await raw.hmget(keys.workflows, ...TREE.map(runFields.state));
  return texts.map((text) => parseRunEnd(text ?? null)?.state);
}

/** Where it died: before the run was told to end, or in the middle of the rest. */
async function playDeath(nth: number, death: Death): Promise<"before" | "middle" | "never"> {
  const { project, held, undone } = await setup();
  const run = await start(project, root, {}, "r");
  await allHold(held);
  const life = new Life();
  const connection = new Connection(
    { url: redis.url, redis: { connectionName: life.connectionName } },
    "test",
  );
  await connection.redis.ping();
  life.endAt(nth, death);
  const cancelled = cancelRun(connection, project.keys, "r").then(() => true);
  const died = !(await Promise.race([cancelled, life.ended.promise.then(() => false)]));
  connection.disconnect();
  const told = (await project.raw.hexists(project.keys.workflows, "r :state")) === 1;
  if (!told) await project.client.cancelRun("r");
  expect(await endOf(run)).toBe("RunCancelled");
  expect(await ends(project)).toEqual(TREE.map(() => "cancelled"));
  expect(undone.toSorted((x, y) => x - y)).toEqual([1, 1, 1, 2, 3]);
  expect(undone.at(-1)).toBe(3);
  return !died ? "never" : told ? "middle" : "before";
}

test("a caller that dies half-way leaves nothing running under a run that it has cancelled", async () => {
  // One call after the other: to die before the next is sent is the same.
  const calls = Array.from({ length: 40 }, (_unused, index) => index + 1);
  const places = await Promise.all(calls.map((nth) => playDeath(nth, "unanswered")));
  expect(places[0]).toBe("before");
  expect(places.filter((place) => place === "middle").length).toBeGreaterThan(12);
  expect(places.at(-1)).toBe("never");
}, 60_000);

test("a worker that has no free slot hears of the cancel all the same, from whoever cancels", async () => {
  const { project, held } = await setup({ concurrency: 1 });
  const run = await start(project, workflow([step("b", -3)]), {}, "r");
  await until("the step to hold", () => held.length === 1);
  await project.client.cancelRun("r");
  expect(await endOf(run)).toBe("RunCancelled");
});
