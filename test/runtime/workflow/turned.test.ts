// Runs that do not go on any more: what of them waits, waits no longer, and what has completed is undone in the right order.
import { describe, expect, test } from "vitest";
import { PermanentError, type TaskContext } from "taskweft/generated-v1";
import { runFields } from "../../../runtime/protocol/index.js";
import { decide } from "../../../runtime/workflow/index.js";
import { defineTask, type Project, setupProject } from "../../support/project.js";
import { startRedis } from "../../support/redis.js";
import { signal, until } from "../../support/signal.js";
import { endOf, jobOf, outcomes, path, start, value, workflow } from "../../support/workflow.js";

const redis = await startRedis();
const HOUR_MS = 3_600_000;
const hourly = { maxRetries: 3, backoff: { type: "fixed", delayMs: HOUR_MS, jitter: "none" } };
const soon = { maxRetries: 3, backoff: { type: "fixed", delayMs: 1, jitter: "none" } };
const slow = defineTask("t:slow", { retry: hourly as never });
const fails = defineTask("t:fails", { retry: { maxRetries: 0 } as never });
const undo = defineTask("t:undo", { retry: soon as never });
const limited = defineTask("t:limited", { retry: hourly as never, concurrency: { limit: 1 } as never });
const rated = defineTask("t:rated", { rateLimit: { limit: 1, perMs: HOUR_MS } as never });
const setup = (): Project => setupProject({ redis, tasks: [slow, fails, undo, limited, rated] as never });
const step = (name: string, task: unknown, more = {}) => ({
  name,
  needs: [],
  job: jobOf(task as never),
  ...more,
});
const no = (): never => {
  throw new PermanentError("no");
};

const hasTurned = ({ raw, keys }: Project, run: string) =>
  until("the run to turn", async () => (await raw.hexists(keys.workflows, runFields.state(run))) === 1);

describe("an attempt that ends after its run has turned is the last", () => {
  const ends = {
    retry: () => Promise.reject(new Error("again")),
    sleep: (ctx: TaskContext) => ctx.sleep("a while", "1h"),
  } as const;

  test.each([
    { how: "retry", onFailure: "fail" },
    { how: "retry", onFailure: "compensate" },
    { how: "sleep", onFailure: "fail" },
    { how: "sleep", onFailure: "compensate" },
  ] as const)("a $how, $onFailure", async ({ how, onFailure }) => {
    const project = setup();
    await project.worker({
      "t:slow": async (_job: unknown, ctx: TaskContext) => {
        await hasTurned(project, "r");
        await ends[how](ctx);
      },
      "t:fails": no,
    } as never);
    const flow = workflow([step("rests", slow), step("fails", fails, { onFailure })]);
    expect(await endOf(await start(project, flow, {}, "r"))).toBe("RunFailed");
    expect(await outcomes(project, "r")).toEqual({ rests: "cancelled", fails: "failed" });
  });

  test("also of an item of a fan-out, and after the time of the run", async () => {
    const project = setup();
    await project.worker({
      "t:slow": async () => {
        await hasTurned(project, "r");
        throw new Error("again");
      },
    } as never);
    const each = step("each", slow, { forEach: path("input") });
    const run = await start(project, workflow([each], { timeoutMs: 50 }), [1], "r");
    await expect(run.result()).rejects.toThrow(/had not ended after 50ms, its timeout/);
  });

  test("but not of what undoes a step, which is tried again", async () => {
    const project = setup();
    let tries = 0;
    await project.worker({
      "t:undo": ({ payload: { n } }: { payload: { n: number } }) => {
        if (n === 2 && ++tries < 3) throw new Error("not yet");
      },
      "t:fails": no,
    } as never);
    const done = step("done", undo, { compensate: jobOf(undo as never, value(2)) });
    const last = step("last", fails, { needs: ["done"], onFailure: "compensate" });
    const run = await start(project, workflow([done, last]), {}, "r");
    expect(await endOf(run)).toBe("RunFailed");
    expect(tries).toBe(3);
    expect(await outcomes(project, "r")).toEqual({ done: "completed", "done~": "completed", last: "failed" });
  });
});

test("a step that is hastened takes no slot, and gives none back", async () => {
  const project = setup();
  const { raw, keys } = project;
  const [mayFail, mayEnd] = [signal(), signal()];
  await project.worker({
    "t:limited": async ({ payload: { n } }: { payload: { n: number } }) => {
      if (n === 1) throw new Error("again");
      await mayEnd.promise;
    },
    "t:fails": async () => {
      await mayFail.promise;
      no();
    },
  } as never);
  const rests = step("rests", limited, {
    job: { ...jobOf(limited as never), limit: { name: "t:limited ", limit: 1 } },
  });
  const run = await start(project, workflow([rests, step("fails", fails)]), {}, "r");
  const due = () => raw.zscore(keys.queue("default").due, "r.rests");
  await until("the step to wait for its retry", async () => (await due()) !== null);
  const other = await project.enqueue(limited as never, { n: 2 } as never);
  const isActive = async () => (await project.state(other.id)) === "active";
  await until("another job to hold the slot", isActive);
  mayFail.send();
  expect(await endOf(run)).toBe("RunFailed");
  expect(await raw.hget(keys.groups, "t:limited ")).toBe("1");
  mayEnd.send();
});

