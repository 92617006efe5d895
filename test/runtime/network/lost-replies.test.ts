// The network fails at the worst moment: Redis has executed a request and its reply never arrives.
import { describe, expect, onTestFinished, test, vi } from "vitest";
import {
  type Script,
  advanceScript,
  enqueueOneScript,
  enqueueScript,
  failScript,
  heartbeatScript,
  takeScript,
} from "../../../runtime/scripts/index.js";
import { type Project, defineTask, rejection, setupProject } from "../../support/project.js";
import { type TestProxy, startProxy } from "../../support/proxy.js";
import { startRedis } from "../../support/redis.js";
import { seededRandom, until, within } from "../../support/signal.js";

const redis = await startRedis();
const work = defineTask<{ n: number }, number>("some:work", {
  retry: { maxRetries: 3, backoff: { type: "fixed", delayMs: 5, jitter: "none" } },
});
const fleeting = defineTask("fleeting:work", { retention: { completedMs: 0, deadMs: 60_000 } });
const setup = (): Project => setupProject({ redis, tasks: [work, fleeting] as never });

/** Knows the scripts already, so that a lost reply is one of EVALSHA and not of the first EVAL. */
async function load(project: Project, ...scripts: Script[]): Promise<void> {
  for (const script of scripts) await project.raw.script("LOAD", script.text);
}

describe("the reply to an enqueue is lost", () => {
  test("and the resent call makes no second job", async () => {
    const project = setup();
    await load(project, enqueueScript);
    const proxy = await startProxy(redis.port);
    const client = await project.newClient({ url: proxy.url }).ready();
    for (let round = 0; round < 20; round++) {
      proxy.loseReplies(enqueueScript.sha, 1);
      await project.many(work, [{ n: round }, { n: round }, { n: round }], { client });
    }
    expect(proxy.lost).toBe(20);
    expect(await project.raw.hlen(project.keys.jobs)).toBe(60);
    expect(await project.raw.llen(project.keys.queue("default").pending)).toBe(60);
  });

  test("and no second job is made even when the job has run and gone before the call is sent again", async () => {
    const project = setup();
    await load(project, enqueueOneScript);
    const runs: string[] = [];
    await project.worker({ "fleeting:work": (job) => void runs.push(job.id) });
    const proxy = await startProxy(redis.port);
    const client = await project.newClient({ url: proxy.url }).ready();
    for (let round = 1; round <= 10; round++) {
      // The executed request's answer is held until its job has run and been removed; then the connection breaks.
      proxy.stallReplies();
      const enqueued = project.enqueue(fleeting, { n: round }, { client });
      await until("the job to run", () => runs.length === round);
      await until("the job to be removed", async () => (await project.raw.hlen(project.keys.jobs)) === 0);
      proxy.cutAll();
      proxy.heal();
      const job = await within(5000, "the enqueue to settle", enqueued);
      expect([job.id, job.deduplicated]).toEqual([runs.at(-1), false]);
    }
    expect(await project.raw.hlen(project.keys.jobs)).toBe(0);
    expect(new Set(runs).size).toBe(10);
    expect(runs).toHaveLength(10);
  });

  test("and jobs with an own id, a key or a delay get the same answer twice", async () => {
    const keyed = defineTask<{ n: number }>("keyed:work", {
      idempotency: { ttlMs: 60_000, onDead: "release" },
      idempotencyKey: (payload) => String(payload.n),
    });
    const project = setup();
    await load(project, enqueueScript);
    const proxy = await startProxy(redis.port);
    const client = await project.newClient({ url: proxy.url }).ready();
    await project.enqueue(work, { n: 0 }, { id: "taken" });
    proxy.loseReplies(enqueueScript.sha, 2);
    const outcomes = await Promise.allSettled([
      project.enqueue(work, { n: 1 }, { client, id: "mine" }),
      project.enqueue(work, { n: 1 }, { client, id: "taken" }),
      project.enqueue(keyed, { n: 1 }, { client }),
      project.enqueue(keyed, { n: 1 }, { client }),
      project.enqueue(work, { n: 1 }, { client, delay: "1h" }),
    ]);
    expect(
      outcomes.map((outcome) => (outcome.status === "fulfilled" ? outcome.value.deduplicated : "conflict")),
    ).toEqual([false, "conflict", false, true, false]);
    expect(await project.raw.hlen(project.keys.jobs)).toBe(4);
  });
});

