// Runs of workflows on a real Redis: the order of steps, what flows between them, and how a run ends.
import type { Redis } from "ioredis";
import { describe, expect, test } from "vitest";
import { PermanentError } from "taskweft/generated-v1";
import { defineTask, type Project, setupProject } from "../../support/project.js";
import { startRedis } from "../../support/redis.js";
import { signal, until } from "../../support/signal.js";
import { jobOf, object, outcomes, path, start, stored, value, workflow } from "../../support/workflow.js";

const redis = await startRedis();
const add = defineTask("math:add", { retry: { maxRetries: 0 } as never });
const undo = defineTask("math:undo");
const setup = (): Project => setupProject({ redis, tasks: [add, undo] as never });
const step = (name: string, needs: string[] = [], n = value(1), more = {}) => ({
  name,
  needs,
  job: jobOf(add as never, n),
  ...more,
});

/** Bytes that the server has sent. */
async function bytesSent(raw: Redis): Promise<number> {
  return Number(/total_net_output_bytes:(\d+)/.exec(await raw.info("stats"))?.[1]);
}

/** Adds one, and notes what it was called with. */
function adding(project: Project) {
  const seen: number[] = [];
  const undone: number[] = [];
  const handlers = {
    "math:add": ({ payload }: { payload: { n: number } }) => {
      if (payload.n < 0) throw new PermanentError(`no ${payload.n}`);
      seen.push(payload.n);
      return payload.n + 1;
    },
    "math:undo": ({ payload }: { payload: { n: number } }) => void undone.push(payload.n),
  };
  return { seen, undone, worker: (options = {}) => project.worker(handlers as never, options) };
}

test("a chain hands each result on, and the output reads the last", async () => {
  const project = setup();
  const { seen, worker } = adding(project);
  await worker();
  const steps = [
    step("a", [], path("input", "n")),
    step("b", ["a"], path("steps", "a", "result")),
    step("c", ["b"], path("steps", "b", "result")),
  ];
  const run = await start(
    project,
    workflow(steps, { output: object({ sum: path("steps", "c", "result") }) }),
    { n: 5 },
  );
  expect(await run.result()).toEqual({ sum: 8 });
  expect(seen).toEqual([5, 6, 7]);
  expect(await project.raw.hlen(project.keys.jobs)).toBe(0);
});

test("a step that blocks the event loop strands none of those that were claimed with it", async () => {
  const project = setup();
  let first = true;
  const handler = () => {
    // Longer than a claimed job waits for a slot.
    const until = performance.now() + 150;
    while (first && performance.now() < until);
    first = false;
    return 1;
  };
  await project.worker({ "math:add": handler } as never, { concurrency: 4 });
  // More than are claimed at once: a worker that has found nothing more hears of what comes back.
  const steps = Array.from({ length: 20 }, (_unused, n) => step(`s${n}`));
  const run = await start(project, workflow(steps));
  expect(await run.result({ timeout: "10s" })).toBeNull();
});

test("a step with several needs begins once, after all of them, or after as many as its join says", async () => {
  const project = setup();
  const { seen, worker } = adding(project);
  await worker();
  const fan = ["a", "b", "c"].map((name, n) => step(name, [], value(n)));
  const all = step("all", ["a", "b", "c"], value(10));
  const any = step("any", ["a", "b", "c"], value(20), { join: 1 });
  const run = await start(project, workflow([...fan, all, any]));
  await run.result();
  expect(seen.filter((n) => n === 10)).toHaveLength(1);
  expect(seen.filter((n) => n === 20)).toHaveLength(1);
  expect(seen).toHaveLength(5);
});

test("a step whose condition does not hold is skipped, and those after it go on", async () => {
  const project = setup();
  const { seen, worker } = adding(project);
  await worker();
  const skipped = step("b", ["a"], value(2), { if: ["==", path("input", "go"), value(true)] });
  const after = step("c", ["b"], ["??", path("steps", "b", "result"), value(7)]);
  const run = await start(project, workflow([step("a"), skipped, after]), { go: false });
  await run.result();
  expect(seen).toEqual([1, 7]);
  expect(await outcomes(project, run.id)).toEqual({ a: "completed", b: "skipped", c: "completed" });
});

