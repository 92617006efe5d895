// What happens to runs between two scripts: lost leases, refused writes, and what earlier rounds leave behind.
import { expect, onTestFinished, test, vi } from "vitest";
import { createStartFunction, PermanentError } from "taskweft/generated-v1";
import { Connection } from "../../../runtime/connection/index.js";
import { openInspector } from "../../../runtime/inspect/index.js";
import { RunReader } from "../../../runtime/worker/runs/run-reader.js";
import { RunSweeper } from "../../../runtime/worker/runs/run-sweeper.js";
import { StepEnds } from "../../../runtime/worker/runs/step-ends.js";
import { defineTask, setupProject } from "../../support/project.js";
import { startRedis } from "../../support/redis.js";
import { signal, until } from "../../support/signal.js";
import { ANYTHING } from "../../support/task.js";
import {
  childOf,
  children,
  endOf,
  jobOf,
  object,
  outcomes,
  path,
  start,
  stored,
  value,
  workflow,
} from "../../support/workflow.js";

const redis = await startRedis();
const add = defineTask("math:add", { retry: { maxRetries: 0 } as never });
const undo = defineTask("math:undo");
const queues = ["default", "other"].map((name) => ({ name, weight: 1 }));
const step = (name: string, needs: string[] = [], more = {}) => ({
  name,
  needs,
  job: jobOf(add as never),
  ...more,
});
const inOther = { job: { ...jobOf(add as never), queue: "other" } };

interface Job {
  readonly id: string;
  readonly payload: { readonly n: number };
}

test("the end of an attempt whose lease is lost is not written under the name of the next one", async () => {
  const project = setupProject({ redis, tasks: [add] as never });
  const { keys, raw } = project;
  const [go, second] = [signal(), signal()];
  let [attempts, isRefused] = [0, true];
  const original = Reflect.get(StepEnds.prototype, "written") as StepEnds["written"];
  const spy = vi.spyOn(StepEnds.prototype, "written").mockImplementation(async function (
    this: StepEnds,
    ...args
  ) {
    if (isRefused) throw new Error("Redis does not answer");
    await Reflect.apply(original, this, args);
  });
  const handler = async ({ id }: Job) => {
    if (!id.endsWith(".a")) return;
    attempts += 1;
    if (attempts === 1) throw new PermanentError("no");
    second.send();
    await go.promise;
  };
  const worker = await project.worker({ "math:add": handler } as never);
  const run = await start(project, workflow([step("a"), step("b", ["a"])]), {}, "r");
  await until("the end is refused", () => spy.mock.calls.length > 0);
  // Its lease has ended meanwhile; the worker goes on under another name, and takes the job.
  await raw.zadd(keys.leases, 0, worker.name);
  await second.promise;
  isRefused = false;
  const isGivenUp = () =>
    project.logger.lines.some(({ message }) => message.includes("before its outcome was written"));
  await until("the first end is given up", isGivenUp);
  const before = await outcomes(project, "r");
  go.send();
  expect([before, await endOf(run)]).toEqual([{}, "completed"]);
});

test("with a run go the runs of a fan-out that was undone and has not run again", async () => {
  const project = setupProject({ redis, tasks: [add, undo] as never });
  const { keys, raw } = project;
  const inner = workflow([step("a")], { name: "test:inner", hash: "11111111" });
  let isBroken = false;
  await project.worker({
    "math:add": ({ id }: Job) => {
      if (id === "r.last" || (id === "r.first" && isBroken)) throw new PermanentError("no");
    },
    "math:undo": () => undefined,
  } as never);
  const undone = { compensate: jobOf(undo as never), onFailure: "compensate" } as const;
  const each = {
    name: "each",
    needs: ["first"],
    forEach: path("input", "list"),
    ...childOf(inner),
    ...undone,
  };
  const steps = [step("first", [], undone), each, step("last", ["each"], { onFailure: "compensate" })];
  const run = await start(project, workflow(steps, children(inner)), { list: [1, 2, 3] }, "r");
  expect(await endOf(run)).toBe("RunFailed");
  const inspector = openInspector({ url: redis.url, prefix: project.prefix });
  onTestFinished(() => inspector.close());
  isBroken = true;
  await inspector.retryRun("r");
  expect(await endOf(run)).toBe("RunFailed");
  const connection = new Connection({ url: redis.url }, "test");
  onTestFinished(() => connection.disconnect());
  await raw.zadd(keys.ended, "XX", 1, "r");
  const sweeper = new RunSweeper(connection, keys, new RunReader(connection, keys), Date.now);
  await until("the run is removed", async () => {
    await sweeper.sweep();
    return (await raw.hexists(keys.workflows, "r")) === 0;
  });
  expect(await raw.zrange(keys.ended, 0, "-1")).toEqual([]);
  expect(await raw.hkeys(keys.workflows)).toEqual([]);
});

