// Durable steps: what is done stays done through failures, crashes, hand-backs and retries by hand, and a worker that has lost
// its lease adds nothing to it.
import { describe, expect, test } from "vitest";
import type { TaskContext } from "taskweft/generated-v1";
import { Connection } from "../../../runtime/connection/index.js";
import { createInspector } from "../../../runtime/inspect/index.js";
import { saveStepScript } from "../../../runtime/scripts/index.js";
import { monitor } from "../../support/monitor.js";
import { type Project, defineTask, rejection, setupProject } from "../../support/project.js";
import { startProxy } from "../../support/proxy.js";
import { startRedis } from "../../support/redis.js";
import { signal, until, within } from "../../support/signal.js";

const redis = await startRedis();
const order = defineTask("order:work", {
  timeoutMs: 60_000,
  retry: { maxRetries: 2, backoff: { type: "fixed", delayMs: 1, jitter: "none" } },
});
const setup = (): Project => setupProject({ redis, tasks: [order] as never });

/** Effects by name: what a step did outside of Redis. */
function ledger() {
  const counts: Record<string, number> = {};
  const effect = (name: string): { id: string } => {
    counts[name] = (counts[name] ?? 0) + 1;
    return { id: `${name}-${counts[name]}` };
  };
  return { counts, effect };
}

async function stored(project: Project, id: string): Promise<string | null> {
  return await project.raw.hget(project.keys.notes, id);
}

describe("a step that is done", () => {
  test("is not run again by the attempts after a failure, and gives them what it gave", async () => {
    const project = setup();
    const { counts, effect } = ledger();
    const seen: unknown[] = [];
    await project.worker({
      "order:work": async (job, ctx) => {
        seen.push(await ctx.step("charge", () => effect("charge")));
        seen.push(await ctx.step("nothing", async () => void effect("nothing")));
        if (job.attempt < 3) throw new Error("after the steps");
        return await ctx.step("ship", async () => effect("ship"));
      },
    });
    const job = await project.enqueue(order, { n: 1 });
    expect(await job.result()).toEqual({ id: "ship-1" });
    expect(counts).toEqual({ charge: 1, nothing: 1, ship: 1 });
    expect(seen).toEqual([
      { id: "charge-1" },
      undefined,
      { id: "charge-1" },
      undefined,
      { id: "charge-1" },
      undefined,
    ]);
    expect(await project.raw.exists(project.keys.notes)).toBe(0);
  });

  test("is not run again after a retry by hand of the dead job", async () => {
    const project = setup();
    const { counts, effect } = ledger();
    let broken = true;
    await project.worker({
      "order:work": async (_job, ctx) => {
        const { id } = await ctx.step("charge", () => effect("charge"));
        if (broken) throw new Error("the warehouse is closed");
        return id;
      },
    });
    const job = await project.enqueue(order, { n: 1 });
    await rejection(job.result());
    expect(counts).toEqual({ charge: 1 });
    expect(await stored(project, job.id)).toBe('["charge",{"id":"charge-1"}]');
    broken = false;
    const connection = new Connection({ url: redis.url }, "test");
    await createInspector({ connection, keys: project.keys }).retry(job.id);
    connection.disconnect();
    expect(await job.result()).toBe("charge-1");
    expect(counts).toEqual({ charge: 1 });
  });

  test("is not run again after a shutdown that hands the job back in the middle", async () => {
    const project = setup();
    const { counts, effect } = ledger();
    const started = signal();
    const handler = async (_job: unknown, ctx: TaskContext): Promise<unknown> => {
      await ctx.step("charge", () => effect("charge"));
      return await ctx.step("ship", async () => {
        started.send();
        if (counts["charge"] === 1 && counts["waited"] === undefined) {
          effect("waited");
          await new Promise((_resolve, reject) =>
            ctx.signal.addEventListener("abort", () => reject(ctx.signal.reason as Error)),
          );
        }
        return effect("ship");
      });
    };
    const first = await project.worker({ "order:work": handler });
    const job = await project.enqueue(order, { n: 1 });
    await started.promise;
    await first.stop();
    expect(await project.state(job.id)).toBe("pending");
    await project.worker({ "order:work": handler });
    expect(await job.result()).toEqual({ id: "ship-1" });
    expect(counts).toEqual({ charge: 1, waited: 1, ship: 1 });
    expect((await project.run(job.id)).attempts).toBe(1);
  });

  test("may run beside others: each is stored, and a failure of one keeps the other", async () => {
    const project = setup();
    const { counts, effect } = ledger();
    await project.worker({
      "order:work": async (job, ctx) => {
        const both = await Promise.allSettled([
          ctx.step("good", () => effect("good")),
          ctx.step("bad", () => {
            effect("bad");
            if (job.attempt === 1) throw new Error("once");
          }),
        ]);
        for (const one of both) if (one.status === "rejected") throw one.reason;
      },
    });
    const job = await project.enqueue(order, { n: 1 });
    await job.result();
    expect(counts).toEqual({ good: 1, bad: 2 });
    expect((await project.run(job.id)).events[0]).toMatchObject({ 1: "failed", 4: "once" });
  });

  test("costs one read an attempt and one call a step", async () => {
    const project = setup();
    await project.worker({
      "order:work": async (job, ctx) => {
        for (let i = 0; i < 5; i++) await ctx.step(`part-${i}`, () => i);
        if (job.attempt === 1) throw new Error("again");
      },
    });
    const seen = { reads: 0, saves: 0 };
    const ended = signal();
    const watching = await monitor(redis.port, (args, source) => {
      const [command = "", first] = args;
      if (command === "hget" && first === project.keys.notes && source !== "lua") seen.reads += 1;
      if (command === "evalsha" && first === saveStepScript.sha && args.includes(project.keys.notes))
        seen.saves += 1;
      if (command === "echo") ended.send();
    });
    await (await project.enqueue(order, { n: 1 })).result();
    await project.raw.echo("all that came before has been seen");
    await ended.promise;
    watching.close();
    expect(seen).toEqual({ reads: 2, saves: 5 });
  });
});