describe("a step that fails for good", () => {
  test("ends the run as failed, and what waits for it never begins", async () => {
    const project = setup();
    const { seen, worker } = adding(project);
    await worker();
    const run = await start(project, workflow([step("a"), step("b", ["a"], value(-1)), step("c", ["b"])]));
    await expect(run.result()).rejects.toThrow(/RunFailed: .*step b failed: PermanentError: .*no -1/);
    expect(seen).toEqual([1]);
  });

  test("is one whose result is too large", async () => {
    const project = setup();
    await project.worker({ "math:add": () => "x".repeat(200) } as never, { maxResult: 100 });
    const run = await start(project, workflow([step("a", [], value(1))]));
    await expect(run.result()).rejects.toThrow(/step a failed: ResultTooLarge: .*202 characters/);
  });

  test("ends the run too where the output is too large that is made of results", async () => {
    const project = setup();
    const large = "x".repeat(9 * 1024 * 1024);
    await project.worker({ "math:add": () => large } as never, { maxResult: 10 * 1024 * 1024 });
    const result = path("steps", "a", "result");
    const run = await start(project, workflow([step("a")], { output: ["list", [result, result]] as never }));
    await expect(run.result()).rejects.toThrow(/ResultTooLarge: the run has an output of 188\d+ characters/);
  });

  test("lets the run go on where its rule is continue", async () => {
    const project = setup();
    const { seen, worker } = adding(project);
    await worker();
    const lenient = step("b", ["a"], value(-1), { onFailure: "continue" });
    const run = await start(project, workflow([step("a"), lenient, step("c", ["b"], value(3))]));
    await run.result();
    expect(seen).toEqual([1, 3]);
  });

  test("undoes what completed, the last first, each once, where its rule is compensate", async () => {
    const project = setup();
    const { undone, worker } = adding(project);
    await worker();
    const undoing = (n: number) => ({ compensate: jobOf(undo as never, value(n)) });
    const run = await start(
      project,
      workflow([
        step("a", [], value(1), undoing(1)),
        step("b", ["a"], value(2), undoing(2)),
        step("c", ["b"], value(3)),
        step("d", ["c"], value(-4), { onFailure: "compensate", ...undoing(4) }),
      ]),
    );
    await expect(run.result()).rejects.toThrow(/step d failed/);
    expect(undone).toEqual([2, 1]);
    expect(await outcomes(project, run.id)).toMatchObject({
      "a~": "completed",
      "b~": "completed",
      d: "failed",
    });
  });
});