test("a run that Redis refuses does not take its idempotency key", async () => {
  const project = setupProject({ redis, tasks: [add] as never, queues });
  const { keys, raw } = project;
  const { pending } = keys.queue("other");
  await raw.set(pending, "not a list");
  const startKeyed = createStartFunction(
    {
      definition: workflow([step("a", [], inOther)]),
      input: () => ANYTHING,
      idempotency: { key: () => "k", ttlMs: 60_000 },
    },
    project.queues,
  );
  const { client } = project;
  // The second goes with the same call.
  const [keyed] = await Promise.allSettled([
    startKeyed({}, { client, id: "r" }),
    start(project, workflow([step("a")], { hash: "22222222" }), {}, "beside"),
  ]);
  expect(keyed.status).toBe("rejected");
  await raw.del(pending);
  await project.worker({ "math:add": () => 1 } as never);
  const run = await startKeyed({}, { client, id: "again" });
  expect([run.id, run.deduplicated, await endOf(run)]).toEqual(["again", false, "completed"]);
  await until("all have ended", async () => (await raw.exists(keys.running)) === 0);
});

test("a step whose run Redis refuses starts it when Redis no longer does", async () => {
  const project = setupProject({ redis, tasks: [add] as never, queues });
  const { keys, raw, logger } = project;
  const { pending } = keys.queue("other");
  const inner = workflow([step("a", [], inOther)], { name: "test:inner", hash: "11111111" });
  await raw.set(pending, "not a list");
  const ship = { name: "ship", needs: [], ...childOf(inner) };
  const run = await start(project, workflow([ship], children(inner)), {}, "r");
  await project.worker({ "math:add": () => 1 } as never, { queues: ["default"] });
  await until("it is refused", () => logger.messages("warn").some((text) => text.includes("workflow run")));
  await raw.del(pending);
  await project.worker({ "math:add": () => 1 } as never, { queues: ["other"] });
  await run.result({ timeout: "10s" });
  expect(await raw.hget(keys.workflows, "@test:inner 11111111#")).toBe("1");
});

test("a retried fan-out goes on with its items, whatever its condition says by now", async () => {
  const project = setupProject({ redis, tasks: [add] as never });
  const [failed, late] = [signal(), signal()];
  let isMended = false;
  await project.worker(
    {
      "math:add": async ({ id, payload: { n } }: Job) => {
        if (id === "r.b") await late.promise;
        if (id === "r.each.1" && !isMended) {
          failed.send();
          throw new PermanentError("no");
        }
        return n;
      },
    } as never,
    { concurrency: 4 },
  );
  const each = step("each", ["a", "b"], {
    join: 1,
    if: ["==", path("steps", "b", "status"), value(null)],
    forEach: stored([5, 6]),
    job: jobOf(add as never, path("item")),
  });
  const output = object({ each: path("steps", "each", "result") });
  const run = await start(project, workflow([step("a"), step("b"), each], { output }), {}, "r");
  await failed.promise;
  await until("the fan-out failed", async () => (await outcomes(project, "r"))["each"] === "failed");
  late.send();
  expect(await endOf(run)).toBe("RunFailed");
  isMended = true;
  const inspector = openInspector({ url: redis.url, prefix: project.prefix });
  onTestFinished(() => inspector.close());
  await inspector.retryRun("r");
  expect(await run.result()).toEqual({ each: [5, 6] });
});