describe("replies to a worker are lost", () => {
  test.each([
    ["advance", advanceScript, 12],
    ["fail", failScript, 12],
    ["heartbeat", heartbeatScript, 2],
  ])("of %s: every job still ends once, without waiting for a lease", async (_name, script, rounds) => {
    const project = setup();
    await load(project, advanceScript, failScript, heartbeatScript);
    const proxy = await startProxy(redis.port);
    const runs = new Map<number, number[]>();
    await project.worker(
      {
        "some:work": async (job: { payload: { n: number }; attempt: number }) => {
          const { n } = job.payload;
          runs.set(n, [...(runs.get(n) ?? []), job.attempt]);
          await new Promise((resolve) => setImmediate(resolve));
          if (n % 5 === 0 && job.attempt === 1) throw new Error("first attempt fails");
          return n;
        },
      } as never,
      { url: proxy.url, lease: "10s", concurrency: 5 },
    );
    const handles = [];
    for (let round = 0; round < rounds; round++) {
      proxy.loseReplies(script.sha, 1);
      handles.push(
        ...(await project.many(
          work,
          Array.from({ length: 20 }, (_unused, n) => ({ n: round * 20 + n })),
        )),
      );
      await until(
        "the round to end",
        async () => (await project.raw.zcard(project.keys.done)) === handles.length,
      );
      await until("its reply to be lost", () => proxy.lost > round);
    }
    expect(await Promise.all(handles.map((job) => job.result()))).toEqual(handles.map((_job, n) => n));
    for (const [n, attempts] of runs) expect(attempts).toEqual(n % 5 === 0 ? [1, 2] : [1]);
    for (const [n, { id }] of handles.entries()) {
      expect(await project.kinds(id)).toEqual(n % 5 === 0 ? ["failed", "completed"] : ["completed"]);
    }
  });

  test("of a job that came with its hint: it runs once, at once", async () => {
    const project = setup();
    await load(project, advanceScript, takeScript);
    const proxy = await startProxy(redis.port);
    const runs: string[] = [];
    await project.worker({ "some:work": (job: { id: string }) => void runs.push(job.id) } as never, {
      url: proxy.url,
    });
    const ids: string[] = [];
    for (let round = 0; proxy.lost < 5; round++) {
      await until("the worker to sleep", async () => {
        return /blocked_clients:[1-9]/.test(await project.raw.info("clients"));
      });
      // Of the call that is sent behind the next pop; the one that waits now is answered.
      if (round % 2 === 0) proxy.loseReplies(takeScript.sha, 1);
      const job = await project.enqueue(work, { n: round });
      await within(4000, "the job", job.result());
      ids.push(job.id);
      expect(round).toBeLessThan(30);
    }
    expect(runs).toEqual(ids);
  });

  test("while a thousand and more jobs are active, some of which fail: none runs twice", async () => {
    const project = setup();
    await load(project, advanceScript, failScript, heartbeatScript);
    const proxy = await startProxy(redis.port);
    const random = seededRandom(20);
    const started = new Map<number, number>();
    const overlap: number[] = [];
    const going = new Set<number>();
    await project.worker(
      {
        "some:work": async (job: { payload: { n: number }; attempt: number }) => {
          const { n } = job.payload;
          if (going.has(n)) overlap.push(n);
          going.add(n);
          started.set(n, (started.get(n) ?? 0) + 1);
          await new Promise((resolve) => setTimeout(resolve, 50 + random() * 600));
          going.delete(n);
          if (n % 3 === 0 && job.attempt === 1) throw new Error("first attempt fails");
          return n;
        },
      } as never,
      { url: proxy.url, lease: "10s", concurrency: 1500 },
    );
    const handles = await project.many(
      work,
      Array.from({ length: 3000 }, (_unused, n) => ({ n })),
    );
    await until("many to be active", () => going.size > 1200);
    for (let cut = 0; cut < 8; cut++) {
      proxy.cutAll();
      await until("the connections to be made again", () => proxy.open >= 2);
      const before = started.size;
      await until("some progress", () => started.size > before || started.size === 3000);
    }
    await Promise.all(handles.map((job) => job.result()));
    expect(overlap).toEqual([]);
    for (const [n, count] of started) expect(count, `runs of ${n}`).toBe(n % 3 === 0 ? 2 : 1);
  });
});