test("what a step gives is what JSON keeps of it, in the first attempt as in the second", async () => {
  const project = setup();
  const values: unknown[] = [];
  await project.worker({
    "order:work": async (job, ctx) => {
      values.push(await ctx.step("date", () => ({ at: new Date(0), gone: undefined, nan: NaN })));
      values.push(await ctx.step("function", () => () => 1));
      values.push(await ctx.step("null", () => null));
      values.push(await ctx.step('odd "name"\n\u2028\ud83d', () => "line\nbreak"));
      if (job.attempt === 1) throw new Error("again");
    },
  });
  await (await project.enqueue(order, { n: 1 })).result();
  const once = [{ at: "1970-01-01T00:00:00.000Z", nan: null }, undefined, null, "line\nbreak"];
  expect(values).toEqual([...once, ...once]);
});

describe("a mistake ends the job at once, with words that say what to do:", () => {
  const cyclic: Record<string, unknown> = {};
  cyclic["self"] = cyclic;
  const mistakes: Readonly<
    Record<string, [handler: (ctx: TaskContext) => Promise<unknown>, message: RegExp]>
  > = {
    "a name twice": [
      async (ctx) => {
        await ctx.step("mail", () => 1);
        await ctx.step("mail", () => 2);
      },
      /has a step "mail" already; .* `mail-\$\{i\}`/,
    ],
    "an empty name": [(ctx) => ctx.step("", () => 1), /expected text of 1 to 128 characters, got ""/],
    "a long name": [(ctx) => ctx.step("x".repeat(129), () => 1), /expected text of 1 to 128 characters/],
    "no text as the name": [(ctx) => ctx.step(7 as never, () => 1), /got 7/],
    "a large result": [
      (ctx) => ctx.step("report", () => "ü".repeat(40_000)),
      /the result of the step "report" is 80002 bytes of JSON, and a step may store 65536/,
    ],
    "a cyclic result": [(ctx) => ctx.step("loop", () => cyclic), /the step "loop" has no JSON/],
    "a bigint": [(ctx) => ctx.step("big", () => 1n), /the step "big" has no JSON/],
    "many large results": [
      async (ctx) => {
        for (let i = 0; i < 20; i++) await ctx.step(`page-${i}`, () => "x".repeat(60_000));
      },
      /with the step "page-17" this job would store 10\d{5} bytes of steps, and a job may store 1048576/,
    ],
  };
  test.each(Object.entries(mistakes))("%s", async (_what, [handler, message]) => {
    const project = setup();
    await project.worker({ "order:work": (_job, ctx) => handler(ctx) });
    const job = await project.enqueue(order, { n: 1 });
    expect((await rejection(job.result())).message).toMatch(message);
    const run = await project.run(job.id);
    expect([run.state, run.attempts, run.events[0]?.[3]]).toEqual(["dead", 1, "StepInvalid"]);
  });
});

test("a step that nobody awaited is told in the log, and its worker works on", async () => {
  const project = setup();
  const release = signal();
  await project.worker({
    "order:work": (job: { payload: { n: number } }, ctx: TaskContext) => {
      if (job.payload.n === 2) return "still at work";
      void ctx.step("left behind", () => release.promise);
      return "too early";
    },
  } as never);
  expect(await (await project.enqueue(order, { n: 1 })).result()).toBe("too early");
  release.send();
  await until("the log to say so", () => /await every step/.test(project.logger.messages("error").join()));
  expect(await (await project.enqueue(order, { n: 2 })).result()).toBe("still at work");
});