test.each([{ how: "another step" }, { how: "the timeout" }])(
  "a step that waits at the gate is ended by $how",
  async ({ how }) => {
    const project = setup();
    const mayFail = signal();
    await project.worker({
      "t:rated": () => undefined,
      "t:fails": async () => {
        await mayFail.promise;
        no();
      },
      "t:slow": () => hasTurned(project, "r"),
    } as never);
    await (await project.enqueue(rated as never, { n: 1 } as never)).result?.();
    const waits = step("waits", rated, {
      job: { ...jobOf(rated as never), limit: { name: "t:rated ", rate: { limit: 1, perMs: HOUR_MS } } },
    });
    const other = how === "the timeout" ? step("other", slow) : step("other", fails);
    const flow = workflow([waits, other], how === "the timeout" ? { timeoutMs: 300 } : {});
    const run = await start(project, flow, {}, "r");
    await until("the step to stand at the gate", async () => {
      const members = await project.raw.zrange(project.keys.waiting, 0, "-1");
      return members.some((member) => member.endsWith(" r.waits"));
    });
    mayFail.send();
    expect(await endOf(run)).toBe("RunFailed");
    expect((await outcomes(project, "r")).waits).toBe("cancelled");
  },
);

describe("where one step fails the run and another asks for the undoing", () => {
  const steps = [
    step("done", undo, { compensate: jobOf(undo as never) }),
    step("first", fails, { needs: ["done"] }),
    step("second", slow, { needs: ["done"], onFailure: "compensate" }),
  ];
  const handlers = (project: Project) => {
    const bothRun = signal();
    return {
      "t:undo": () => undefined,
      "t:fails": async () => {
        await bothRun.promise;
        no();
      },
      "t:slow": async () => {
        bothRun.send();
        await hasTurned(project, "r");
        no();
      },
    };
  };

  test("what has completed is undone, whichever comes first", async () => {
    const project = setup();
    await project.worker(handlers(project) as never);
    expect(await endOf(await start(project, workflow(steps), {}, "r"))).toBe("RunFailed");
    expect(await outcomes(project, "r")).toMatchObject({ first: "failed", "done~": "completed" });
  });

  test("nothing is undone after a timeout that says so", async () => {
    const project = setup();
    await project.worker(handlers(project) as never);
    const [done, , second] = steps;
    const flow = workflow([done!, second!], { timeoutMs: 100, onTimeout: "fail" });
    expect(await endOf(await start(project, flow, {}, "r"))).toBe("RunFailed");
    expect(Object.keys(await outcomes(project, "r"))).not.toContain("done~");
  });
});

test("no step is undone before one that needed it, whatever the clocks of their workers said", () => {
  const undoing = { compensate: jobOf(undo as never) };
  const flow = workflow([
    step("a", slow, undoing),
    step("b", slow, { needs: ["a"] }),
    step("c", slow, { needs: ["b"], ...undoing }),
    step("d", slow, undoing),
  ]);
  const at = { a: 40, b: 30, c: 10, d: 20 };
  const completed = Object.entries(at).map(
    ([name, ms]) => [name, { status: "completed", at: ms, detail: null }] as const,
  );
  const undone = new Map<string, { status: "completed"; at: number; detail: null }>();
  const order: string[] = [];
  for (;;) {
    const next = decide(flow, { state: "compensating", outcomes: new Map(completed), undone });
    if (next.kind !== "undo") break;
    order.push(next.step.name);
    undone.set(next.step.name, { status: "completed", at: 50, detail: null });
  }
  expect(order).toEqual(["d", "c", "a"]);
});

test("a step whose handler has run is not skipped because another has ended since", async () => {
  const project = setup();
  const mayEnd = signal();
  let tries = 0;
  await project.worker({
    "t:undo": async ({ payload: { n } }: { payload: { n: number } }) => {
      if (n === 1) await mayEnd.promise;
      if (n !== 3 || ++tries > 1) return;
      mayEnd.send();
      const ended = () => project.raw.hexists(project.keys.workflows, "r slow");
      await until("the slow one to end", async () => (await ended()) === 1);
      throw new Error("again");
    },
  } as never);
  const status = ["??", path("steps", "slow", "status"), value("open")];
  const flow = workflow([
    step("slow", undo),
    step("fast", undo, { job: jobOf(undo as never, value(2)) }),
    step("either", undo, {
      needs: ["slow", "fast"],
      join: 1,
      if: ["==", status, value("open")],
      job: jobOf(undo as never, value(3)),
    }),
  ]);
  expect(await endOf(await start(project, flow, {}, "r"))).toBe("completed");
  expect(await outcomes(project, "r")).toMatchObject({ either: "completed" });
  expect(tries).toBe(2);
});

test("a list that is too long fails its run, whatever becomes of single items", async () => {
  const project = setup();
  await project.worker({ "t:undo": () => undefined } as never);
  const each = step("each", undo, { forEach: path("input"), onFailure: "continue" });
  const after = step("after", undo, { needs: ["each"] });
  const list = Array.from({ length: 100_001 }, () => 0);
  const run = await start(project, workflow([each, after]), list, "r");
  await expect(run.result()).rejects.toThrow(
    /step each failed: forEach: expected a list of at most 100000 items/,
  );
});

test("a run that goes on is complete when each step is done, and not where one was cancelled", () => {
  const flow = workflow([
    { name: "a", needs: [] },
    { name: "b", needs: [] },
  ]);
  const outcome = (status: "cancelled" | "completed") => ({ status, at: 1, detail: null });
  const decided = (b: "cancelled" | "completed") =>
    decide(flow, {
      state: undefined,
      outcomes: new Map([
        ["a", outcome("completed")],
        ["b", outcome(b)],
      ]),
      undone: new Map(),
    });
  expect(decided("completed")).toEqual({ kind: "completed" });
  expect(decided("cancelled")).toEqual({
    kind: "failed",
    reason: "the run was not cancelled, but these steps were: b",
  });
});