describe("a fan-out", () => {
  const each = step("each", [], path("item"), { forEach: path("input", "list") });

  test("runs its step for each item, and gives the results in their order", async () => {
    const project = setup();
    const { worker } = adding(project);
    await worker();
    const list = Array.from({ length: 700 }, (_unused, n) => n);
    const steps = [{ ...each, maxParallel: 30 }, step("last", ["each"])];
    const run = await start(project, workflow(steps, { output: path("steps", "each", "result") }), { list });
    expect(await run.result()).toEqual(list.map((n) => n + 1));
  });

  test("stores only items that stand neither in the input nor in the definition", async () => {
    const project = setup();
    const { worker } = adding(project);
    await worker();
    const lists = {
      given: path("input", "list"),
      either: ["??", path("input", "none"), value([1, 2])],
      made: stored([3, 4]),
    } as const;
    const steps = Object.entries(lists).map(([name, forEach]) => step(name, [], path("item"), { forEach }));
    const output = object({
      given: path("steps", "given", "result"),
      either: path("steps", "either", "result"),
      made: path("steps", "made", "result"),
    });
    const run = await start(project, workflow(steps, { output }), { list: [5, 6] });
    expect(await run.result()).toEqual({ given: [6, 7], either: [2, 3], made: [4, 5] });
    const fields = await project.raw.hkeys(project.keys.workflows);
    expect(fields.filter((field) => field.endsWith("*")).sort()).toEqual(
      ["either*", "given*", "made*", "made.0*", "made.1*"].map((field) => `${run.id} ${field}`),
    );
  });

  test("whose items read one before it does not read that anew for each of them", async () => {
    const project = setup();
    const { worker } = adding(project);
    await worker({ concurrency: 200 });
    const list = Array.from({ length: 1200 }, (_unused, n) => n);
    const sum = {
      ...each,
      name: "sum",
      needs: ["each"],
      job: jobOf(add as never, path("steps", "each", "result", 7)),
    };
    const run = await start(project, workflow([each, sum], { output: path("steps", "sum", "result") }), {
      list,
    });
    const before = await bytesSent(project.raw);
    expect(await run.result()).toEqual(list.map(() => 9));
    // The results are some 15 kB, in 1,200 fields.
    expect((await bytesSent(project.raw)) - before).toBeLessThan(5_000_000);
  });

  test("never runs more than maxParallel at once", async () => {
    const project = setup();
    let [now, most] = [0, 0];
    await project.worker({
      "math:add": async () => {
        most = Math.max(most, ++now);
        await new Promise((resolve) => setImmediate(resolve));
        now -= 1;
      },
    } as never);
    const list = Array.from({ length: 100 }, (_unused, n) => n);
    await (await start(project, workflow([{ ...each, maxParallel: 4 }]), { list })).result();
    expect(most).toBe(4);
  });

  test("of nothing completes at once", async () => {
    const project = setup();
    const { seen, worker } = adding(project);
    await worker();
    const run = await start(project, workflow([each, step("last", ["each"], value(9))]), { list: [] });
    await run.result();
    expect(seen).toEqual([9]);
  });

  test("with an item that fails for good ends the run, or goes on without it", async () => {
    const project = setup();
    const { worker } = adding(project);
    await worker();
    const list = [1, -2, 3];
    await expect((await start(project, workflow([each]), { list })).result()).rejects.toThrow(/RunFailed/);
    const lenient = workflow([{ ...each, onFailure: "continue" as const }], {
      hash: "11111111",
      output: path("steps", "each", "result"),
    });
    expect(await (await start(project, lenient, { list })).result()).toEqual([2, null, 4]);
  });

  test("over something that is no list fails the run and says so", async () => {
    const project = setup();
    const { worker } = adding(project);
    await worker();
    await expect((await start(project, workflow([each]), { list: 3 })).result()).rejects.toThrow(
      /expected a list of at most 100000 items, got number/,
    );
  });
});

test("a delayed step begins when its time has come", async () => {
  const project = setup();
  const { worker } = adding(project);
  await worker();
  const begun = performance.now();
  const run = await start(
    project,
    workflow([step("a"), { name: "cool", needs: ["a"], delayMs: 400 }, step("b", ["cool"])]),
  );
  await run.result();
  expect(performance.now() - begun).toBeGreaterThan(390);
});