describe("connections break after any byte", () => {
  const total = 250;

  async function run(direction: "request" | "reply", seed: number): Promise<TestProxy> {
    const project = setup();
    const random = seededRandom(seed);
    const proxy = await startProxy(redis.port);
    const runs = new Map<number, number>();
    const client = await project.newClient({ url: proxy.url, deadline: "20s" }).ready();
    await project.worker(
      {
        "some:work": async (job: { payload: { n: number } }) => {
          runs.set(job.payload.n, (runs.get(job.payload.n) ?? 0) + 1);
          await new Promise((resolve) => setImmediate(resolve));
          return job.payload.n;
        },
      } as never,
      { url: proxy.url, lease: "10s", concurrency: 4 },
    );
    // A new connection asks INFO before it does anything: a cut within that reply would only repeat itself.
    const greetingBytes = direction === "request" ? 900 : (await project.raw.info()).length + 300;
    const most = direction === "request" ? 6000 : 300;
    proxy.cutAfter(direction, () => Math.floor(random() * most), greetingBytes);
    const handles = [];
    for (let n = 0; n < total; n += 5) {
      const payloads = Array.from({ length: 5 }, (_unused, i) => ({ n: n + i }));
      handles.push(
        ...(await within(15_000, "the enqueue to settle", project.many(work, payloads, { client }))),
      );
    }
    proxy.heal();
    await within(15_000, "all to end", Promise.all(handles.map((job) => job.result())));
    expect(await project.raw.hlen(project.keys.jobs)).toBe(total);
    expect([...runs.values()].filter((count) => count !== 1)).toEqual([]);
    expect(runs.size).toBe(total);
    return proxy;
  }

  test.each([
    ["request", 1],
    ["request", 2],
    ["reply", 3],
    ["reply", 4],
  ] as const)(
    "of a %s (seed %i): nothing is lost, doubled or left hanging",
    async (direction, seed) => {
      const proxy = await run(direction, seed);
      process.stdout.write(`cuts within ${direction} bytes with seed ${seed}: ${proxy.cuts}\n`);
      expect(proxy.cuts).toBeGreaterThan(5);
    },
    60_000,
  );
});

describe("nothing moves", () => {
  test("and after that everything goes on: promises settle, jobs start, nothing runs twice", async () => {
    const project = setup();
    const proxy = await startProxy(redis.port);
    const client = project.newClient({ url: proxy.url, deadline: "500ms" });
    const runs: number[] = [];
    await project.worker(
      { "some:work": (job: { payload: { n: number } }) => runs.push(job.payload.n) } as never,
      { url: proxy.url, lease: "10s" },
    );
    const before = await project.enqueue(work, { n: 1 }, { client });
    await before.result();
    proxy.stall();
    const error = await within(
      3000,
      "the enqueue to settle",
      rejection(project.enqueue(work, { n: 2 }, { client })),
    );
    expect(error.message).toMatch(/^OutcomeUnknown/);
    proxy.cutAll();
    proxy.heal();
    const after = await within(5000, "the enqueue to settle", project.enqueue(work, { n: 3 }, { client }));
    await within(5000, "the job to run", after.result());
    await until("all to be recorded", async () => (await project.raw.hlen(project.keys.active)) <= 1);
    // The unanswered job may or may not have been stored; it never runs twice.
    expect(runs.filter((n) => n === 2).length).toBeLessThanOrEqual(1);
    expect(runs.filter((n) => n !== 2)).toEqual([1, 3]);
  });
});

test("a claim that reaches Redis minutes after its connection was given up is found", async () => {
  const project = setup();
  const proxy = await startProxy(redis.port);
  const timers = vi.spyOn(globalThis, "setTimeout");
  onTestFinished(() => timers.mockRestore());
  const worker = await project.worker(
    { "some:work": (job: { payload: { n: number } }) => job.payload.n },
    { url: proxy.url },
  );
  const secondLook = (): (() => void) | undefined =>
    timers.mock.calls.find(([, ms]) => ms === 120_000)?.[0] as (() => void) | undefined;
  expect(secondLook()).toBeUndefined();
  proxy.cutAll();
  await until("the worker to come back", () => secondLook() !== undefined);
  // What a late claim does.
  await project.raw.hset(project.keys.paused, "default", 1);
  const job = await project.enqueue(work, { n: 7 });
  expect(await project.raw.lpop(project.keys.queue("default").pending)).toBe(job.id);
  await project.raw.hset(project.keys.active, job.id, worker.name);
  secondLook()!();
  expect(await within(10_000, "the job to run", job.result())).toBe(7);
  await project.raw.del(project.keys.paused);
});
