// What becomes of an attempt that fails: retries by policy and by declared error, death, and errors that are not errors.
import { describe, expect, test } from "vitest";
import { createWorker, DeclaredError, PermanentError, z } from "taskweft/generated-v1";
import { type Backoff, backoffDelayMs } from "../../../runtime/definition/index.js";
import { type Project, defineTask, rejection, setupProject } from "../../support/project.js";
import { startRedis } from "../../support/redis.js";
import { until } from "../../support/signal.js";

const redis = await startRedis();
const setup = (...tasks: unknown[]): Project => setupProject({ redis, tasks: tasks as never });

const backoffs: Backoff[] = [
  { type: "fixed", delayMs: 30, jitter: "none" },
  { type: "linear", initialMs: 20, stepMs: 30, maxMs: 60, jitter: "none" },
  { type: "exponential", initialMs: 20, factor: 3, maxMs: 100, jitter: "none" },
  { type: "polynomial", initialMs: 15, exponent: 2, maxMs: 1000, jitter: "none" },
  { type: "list", delaysMs: [50, 10], jitter: "none" },
];

describe("retries", () => {
  test.each(backoffs)("by the $type backoff are never early and come soon after", async (backoff) => {
    const task = defineTask("flaky:work", { retry: { maxRetries: 3, backoff } });
    const project = setup(task);
    const starts: number[] = [];
    const attempts: number[] = [];
    await project.worker({
      "flaky:work": (job) => {
        starts.push(performance.now());
        attempts.push(job.attempt);
        throw new Error(`attempt ${job.attempt}`);
      },
    });
    const job = await project.enqueue(task, { n: 1 });
    await rejection(job.result());
    expect(attempts).toEqual([1, 2, 3, 4]);
    const { events, attempts: counted, state } = await project.run(job.id);
    expect([counted, state]).toEqual([4, "dead"]);
    expect(events.map((event) => [event[1], event[2], event[3], event[4]])).toEqual(
      [1, 2, 3, 4].map((n) => ["failed", n, "Error", `attempt ${n}`]),
    );
    for (let retry = 1; retry <= 3; retry++) {
      const gapMs = (starts[retry] ?? 0) - (starts[retry - 1] ?? 0);
      expect(gapMs).toBeGreaterThanOrEqual(backoffDelayMs(backoff, retry) - 1);
      expect(gapMs).toBeLessThan(backoffDelayMs(backoff, retry) + 3000);
    }
  });

  test("with full jitter use the worker's random source", async () => {
    const task = defineTask("flaky:work", {
      retry: { maxRetries: 1, backoff: { type: "fixed", delayMs: 3_600_000, jitter: "full" } },
    });
    const project = setup(task);
    await project.worker({ "flaky:work": () => Promise.reject(new Error("no")) }, { random: () => 0.5 });
    const { id } = await project.enqueue(task, { n: 1 });
    const { due } = project.keys.queue("default");
    await until("the job to wait for its retry", async () => (await project.raw.zscore(due, id)) !== null);
    const failedAt = (await project.run(id)).events[0]?.[0] ?? 0;
    expect(Number(await project.raw.zscore(due, id)) - failedAt - 1_800_000).toBeLessThan(1000);
    expect((await project.run(id)).state).toBe("retry");
  });

  test("end with success: the history keeps the failures", async () => {
    const task = defineTask("flaky:work", {
      retry: { maxRetries: 2, backoff: { type: "fixed", delayMs: 1, jitter: "none" } },
    });
    const project = setup(task);
    await project.worker({
      "flaky:work": (job) => {
        if (job.attempt < 3) throw new Error("not yet");
        return "done";
      },
    });
    const job = await project.enqueue(task, { n: 1 });
    expect(await job.result()).toBe("done");
    expect(await project.kinds(job.id)).toEqual(["failed", "failed", "completed"]);
    expect((await project.run(job.id)).attempts).toBe(3);
  });

  test("are counted by the enqueue's own maxRetries when it gives one", async () => {
    const task = defineTask("flaky:work", {
      retry: { maxRetries: 5, backoff: { type: "fixed", delayMs: 0, jitter: "none" } },
    });
    const project = setup(task);
    await project.worker({ "flaky:work": () => Promise.reject(new Error("no")) });
    const job = await project.enqueue(task, { n: 1 }, { maxRetries: 1 });
    await rejection(job.result());
    expect(await project.kinds(job.id)).toEqual(["failed", "failed"]);
  });
});