describe("a worker whose lease is gone", () => {
  test("stores neither step nor progress, its handler hears LeaseLost, and what the other stored stands", async () => {
    const project = setup();
    const proxy = await startProxy(redis.port);
    const [started, go, finished, error] = [signal(), signal(), signal(), signal<Error>()];
    await project.worker(
      {
        "order:work": async (_job, ctx) => {
          await ctx.step("one", () => "zombie one");
          started.send();
          await go.promise;
          ctx.progress(99);
          try {
            await ctx.step("two", () => "zombie two");
          } catch (thrown) {
            error.send(thrown as Error);
            throw thrown;
          }
        },
      },
      { url: proxy.url },
    );
    const job = await project.enqueue(order, { n: 1 });
    await started.promise;
    proxy.stall();
    const seen: unknown[] = [];
    await project.worker({
      "order:work": async (_job, ctx) => {
        seen.push(await ctx.step("one", () => "other one"));
        seen.push(await ctx.step("two", () => "other two"));
        ctx.progress(40);
        await finished.promise;
      },
    });
    await until(
      "the other to take over and report",
      async () => (await project.raw.hlen(project.keys.notes)) === 2,
      8000,
    );
    const notes = await project.raw.hgetall(project.keys.notes);
    go.send();
    proxy.heal();
    expect((await within(6000, "the zombie to hear", error.promise)).name).toBe("LeaseLost");
    expect(seen).toEqual(["zombie one", "other two"]);
    expect(await project.raw.hgetall(project.keys.notes)).toEqual(notes);
    expect(notes[`${job.id} progress`]).toBe("40");
    finished.send();
    await job.result();
    expect(await project.kinds(job.id)).toEqual(["crashed", "completed"]);
  });

  test("hears of it from the step itself: a condemned worker's save is refused", async () => {
    const project = setup();
    const [started, go, error] = [signal(), signal(), signal<Error>()];
    // So long a lease that no heartbeat comes first.
    const worker = await project.worker(
      {
        "order:work": async (_job, ctx) => {
          try {
            await ctx.step("charge", async () => {
              started.send();
              await go.promise;
            });
          } catch (thrown) {
            error.send(thrown as Error);
            throw thrown;
          }
        },
      },
      { lease: "60s" },
    );
    const { name } = worker;
    const job = await project.enqueue(order, { n: 1 });
    await started.promise;
    await project.raw.zadd(project.keys.leases, "XX", 0, name);
    go.send();
    expect((await within(900, "the step to be refused", error.promise)).name).toBe("LeaseLost");
    expect(worker.name).not.toBe(name);
    expect(await stored(project, job.id)).toBeNull();
  });
});

test("an attempt that timed out cannot add to the next one on the same worker", async () => {
  const hasty = defineTask("hasty:work", {
    timeoutMs: 50,
    retry: { maxRetries: 1, backoff: { type: "fixed", delayMs: 1, jitter: "none" } },
  });
  const project = setupProject({ redis, tasks: [hasty] as never });
  const [again, release, late, end] = [signal(), signal(), signal<unknown>(), signal()];
  await project.worker({
    "hasty:work": async (job, ctx) => {
      if (job.attempt === 2) {
        again.send();
        await end.promise;
        return "second";
      }
      // Deaf to the signal, and still running when the second attempt is under way.
      await ctx.step("slow", () => release.promise).catch((error: unknown) => late.send(error));
      return "first";
    },
  });
  const job = await project.enqueue(hasty, { n: 1 }, {});
  await within(4000, "the second attempt", again.promise);
  release.send();
  expect(await late.promise).toMatchObject({ name: "TimeoutExceeded" });
  expect(await stored(project, job.id)).toBeNull();
  end.send();
  expect(await job.result()).toBe("second");
});

test("a step whose answer is lost with the connection is stored once, and the handler goes on", async () => {
  const project = setup();
  const proxy = await startProxy(redis.port);
  const { counts, effect } = ledger();
  await project.worker(
    {
      "order:work": async (_job, ctx) => {
        // Now the server knows the script, so that what is lost is the answer of a step that was stored.
        await ctx.step("pack", () => effect("pack"));
        proxy.loseReplies(saveStepScript.sha, 1);
        await ctx.step("charge", () => effect("charge"));
        return await project.raw.hget(project.keys.notes, job.id);
      },
    },
    { url: proxy.url, lease: "10s" },
  );
  const job = await project.enqueue(order, { n: 1 });
  expect(await job.result()).toBe('["pack",{"id":"pack-1"}]\n["charge",{"id":"charge-1"}]');
  expect([counts, proxy.lost]).toEqual([{ pack: 1, charge: 1 }, 1]);
  expect(await project.kinds(job.id)).toEqual(["completed"]);
});
