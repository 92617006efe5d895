// Connections break in the middle of replies, again and again, while runs are played: no worker dies and no lease is lost, so each job runs
// once, and all runs end.
import { expect, test } from "vitest";
import { defineTask, setupProject } from "../../support/project.js";
import { startProxy } from "../../support/proxy.js";
import { startRedis } from "../../support/redis.js";
import { seededRandom, until, within } from "../../support/signal.js";
import { jobOf, object, path, start, stored, value, workflow } from "../../support/workflow.js";

const redis = await startRedis();
const add = defineTask("math:add");
const few = defineTask("math:few", { concurrency: { limit: 2 } as never });
const result = (name: string) => path("steps", name, "result");
const step = (name: string, needs: string[], n = value(1), more = {}) => ({
  name,
  needs,
  job: jobOf(add as never, n),
  ...more,
});
const limited = { ...jobOf(few as never, result("b")), limit: { name: "math:few ", limit: 2 } };
const STEPS = [
  step("a", []),
  step("b", ["a"], result("a")),
  step("c", ["a"], result("a")),
  { name: "few", needs: ["b"], job: limited },
  { name: "pause", needs: ["c"] },
  step("each", ["pause"], path("item"), { forEach: stored([1, 2, 3]), maxParallel: 2 }),
  step("d", ["few", "each"], result("few")),
  step("e", ["d"], result("d")),
];
/** Of steps and items, without what only pauses. */
const JOBS_OF_RUN = 9;
const RUNS = 40;
const CUTS = 60;

test("each job of each run runs once, whichever replies are lost", async () => {
  const seed = Number(process.env["WORKFLOW_SEED"] ?? Date.now() % 2 ** 31);
  const random = seededRandom(seed);
  const project = setupProject({ redis, tasks: [add, few] as never });
  const { keys, raw } = project;
  const proxy = await startProxy(redis.port);
  const starts: string[] = [];
  const handler = async ({ id, payload }: { id: string; payload: { n: number } }): Promise<number> => {
    starts.push(id);
    // Some run still when the connection is there again, and must not be taken for lost ones.
    const longMs = random() < 0.1 ? 200 : 1;
    await new Promise((resolve) => setTimeout(resolve, longMs));
    return payload.n + 1;
  };
  for (let n = 0; n < 2; n += 1) {
    const options = { url: proxy.url, concurrency: 5, lease: "60s" } as const;
    await project.worker({ "math:add": handler, "math:few": handler } as never, options);
  }
  // A new connection says a few things before it does anything.
  const cut = () => (proxy.cuts < CUTS ? 100 + Math.floor(random() * 9000) : Infinity);
  proxy.cutAfter("reply", cut, 2500);
  const definition = workflow(STEPS, { output: object({ e: result("e") }) });
  const runs = await Promise.all(Array.from({ length: RUNS }, () => start(project, definition)));
  const ended = Promise.all(runs.map((run) => run.result({ timeout: "50s" })));
  const outputs = await within(50_000, `all runs to end, seed ${seed}`, ended);
  expect(new Set(outputs.map((output) => JSON.stringify(output)))).toEqual(new Set(['{"e":6}']));
  expect(proxy.cuts).toBeGreaterThan(10);
  const twice = starts.filter((id, at) => starts.indexOf(id) !== at);
  expect(twice, `seed ${seed}`).toEqual([]);
  expect(starts).toHaveLength(RUNS * JOBS_OF_RUN);
  await until("nothing to be left", async () => (await raw.exists(keys.jobs, keys.running)) === 0);
});