describe("declared errors", () => {
  class CardRefused extends DeclaredError {
    override readonly name = "CardRefused";
  }
  class GatewayBusy extends DeclaredError {
    override readonly name = "GatewayBusy";
  }
  class SlowDown extends DeclaredError {
    override readonly name = "SlowDown";
  }
  const task = defineTask("payment:charge", {
    retry: { maxRetries: 1, backoff: { type: "fixed", delayMs: 1, jitter: "none" } },
    errors: {
      CardRefused: { retry: "never" },
      GatewayBusy: { retry: "after", afterMs: 10, countsAttempt: false },
      SlowDown: { retry: "after", afterMs: 5 },
    },
  });

  test.each([
    ["CardRefused", () => new CardRefused("stolen")],
    ["PermanentError", () => new PermanentError("stolen")],
  ])("%s goes dead at once", async (name, make) => {
    const project = setup(task);
    await project.worker({ "payment:charge": () => Promise.reject(make()) });
    const job = await project.enqueue(task, { n: 1 });
    await expect(job.result()).rejects.toThrow(new RegExp(`attempt 1 failed with ${name}: stolen`));
    expect(await project.kinds(job.id)).toEqual(["failed"]);
  });

  test("that do not count leave the retries untouched", async () => {
    const project = setup(task);
    let calls = 0;
    const seen: number[] = [];
    await project.worker({
      "payment:charge": (job) => {
        seen.push(job.attempt);
        calls += 1;
        if (calls <= 4) throw new GatewayBusy("busy");
        throw new Error("real");
      },
    });
    const job = await project.enqueue(task, { n: 1 });
    await rejection(job.result());
    expect(seen).toEqual([1, 1, 1, 1, 1, 2]);
    expect((await project.run(job.id)).attempts).toBe(2);
  });

  test("with `after` count, and end dead when the retries are used up", async () => {
    const project = setup(task);
    await project.worker({ "payment:charge": () => Promise.reject(new SlowDown("later")) });
    const job = await project.enqueue(task, { n: 1 });
    await rejection(job.result());
    const [first, second] = (await project.run(job.id)).events;
    expect((second?.[0] ?? 0) - (first?.[0] ?? 0)).toBeGreaterThanOrEqual(5);
    expect(await project.kinds(job.id)).toEqual(["failed", "failed"]);
  });
});

describe("what a handler may throw", () => {
  const cyclic = new Error("cyclic") as Error & { self?: unknown };
  cyclic.self = cyclic;
  const hostile = {
    toString: () => {
      throw new Error("no text");
    },
  };
  const thrown: [string, unknown, string | RegExp][] = [
    ["a string", "plain text", "plain text"],
    ["nothing", undefined, "undefined"],
    ["null", null, "null"],
    ["a symbol", Symbol("s"), "Symbol(s)"],
    ["a cyclic error", cyclic, "cyclic"],
    ["a huge message", new Error("\u{1f600}x".repeat(100_000)), /characters cut\)$/],
    ["half a surrogate pair", new Error("\ud83d"), /./],
    ["an object without text", Object.create(null), /./],
    ["an object whose text throws", hostile, /./],
    ["an error whose message is such an object", Object.assign(new Error("x"), { message: hostile }), /./],
    [
      "an error whose name throws",
      Object.defineProperty(new Error("x"), "name", {
        get: () => {
          throw new Error("no name");
        },
      }),
      /./,
    ],
    ["an error with a huge name", Object.assign(new Error("x"), { name: "N".repeat(100_000) }), "x"],
    ["quotes, braces and lines", new Error('"]}\n[{\\"'), '"]}\n[{\\"'],
  ];

  test.each(thrown)(
    "%s: the job is dead with a bounded record, and the worker goes on",
    async (_name, error, message) => {
      const task = defineTask("odd:work");
      const project = setup(task);
      await project.worker({
        "odd:work": (job: { payload: { n: number } }) => {
          if (job.payload.n === 1) throw error;
        },
      } as never);
      const job = await project.enqueue(task, { n: 1 });
      await rejection(job.result());
      const event = (await project.run(job.id)).events[0];
      expect(event?.[4]).toMatch(
        message instanceof RegExp ? message : new RegExp(`^${message.replaceAll(/[[\]{}\\"()]/g, "\\$&")}$`),
      );
      expect(await project.raw.hstrlen(project.keys.runs, job.id)).toBeLessThan(32_000);
      await (await project.enqueue(task, { n: 2 })).result();
    },
  );
});

