// Retrying workflow runs: what handlers have noted counts, however the step had ended, unless a step before it runs again.
import { expect, onTestFinished, test } from "vitest";
import { PermanentError, type TaskContext } from "taskweft/generated-v1";
import { Connection } from "../../../runtime/connection/index.js";
import { openInspector } from "../../../runtime/inspect/index.js";
import { RunReader } from "../../../runtime/worker/runs/run-reader.js";
import { RunSweeper } from "../../../runtime/worker/runs/run-sweeper.js";
import { defineTask, type Project, setupProject } from "../../support/project.js";
import { startRedis } from "../../support/redis.js";
import { signal, until } from "../../support/signal.js";
import { endOf, jobOf, path, start, value, workflow } from "../../support/workflow.js";

const redis = await startRedis();
const backoff = { type: "fixed", delayMs: 3_600_000, jitter: "none" } as const;
const work = defineTask("some:work", { retry: { maxRetries: 3, backoff } });
const other = defineTask("some:other");
const undo = defineTask("some:undo");

/** How the first life of the handler ends, after it has noted that it has charged. */
const ends = {
  dies: () => {
    throw new PermanentError("no");
  },
  "waits for its retry": () => {
    throw new Error("not yet");
  },
  sleeps: (ctx: TaskContext) => ctx.sleep("a while", "1h"),
  runs: (ctx: TaskContext) =>
    new Promise((_resolve, reject) =>
      ctx.signal.addEventListener("abort", () => reject(ctx.signal.reason as Error)),
    ),
} as const;
type Ending = keyof typeof ends;

interface Stage {
  readonly project: Project;
  readonly inspector: ReturnType<typeof openInspector>;
  /** The job for each time that it charges. */
  readonly charged: string[];
  /** Resolves when the first has charged. */
  readonly begun: Promise<void>;
  /** Lets the other step fail. */
  readonly fail: () => void;
  /** From now on handlers end well. */
  readonly mend: () => void;
}

async function setup(ending: Ending): Promise<Stage> {
  const project = setupProject({ redis, tasks: [work, other, undo] as never });
  const inspector = openInspector({ url: redis.url, prefix: project.prefix });
  onTestFinished(() => inspector.close());
  const [begun, failing, charged] = [signal(), signal(), [] as string[]];
  let isMended = false;
  await project.worker({
    "some:work": async ({ id }, ctx) => {
      await ctx.step("charge", () => void charged.push(id));
      begun.send();
      if (!isMended) await ends[ending](ctx);
    },
    "some:other": async () => {
      if (isMended) return;
      await failing.promise;
      throw new PermanentError("no");
    },
    "some:undo": () => undefined,
  });
  return {
    project,
    inspector,
    charged,
    begun: begun.promise,
    fail: () => failing.send(),
    mend: () => (isMended = true),
  };
}

const alone = { name: "a", needs: [], job: jobOf(work as never) };
const items = { name: "a", needs: [], forEach: value([7]), job: jobOf(work as never, path("item")) };
const beside = { name: "b", needs: [], job: jobOf(other as never) };

const rests = async (project: Project, id: string): Promise<void> =>
  await until("the handler to rest", async () => {
    const { due } = project.keys.queue("default");
    return (await project.raw.zscore(due, id)) !== null;
  });

test.each(["waits for its retry", "sleeps"] as const)(
  "a step whose handler %s when another fails goes on with what it has noted",
  async (ending) => {
    const { project, inspector, charged, fail, mend } = await setup(ending);
    const run = await start(project, workflow([alone, beside]), {}, "r");
    await rests(project, "r.a");
    fail();
    expect(await endOf(run)).toBe("RunFailed");
    mend();
    await inspector.retryRun("r");
    expect(await endOf(run)).toBe("completed");
    expect(charged).toEqual(["r.a"]);
    expect(await project.raw.exists(project.keys.notes, project.keys.done, project.keys.jobs)).toBe(0);
  },
);