describe("a run whose time is over", () => {
  const undoing = (n: number) => ({ compensate: jobOf(undo as never, value(n)) });
  const bounded = { timeoutMs: 300, hash: "22222222" };
  const waits = { name: "wait", needs: ["a"], delayMs: 3_600_000 };

  test("fails and undoes what completed, without the wait that was left", async () => {
    const project = setup();
    const { undone, worker } = adding(project);
    await worker();
    const steps = [step("a", [], value(1), undoing(1)), waits, step("b", ["wait"])];
    const run = await start(project, workflow(steps, bounded));
    await expect(run.result()).rejects.toThrow(
      /RunFailed: .*: the run had not ended after 300ms, its timeout$/,
    );
    expect(undone).toEqual([1]);
    expect(await outcomes(project, run.id)).toEqual({
      a: "completed",
      "a~": "completed",
      wait: "cancelled",
    });
    expect(await project.raw.hlen(project.keys.jobs)).toBe(0);
  });

  test("undoes nothing where its rule is fail, and lets what runs come to its end", async () => {
    const project = setup();
    const goOn = signal();
    const undone: number[] = [];
    await project.worker({ "math:add": () => goOn.promise, "math:undo": () => void undone.push(1) } as never);
    const steps = [step("a", [], value(1), undoing(1)), step("b", ["a"])];
    const run = await start(project, workflow(steps, { ...bounded, timeoutMs: 50, onTimeout: "fail" }));
    const state = () => project.raw.hget(project.keys.workflows, `${run.id} :state`);
    await until("the timeout of the run", async () => (await state()) === "failing");
    goOn.send();
    await expect(run.result()).rejects.toThrow(/its timeout/);
    expect(undone).toEqual([]);
    expect(await outcomes(project, run.id)).toEqual({ a: "completed" });
  });

  test("was in time, and nothing of the timeout is left", async () => {
    const project = setup();
    const { keys, raw } = project;
    const run = await start(project, workflow([step("a")], { ...bounded, timeoutMs: 3_600_000 }));
    // Put back into the due set by two crashes, which stand in its run.
    await raw.hset(keys.runs, `${run.id}:timeout`, '[0,2,"retry",null,[]]');
    await adding(project).worker();
    await run.result();
    expect(await raw.exists(keys.jobs, keys.runs, keys.queue("default").due)).toBe(0);
  });
});

test("a step that fails does not leave its run waiting for a long sleep beside it", async () => {
  const project = setup();
  await adding(project).worker();
  const steps = [{ name: "long", needs: [], delayMs: 3_600_000 }, step("a", [], value(-1))];
  const run = await start(project, workflow(steps));
  await expect(run.result()).rejects.toThrow(/step a failed/);
  expect(await outcomes(project, run.id)).toMatchObject({ long: "cancelled" });
});

test("the same id, and the same run is given back", async () => {
  const project = setup();
  const { seen, worker } = adding(project);
  const definition = workflow([step("a")]);
  const first = await start(project, definition, {}, "order-7");
  const second = await start(project, definition, {}, "order-7");
  await worker();
  await second.result();
  expect(second.id).toBe(first.id);
  expect(seen).toEqual([1]);
});

test("an id that another start has taken is a conflict", async () => {
  const project = setup();
  const definition = workflow([step("a")]);
  const first = await start(project, definition, { n: 1, m: 2 }, "order-8");
  const again = await start(project, definition, { m: 2, n: 1 }, "order-8");
  expect([first.deduplicated, again.deduplicated]).toEqual([false, true]);
  for (const other of [
    start(project, definition, { n: 2 }, "order-8"),
    start(project, { ...definition, name: "some:other" }, { n: 1, m: 2 }, "order-8"),
  ]) {
    await expect(other).rejects.toMatchObject({ code: "IdConflict" });
  }
});

test("a run that has no step ends at once", async () => {
  const project = setup();
  await adding(project).worker();
  expect(await (await start(project, workflow([]))).result()).toBeNull();
});

test("the limit of a step's task holds over all runs", async () => {
  const project = setup();
  let [now, most] = [0, 0];
  await project.worker({
    "math:add": async () => {
      most = Math.max(most, ++now);
      await new Promise((resolve) => setTimeout(resolve, 5));
      now -= 1;
    },
  } as never);
  const job = { ...jobOf(add as never, path("item")), limit: { name: "math:add ", limit: 3 } };
  const each = { name: "each", needs: [], forEach: path("input", "list"), job };
  const list = Array.from({ length: 20 }, (_unused, n) => n);
  const runs = await Promise.all([1, 2, 3].map(() => start(project, workflow([each]), { list })));
  await Promise.all(runs.map((run) => run.result()));
  expect(most).toBe(3);
});