test("a thenable that throws fails its attempt at once", async () => {
  const task = defineTask("odd:thenable", { retry: { maxRetries: 0, backoff: backoffs[0] as Backoff } });
  const project = setup(task);
  await project.worker({
    "odd:thenable": () => ({
      // oxlint-disable-next-line unicorn/no-thenable -- the odd value is what is tested
      then() {
        throw new Error("query failed");
      },
    }),
  });
  const job = await project.enqueue(task, { n: 1 });
  expect((await rejection(job.result({ timeout: "30s" }))).message).toMatch(
    /failed with Error: query failed/,
  );
});

test("a handler that was defined for another task fails the start and says which", async () => {
  const task = defineTask("some:work");
  const project = setup(task);
  const worker = createWorker(
    {
      contracts: [task],
      queues: project.queues,
      handlers: { "some:work": async () => ({ name: "other:work", handler: () => undefined }) },
    },
    { url: redis.url, prefix: project.prefix, logger: project.logger },
  );
  expect((await rejection(worker.start())).message).toMatch(
    /the handler file of some:work: expected a handler made by defineHandler\("some:work", ...\), got one for "other:work"/,
  );
});

describe("schemas in the worker", () => {
  test("a result that does not fit is a permanent failure that says what was expected", async () => {
    const task = defineTask<{ n: number }, { total: number }>("sum:up", {
      retry: { maxRetries: 3, backoff: { type: "fixed", delayMs: 0, jitter: "none" } },
      result: z.strictObject({ total: z.number() }),
    });
    const project = setup(task);
    await project.worker({ "sum:up": () => ({ total: "seven" }) });
    const job = await project.enqueue(task, { n: 1 });
    await expect(job.result()).rejects.toThrow(
      /the handler of sum:up returned a result that does not fit its schema: total: .*expected number/,
    );
    expect(await project.kinds(job.id)).toEqual(["failed"]);
  });

  test("a result that JSON cannot hold fails the attempt instead of the worker", async () => {
    const task = defineTask("sum:up");
    const project = setup(task);
    await project.worker({ "sum:up": () => ({ total: 7n }) });
    const job = await project.enqueue(task, { n: 1 });
    await expect(job.result()).rejects.toThrow(/BigInt/);
  });

  test("a result without JSON is kept like none, and the record stays readable", async () => {
    const task = defineTask("odd:result");
    const project = setup(task);
    await project.worker({ "odd:result": () => () => 1 });
    const job = await project.enqueue(task, { n: 1 });
    expect(await job.result()).toBeUndefined();
    expect(await project.kinds(job.id)).toEqual(["completed"]);
  });

  test("a stored payload that no longer fits is dead at once, with both definitions named", async () => {
    const before = defineTask<{ n: number }>("sum:up", { hash: "aaaaaaaa" });
    const now = defineTask<{ text: string }>("sum:up", {
      hash: "bbbbbbbb",
      payload: z.object({ text: z.string() }),
      retry: { maxRetries: 3, backoff: { type: "fixed", delayMs: 0, jitter: "none" } },
    });
    const project = setup(now);
    const ran: unknown[] = [];
    await project.worker({ "sum:up": (job) => void ran.push(job) });
    const job = await project.enqueue(before, { n: 1 });
    await expect(job.result()).rejects.toThrow(
      /the stored payload does not fit the schema of this worker \(job made with definition aaaaaaaa, worker has bbbbbbbb\): text: /,
    );
    expect(ran).toEqual([]);
    expect(await project.kinds(job.id)).toEqual(["failed"]);
  });

  test("a task without a handler here comes back later and costs no attempt", async () => {
    const known = defineTask("known:work");
    const unknown = defineTask("unknown:work");
    const project = setup(known);
    await project.worker({ "known:work": () => undefined });
    const job = await project.enqueue(unknown, { n: 1 });
    await until("the job to wait", async () => (await project.state(job.id)) === "due");
    const run = await project.run(job.id);
    expect([run.attempts, run.state]).toEqual([0, "retry"]);
    expect(run.events[0]?.slice(1, 5)).toEqual([
      "failed",
      1,
      "TaskUnknown",
      "this worker has no handler for unknown:work; deploy one that has, or do not serve the queue default here",
    ]);
    await (await project.enqueue(known, { n: 1 })).result();
  });
});