const cancelled = (["waits for its retry", "sleeps", "runs"] as const).flatMap((ending) => [
  ["a step", ending, alone, "r.a"] as const,
  ["an item", ending, items, "r.a.0"] as const,
]);

test.each(cancelled)(
  "%s whose handler %s when the run is cancelled does so too",
  async (_what, ending, step, id) => {
    const { project, inspector, charged, begun, mend } = await setup(ending);
    const run = await start(project, workflow([step]), {}, "r");
    await (ending === "runs" ? begun : rests(project, id));
    await inspector.cancelRun("r");
    expect(await endOf(run)).toBe("RunCancelled");
    mend();
    await inspector.retryRun("r");
    expect(await endOf(run)).toBe("completed");
    expect(charged).toEqual([id]);
    expect(await project.raw.exists(project.keys.notes, project.keys.done, project.keys.jobs)).toBe(0);
  },
);

test("an item that failed does so too, and not where a step before it runs again", async () => {
  const { project, inspector, charged, fail, mend } = await setup("dies");
  const run = await start(project, workflow([items]), {}, "r");
  expect(await endOf(run)).toBe("RunFailed");
  const first = { ...beside, job: jobOf(undo as never), compensate: jobOf(undo as never) };
  const after = { ...items, needs: ["b"], onFailure: "compensate" as const };
  const undone = await start(project, workflow([first, after], { hash: "22222222" }), {}, "s");
  expect(await endOf(undone)).toBe("RunFailed");
  fail();
  mend();
  for (const one of [run, undone]) {
    await inspector.retryRun(one.id);
    expect(await endOf(one)).toBe("completed");
  }
  expect(charged).toEqual(["r.a.0", "s.a.0", "s.a.0"]);
});

test("a worker that dies between the end of the step and that of its job leaves them", async () => {
  const { project, inspector } = await setup("sleeps");
  const { raw, keys } = project;
  const run = await start(project, workflow([alone]), {}, "r");
  await rests(project, "r.a");
  await inspector.cancelRun("r");
  expect(await endOf(run)).toBe("RunCancelled");
  const isKept = async () => (await raw.zscore(keys.done, "r.a")) !== null;
  await until("the job to be kept", isKept);
  // As it is taken back from that worker.
  const { pending, wake } = keys.queue("default");
  await raw
    .multi()
    .zrem(keys.done, "r.a")
    .hdel(keys.runs, "r.a")
    .rpush(pending, "r.a")
    .lpush(wake, "1")
    .exec();
  await until("the job to be kept again", isKept);
  expect(await raw.hget(keys.notes, "r.a")).toContain('["charge"');
});

test("what is kept of them goes with the run", async () => {
  const { project, inspector } = await setup("sleeps");
  const { raw, keys } = project;
  const { needs, job } = alone;
  const run = await start(
    project,
    workflow([alone, { ...items, name: "each", needs, job }], { keepMs: 1 }),
    {},
    "r",
  );
  await rests(project, "r.a");
  await rests(project, "r.each.0");
  await inspector.cancelRun("r");
  expect(await endOf(run)).toBe("RunCancelled");
  await until("both jobs to be kept", async () => (await raw.zcard(keys.done)) === 2);
  // As if a retry had been cancelled before the turn of the item came.
  await raw.zrem(keys.done, "r.each.0");
  await raw.hdel(keys.jobs, "r.each.0");
  await raw.hdel(keys.runs, "r.each.0");
  await raw.hset(keys.notes, "r.each.0", '["charge"]');
  expect((await inspector.audit()).findings).toEqual([]);
  const connection = new Connection({ url: redis.url }, "test");
  onTestFinished(() => connection.disconnect());
  const sweeper = new RunSweeper(connection, keys, new RunReader(connection, keys), Date.now);
  await until("the run is removed", async () => {
    await sweeper.sweep();
    return (await raw.hexists(keys.workflows, "r")) === 0;
  });
  expect(await raw.exists(keys.notes, keys.done, keys.jobs, keys.runs)).toBe(0);
});
