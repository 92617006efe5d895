// Layers around handlers: their order, whose error counts, and what happens to one that breaks the rule of next().
import { AsyncLocalStorage } from "node:async_hooks";
import { describe, expect, test } from "vitest";
import { PermanentError, type Middleware } from "../../../runtime/index.js";
import { HandlerTable } from "../../../runtime/worker/attempts/handler-table.js";
import { type Project, defineTask, rejection, setupProject } from "../../support/project.js";
import { startRedis } from "../../support/redis.js";
import { signal, until } from "../../support/signal.js";

const redis = await startRedis();
const work = defineTask("some:work");
const again = defineTask("some:again", {
  retry: { maxRetries: 1, backoff: { type: "fixed", delayMs: 0, jitter: "none" } },
});
const setup = (): Project => setupProject({ redis, tasks: [work, again] as never });

/** Runs one job and gives its state, its result and the error of its last attempt. */
async function outcome(
  handler: () => unknown,
  layers: readonly Middleware[],
): Promise<{ state: string; detail: unknown; error: string | undefined }> {
  const project = setup();
  await project.worker({ "some:work": handler }, { middleware: { layers } });
  const { id } = await project.enqueue(work, { n: 1 });
  await until("the end of the job", async () =>
    ["completed", "dead"].includes((await project.run(id)).state as string),
  );
  const { state, detail, events } = await project.run(id);
  const failed = events.find((event) => event[1] === "failed");
  return { state, detail, error: failed === undefined ? undefined : `${failed[3]}: ${failed[4]}` };
}

describe("layers", () => {
  test("run around the handler in the order of the list, with its job and context, and see its result", async () => {
    const seen: string[] = [];
    const layer =
      (name: string): Middleware =>
      async (job, ctx, next) => {
        seen.push(`${name} before ${job.task} ${ctx.idempotencyKey === job.id}`);
        seen.push(`${name} after ${String(await next())}`);
      };
    const result = await outcome(() => {
      seen.push("handler");
      return "done";
    }, [layer("outer"), layer("inner")]);
    expect(seen).toEqual([
      "outer before some:work true",
      "inner before some:work true",
      "handler",
      "inner after done",
      "outer after done",
    ]);
    // None of the layers returned anything: the result is the handler's.
    expect(result).toEqual({ state: "completed", detail: "done", error: undefined });
  });

  test("carry what a handler may read, such as an AsyncLocalStorage", async () => {
    const tenant = new AsyncLocalStorage<string>();
    const { detail } = await outcome(
      () => tenant.getStore(),
      [(_job, _ctx, next) => tenant.run("acme", next)],
    );
    expect(detail).toBe("acme");
  });

  test("are loaded with the first handler; a project without them runs the handlers themselves", async () => {
    const handler = (): string => "done";
    const registry = {
      contracts: [work],
      queues: [],
      handlers: { [work.name]: async () => ({ name: work.name, handler }) },
    };
    expect(await new HandlerTable(registry).get(work.name)?.load()).toBe(handler);
    const table = new HandlerTable({ ...registry, middleware: async () => ({ layers: [] }) });
    expect(await table.get(work.name)?.load()).toBe(handler);
  });

  test("that the file does not export keep the worker from starting", async () => {
    const project = setup();
    const worker = project.newWorker({ "some:work": () => 1 }, { middleware: { layers: ["log"] } as never });
    expect((await rejection(worker.start())).message).toMatch(/default export of tasks\/middleware\.ts/);
  });
});

describe("errors", () => {
  test("of a layer are the attempt's, before and after the handler", async () => {
    let ran = 0;
    const before = await outcome(() => (ran += 1), [() => Promise.reject(new PermanentError("no tenant"))]);
    expect(before).toMatchObject({ state: "dead", error: "PermanentError: no tenant" });
    expect(ran).toBe(0);
    const after = await outcome(
      () => (ran += 1),
      [
        async (_job, _ctx, next) => {
          await next();
          throw new Error("the audit log is full");
        },
      ],
    );
    expect(after).toMatchObject({ state: "dead", error: "Error: the audit log is full" });
    expect(ran).toBe(1);
  });

  test("of the handler may be replaced, but not hidden", async () => {
    const failing = (): never => {
      throw new Error("card declined");
    };
    const replaced = await outcome(failing, [
      (_job, _ctx, next) =>
        next().catch((error: Error) => {
          throw new PermanentError(`final: ${error.message}`);
        }),
    ]);
    expect(replaced).toMatchObject({ state: "dead", error: "PermanentError: final: card declined" });
    const seen: string[] = [];
    const logged = await outcome(failing, [
      (_job, _ctx, next) => next().catch((error: Error) => void seen.push(error.message)),
    ]);
    expect(logged).toMatchObject({ state: "dead", error: "Error: card declined" });
    expect(seen).toEqual(["card declined"]);
  });

  test("count like those of a handler: the retry runs through the layers again", async () => {
    const project = setup();
    const attempts: number[] = [];
    await project.worker(
      { "some:again": () => "done" },
      {
        middleware: {
          layers: [
            async (job: { attempt: number }, _ctx, next) => {
              attempts.push(job.attempt);
              if (job.attempt === 1) throw new Error("not yet");
              await next();
            },
          ],
        },
      },
    );
    const job = await project.enqueue(again, { n: 1 });
    expect(await job.result()).toBe("done");
    expect(attempts).toEqual([1, 2]);
  });
});

describe("next()", () => {
  test("called twice makes the job dead, also when nobody awaits the second call", async () => {
    let ran = 0;
    const twice = await outcome(
      () => (ran += 1),
      [
        async function greedy(_job, _ctx, next) {
          await next();
          void next();
        },
      ],
    );
    expect(twice.state).toBe("dead");
    expect(twice.error).toMatch(/^MiddlewareInvalid: middleware 1 \(greedy\) called next\(\) twice/);
    expect(ran).toBe(1);
  });

  test("not called makes the job dead, and a late call runs nothing", async () => {
    let ran = 0;
    const kept = signal<() => Promise<unknown>>();
    const without = await outcome(
      () => (ran += 1),
      [(_job, _ctx, next) => next(), (_job, _ctx, next) => kept.send(next)],
    );
    expect(without.state).toBe("dead");
    expect(without.error).toMatch(/^MiddlewareInvalid: middleware 2 ended without next\(\)/);
    const late = await rejection((await kept.promise)());
    expect(late.message).toMatch(/called next\(\) after it had ended/);
    expect(ran).toBe(0);
  });

  test("not awaited: the attempt ends with its handler", async () => {
    const go = signal();
    const floating = await outcome(async () => {
      setImmediate(() => go.send());
      await go.promise;
      return "late";
    }, [(_job, _ctx, next) => void next()]);
    expect(floating).toMatchObject({ state: "completed", detail: "late" });
  });
});