describe("a result with more characters than it may have", () => {
  const task = defineTask("big:work", { retry: { maxRetries: 3, backoff: backoffs[0]! } });
  const giving = (characters: number) => ({ "big:work": () => "x".repeat(characters - 2) });

  test("makes the job dead at once, and says both sizes", async () => {
    const project = setup(task);
    await project.worker(giving(101), { maxResult: 100 });
    const job = await project.enqueue(task, { n: 1 });
    const error = await rejection(job.result());
    expect(error.message).toMatch(/big:work returned a result of 101 characters of JSON, .* may have 100/);
    const { attempts, state, events } = await project.run(job.id);
    expect([attempts, state, events[0]?.[3]]).toEqual([1, "dead", "ResultTooLarge"]);
  });

  test("is refused above a megabyte where nobody says otherwise", async () => {
    const project = setup(task);
    await project.worker(giving(1_048_577));
    const job = await project.enqueue(task, { n: 1 });
    await expect(job.result()).rejects.toThrow(/1048577 characters of JSON/);
  });

  test("passes where it just fits, and where nothing is kept of it", async () => {
    const project = setup(task);
    await project.worker(giving(100), { maxResult: 100 });
    const job = await project.enqueue(task, { n: 1 });
    expect(await job.result()).toHaveLength(98);
    const forgotten = setup(task);
    await forgotten.worker(giving(101), { maxResult: 100, retentionCompleted: 0 });
    const { id } = await forgotten.enqueue(task, { n: 1 });
    await until("the job to be gone", async () => (await forgotten.state(id)) === "gone");
  });
});

describe("a job whose run cannot be read", () => {
  const task = defineTask("some:work");

  test.each(["garbage", "7", "{}", "[1,0]"])("keeps no other from running (%s)", async (text) => {
    const project = setup(task);
    const jobs = await project.many(
      task,
      Array.from({ length: 10 }, (_unused, n) => ({ n })),
    );
    const ids = jobs.map(({ id }) => id);
    const spoiled = ids[3]!;
    await project.raw.hset(project.keys.runs, spoiled, text);
    const ran: string[] = [];
    const handlers = { "some:work": ({ id }: { id: string }) => void ran.push(id) };
    const worker = await project.worker(handlers);
    await until("the others to have run", () => ran.length === 9);
    await until("their ends to be written", async () => (await project.raw.hlen(project.keys.active)) === 2);
    expect(await project.raw.hget(project.keys.active, spoiled)).toBe(worker.name);
    expect(project.logger.lines.find(({ level }) => level === "error")).toMatchObject({
      message: "a claimed job cannot be read; it stays with this worker until it stops",
      fields: { job: spoiled, reason: "its run cannot be read" },
    });
    await worker.stop();
    expect(ran.toSorted()).toEqual(ids.filter((id) => id !== spoiled).toSorted());
    expect(await project.state(spoiled)).toBe("dead");
  });
});

test("the history and the log name the causes of an error", async () => {
  const task = defineTask("flaky:work", { retry: { maxRetries: 0, backoff: backoffs[0]! } });
  const project = setup(task);
  const circular = new Error("a");
  circular.cause = new Error("b", { cause: circular });
  const refused = Object.assign(new AggregateError([]), { code: "ECONNREFUSED" });
  const errors: readonly (readonly [unknown, string])[] = [
    [new Error("fetch failed", { cause: new Error("no such host") }), "fetch failed; cause: no such host"],
    [new Error("fetch failed", { cause: refused }), "fetch failed; cause: ECONNREFUSED"],
    [new Error("it has said so: no", { cause: new Error("no") }), "it has said so: no"],
    [new Error("odd", { cause: "a text" }), "odd; cause: a text"],
    [new Error("none", { cause: null }), "none"],
    [circular, "a; cause: b; cause: a; cause: b; cause: a"],
  ];
  const logged: unknown[] = [];
  const warn = (_message: string, fields?: Readonly<Record<string, unknown>>) =>
    logged.push(fields?.["error"]);
  const logger = { debug: () => undefined, info: () => undefined, error: () => undefined, warn };
  await project.worker(
    {
      "flaky:work": ({ payload }: { payload: { n: number } }) => {
        throw errors[payload.n]![0];
      },
    } as never,
    { logger },
  );
  for (const [n, [, message]] of errors.entries()) {
    const job = await project.enqueue(task, { n });
    await rejection(job.result());
    expect((await project.run(job.id)).events[0]).toMatchObject({ 4: message });
    expect(logged.at(-1)).toBe(`Error: ${message}`);
  }
});
