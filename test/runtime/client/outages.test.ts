// A producer whose Redis is away, full, slow or refuses: every promise settles in time, with an error that says what is known.
import { inspect } from "node:util";
import { describe, expect, onTestFinished, test } from "vitest";
import {
  type ClientOptions,
  type TaskweftClient,
  type TaskweftError,
  connect,
  createClient,
  createEmitFunction,
  createStartFunction,
  defineEvent,
  z,
} from "taskweft/generated-v1";
import { maskUrl } from "../../../runtime/connection/index.js";
import {
  commandCalls,
  DEFAULT_QUEUES,
  defineTask,
  type Project,
  rejection,
  setupProject,
} from "../../support/project.js";
import { startProxy } from "../../support/proxy.js";
import { startRedis } from "../../support/redis.js";
import { until, within } from "../../support/signal.js";
import { ANYTHING } from "../../support/task.js";
import { jobOf, workflow } from "../../support/workflow.js";

const redis = await startRedis();
const plain = defineTask("plain:work");
const setup = (server = redis) => setupProject({ redis: server, tasks: [plain] as never });
/** Port 1 of this machine: refuses every connection. */
const NOBODY = "redis://127.0.0.1:1";

function newClient(options: ClientOptions): TaskweftClient {
  const client = createClient(options);
  onTestFinished(() => client.close());
  return client;
}

async function failure(ms: number, promise: Promise<unknown>): Promise<TaskweftError> {
  return (await within(ms, "the call to settle", rejection(promise))) as TaskweftError;
}

describe("an unreachable Redis", () => {
  test("fails ready() within the deadline, naming the address and what to do", async () => {
    const error = await failure(2000, newClient({ url: NOBODY, deadline: "200ms" }).ready());
    expect(error.code).toBe("RedisUnavailable");
    expect(error.message).toMatch(
      /expected a Redis at redis:\/\/127\.0\.0\.1:1, got: .*ECONNREFUSED.*Start it, or set TASKWEFT_REDIS_URL/,
    );
  });

  test("fails connect() within the deadline, which is not waited for twice", async () => {
    const startedAt = performance.now();
    const error = await failure(
      5000,
      connect({ url: NOBODY, prefix: undefined, shards: undefined, deadline: "1s" }),
    );
    expect(error.code).toBe("RedisUnavailable");
    expect(performance.now() - startedAt).toBeLessThan(1700);
  });

  test("fails an enqueue of a client that was never ready, within the deadline, with the reason", async () => {
    const client = newClient({ url: NOBODY, deadline: "200ms" });
    const error = await failure(2000, setup().enqueue(plain, { n: 1 }, { client }));
    expect(error.code).toBe("RedisUnavailable");
    expect(error.message).toMatch(/has answered no call for 200 ms \(last error.*ECONNREFUSED.*was not sent/);
    expect(error.operation).toBe("enqueue");
  });

  test("does not send later what was said not to be sent", async () => {
    const project = setup();
    const proxy = await startProxy(redis.port);
    proxy.stall();
    const client = project.newClient({ url: proxy.url, deadline: "200ms" });
    const error = await failure(2000, project.enqueue(plain, { n: 1 }, { client, id: "lost" }));
    expect(error.code).toBe("RedisUnavailable");
    proxy.heal();
    await until("the client to be there", async () => {
      const sent = project.enqueue(plain, { n: 2 }, { client, id: "next" });
      return await sent.then(
        () => true,
        () => false,
      );
    });
    expect(await project.raw.hkeys(project.keys.jobs)).toEqual(["next"]);
  });

  test("fails every enqueue within the deadline, also those that could not be sent", async () => {
    const project = setup();
    const proxy = await startProxy(redis.port);
    const client = project.newClient({ url: proxy.url, deadline: "300ms" });
    await project.enqueue(plain, { n: 0 }, { client });
    proxy.stall();
    const pending: Promise<unknown>[] = [];
    for (let n = 1; n <= 5; n++) {
      pending.push(rejection(project.enqueue(plain, { n }, { client })));
      await new Promise((resolve) => setImmediate(resolve));
    }
    const errors = (await within(3000, "all five to settle", Promise.all(pending))) as TaskweftError[];
    const codes = errors.map((error) => error.code);
    expect(codes.slice(0, 2)).toEqual(["OutcomeUnknown", "OutcomeUnknown"]);
    expect(codes.slice(2)).toEqual(Array(3).fill("RedisUnavailable"));
    expect(errors[0]?.message).toMatch(/may or may not be stored.*Look it up by its id/);
    proxy.heal();
    // What was certainly not done is not done later either, and the client works again.
    const last = await project.enqueue(plain, { n: 6 }, { client });
    const ids = await project.raw.lrange(project.keys.queue("default").pending, 0, -1);
    expect(ids).toHaveLength(4);
    expect(ids.at(-1)).toBe(last.id);
  });

  /** A call of a client, what of it Redis has when it was done, and what is said of one that may have been. */
  type Call = readonly [
    what: string,
    call: (project: Project, client: TaskweftClient, n: number) => Promise<unknown>,
    done: (project: Project) => Promise<number>,
    unknown: readonly [code: string, message: RegExp],
    unsent: readonly [code: string, message: RegExp],
  ];
  const STARTED = workflow([{ name: "only", needs: [], job: jobOf(plain as never) }]);
  const startIt = createStartFunction({ definition: STARTED, input: () => ANYTHING }, DEFAULT_QUEUES);
  const event = { name: "it:happened", payload: () => z.object({ n: z.number() }), observers: [] };
  const tellIt = createEmitFunction(
    defineEvent<{ n: number }>({ ...event, waitFields: [["n"]] }),
    DEFAULT_QUEUES,
  );
  const keepIt = createEmitFunction(defineEvent<{ n: number }>({ ...event, keepMs: 60_000 }), DEFAULT_QUEUES);
  const silent = (what: string): RegExp =>
    new RegExp(`^\\w+: .*Redis at redis:\\S+ did not answer within 2000 ms.*; ${what}`);

  test.each<Call>([
    [
      "a start",
      (_project, client, n) => startIt({}, { client, id: `r${n}` }),
      async ({ raw, keys }) => await raw.zcard(keys.running),
      ["OutcomeUnknown", silent("the run r\\d+ may or may not be stored. Start it again under this id.")],
      ["RedisUnavailable", silent("the run r\\d+ was not sent. Start it again when Redis is back.")],
    ],
    [
      "an event that is kept",
      (_project, client, n) => keepIt({ n }, { client }),
      ({ raw, keys }) => raw.hlen(keys.events),
      ["OutcomeUnknown", silent("the event may or may not be kept")],
      ["RedisUnavailable", silent("the event was not sent")],
    ],
    [
      "an event for which somebody waits",
      (_project, client, n) => tellIt({ n }, { client }),
      ({ raw }) => commandCalls(raw, "zrangebylex"),
      ["OutcomeUnknown", silent("who waits for the event may or may not have heard of it")],
      ["RedisUnavailable", silent("who waits for the event was not told")],
    ],
    [
      "a cancel",
      async (_project, client, n) => {
        const error = (await rejection(client.cancelJob(`j${n}`, 0))) as TaskweftError;
        if (error.code !== "JobNotFound") throw error;
      },
      ({ raw }) => commandCalls(raw, "hmget"),
      ["OutcomeUnknown", silent("the job j\\d+ may or may not be cancelled. Cancel it again.")],
      [
        "RedisUnavailable",
        silent("the cancel of the job j\\d+ was not sent. Cancel it again when Redis is back."),
      ],
    ],
    [
      "a look at a kept event",
      async (_project, client, n) => {
        const error = (await rejection(keepIt.replay(`e${n}`, { client }))) as TaskweftError;
        if (error.code !== "EventUnknown") throw error;
      },
      ({ raw }) => commandCalls(raw, "hget"),
      ["RedisUnavailable", silent("the event e\\d+ could not be read. Replay it when Redis is back.")],
      ["RedisUnavailable", silent("the event e\\d+ could not be read. Replay it when Redis is back.")],
    ],
    [
      "ready()",
      (_project, client) => client.ready(),
      ({ raw }) => commandCalls(raw, "hmget"),
      ["RedisUnavailable", /expected a Redis at/],
      ["RedisUnavailable", /expected a Redis at/],
    ],
  ])(
    "fails %s in time, and does not do later what was not sent",
    async (_what, call, done, unknown, unsent) => {
      const project = setup();
      const proxy = await startProxy(redis.port);
      const client = project.newClient({ url: proxy.url, deadline: "2s" });
      await call(project, client, 0);
      const before = await done(project);
      proxy.stall();
      const calls = Array.from({ length: 400 }, (_unused, n) => rejection(call(project, client, 1 + n)));
      const errors = (await within(10_000, "all to settle", Promise.all(calls))) as TaskweftError[];
      for (const [n, { code, message }] of errors.entries()) {
        const [expected, text] = n < 250 ? unknown : unsent;
        expect(code).toBe(expected);
        expect(message).toMatch(text);
      }
      proxy.heal();
      await call(project, client, 1000);
      expect((await done(project)) - before).toBe(251);
    },
  );

  test("fails waits for results in time, and does not ask later for those that were not sent", async () => {
    const project = setup();
    const proxy = await startProxy(redis.port);
    const client = project.newClient({ url: proxy.url });
    const payloads = Array.from({ length: 402 }, (_unused, n) => ({ n }));
    const [first, last, ...jobs] = await project.many(plain, payloads, { client });
    expect(((await rejection(first!.result({ timeout: "1ms" }))) as TaskweftError).code).toBe("TimedOut");
    proxy.stall();
    const waits = Promise.all(jobs.map((job) => rejection(job.result({ timeout: "100ms" }))));
    const errors = (await within(4000, "all to settle", waits)) as TaskweftError[];
    expect(new Set(errors.map(({ code }) => code))).toEqual(new Set(["TimedOut"]));
    proxy.heal();
    const waiting = rejection(last!.result());
    await until(
      "it to be asked for",
      async () => (await project.raw.hexists(project.keys.waits, last!.id)) === 1,
    );
    expect(await project.raw.hlen(project.keys.waits)).toBe(252);
    await client.close();
    expect(((await waiting) as TaskweftError).code).toBe("Closed");
  });

  test("does not keep close() from ending", async () => {
    const project = setup();
    const proxy = await startProxy(redis.port);
    const client = project.newClient({ url: proxy.url, deadline: "2s" });
    await project.enqueue(plain, { n: 0 }, { client });
    proxy.stall();
    const sent = rejection(project.enqueue(plain, { n: 1 }, { client }));
    await within(3000, "close() to end", client.close());
    expect(((await sent) as TaskweftError).code).toBe("OutcomeUnknown");
  });

  test("from the start does not keep close() from ending, nor a wait from failing", async () => {
    const client = newClient({ url: NOBODY, deadline: "200ms" });
    const sent = rejection(setup().enqueue(plain, { n: 1 }, { client }));
    await within(3000, "close() to end", client.close());
    expect(["Closed", "RedisUnavailable"]).toContain(
      ((await within(2000, "the enqueue to settle", sent)) as TaskweftError).code,
    );
  });
});

test("a closed client refuses, after it has sent what it was given", async () => {
  const project = setup();
  const client = project.newClient();
  const sent = project.enqueue(plain, { n: 1 }, { client });
  const closing = client.close();
  await expect(sent).resolves.toMatchObject({ deduplicated: false });
  await closing;
  const error = await failure(1000, project.enqueue(plain, { n: 2 }, { client }));
  expect(error.code).toBe("Closed");
  expect(error.message).toMatch(/the client was closed; make another one for this enqueue/);
  await client.close();
  expect(await project.raw.llen(project.keys.queue("default").pending)).toBe(1);
});

describe("a full Redis", () => {
  test("lets a worker start, drain and stop", async () => {
    const server = await startRedis();
    const project = setup(server);
    const jobs = await project.many(
      plain,
      Array.from({ length: 20 }, (_unused, n) => ({ n })),
    );
    await project.raw.config("SET", "maxmemory", "1");
    const worker = project.newWorker({ "plain:work": () => undefined });
    await within(5000, "the worker to start", worker.start());
    await until("all jobs to end", async () => (await project.raw.zcard(project.keys.done)) === jobs.length);
    await within(5000, "the worker to stop", worker.stop());
    expect(await Promise.all(jobs.map((job) => project.state(job.id)))).toEqual(Array(20).fill("completed"));
  });

  test("refuses an enqueue with RedisFull, stores nothing, and lets workers go on", async () => {
    const server = await startRedis();
    const project = setup(server);
    const waiting = await project.enqueue(plain, { n: 0 });
    await project.raw.config("SET", "maxmemory", "1");
    const error = await failure(5000, project.enqueue(plain, { n: 1 }));
    expect(error.code).toBe("RedisFull");
    expect(error.message).toMatch(
      /reached maxmemory and refused the enqueue; nothing was stored\. Raise maxmemory/,
    );
    const fresh = await failure(5000, project.enqueue(plain, { n: 2 }, { client: project.newClient() }));
    expect(fresh.code).toBe("RedisFull");
    expect(await project.raw.hlen(project.keys.jobs)).toBe(1);
    expect(await project.state(waiting.id)).toBe("pending");
  });
});

describe("an unsuitable Redis", () => {
  test("that evicts keys is refused", async () => {
    const server = await startRedis({ args: ["--maxmemory-policy", "allkeys-lru"] });
    const error = await failure(5000, newClient({ url: server.url }).ready());
    expect(error.code).toBe("RedisUnsuitable");
    expect(error.message).toMatch(/maxmemory-policy is allkeys-lru: expected noeviction/);
    const worker = setup(server).newWorker({});
    expect((await failure(5000, worker.start())).code).toBe("RedisUnsuitable");
    await within(2000, "a worker that never started to stop", worker.stop());
  });

  test("that lacks the database is refused at once, and nothing is written into another", async () => {
    const server = await startRedis();
    const project = setup(server);
    const url = `${server.url}/99`;
    const client = newClient({ url });
    const enqueued = failure(5000, project.enqueue(plain, { n: 1 }, { client }));
    for (const error of [await failure(5000, client.ready()), await enqueued]) {
      expect(error.code).toBe("RedisUnsuitable");
      expect(error.message).toMatch(/Redis has no database 99 \(ERR DB index is out of range\)/);
    }
    const worker = project.newWorker({}, { url });
    expect((await failure(5000, worker.start())).code).toBe("RedisUnsuitable");
    expect(await project.raw.dbsize()).toBe(0);
  });

  test("that holds a newer protocol is refused", async () => {
    const project = setup();
    await project.raw.hset(project.keys.meta, "protocol", 99);
    const error = await failure(5000, project.client.ready());
    expect(error.code).toBe("ProtocolUnknown");
  });
});

describe("a password", () => {
  const SECRET = "s3cr3t-Pa55";

  test.each([
    [`redis://user:${SECRET}@127.0.0.1:1`],
    [`redis://:${SECRET}@127.0.0.1:1`],
    [`redis://user:p@${SECRET}@127.0.0.1:1`],
    [`redis://user:p/${SECRET}@127.0.0.1:1/0`],
    [`redis://127.0.0.1:1/?password=${SECRET}`],
    [`user:${SECRET}@127.0.0.1:1`],
    [`redis:/user:${SECRET}@127.0.0.1:1`],
    [`user:${SECRET}`],
  ])("in %s is in no message", async (url) => {
    expect(maskUrl(url)).not.toContain(SECRET);
    const error = await failure(3000, (async () => newClient({ url, deadline: "100ms" }).ready())());
    expect(["OptionInvalid", "RedisUnavailable"]).toContain(error.code);
    expect(inspect(error, { depth: 10, showHidden: true })).not.toContain(SECRET);
  });

  test("that Redis refuses is in no message, and the error is ours", async () => {
    const server = await startRedis({ args: ["--requirepass", "right"] });
    const url = `redis://user:${SECRET}@127.0.0.1:${server.port}`;
    const client = newClient({ url, deadline: "500ms" });
    const error = await failure(3000, client.ready());
    expect(error.code).toBe("RedisUnavailable");
    expect(inspect(error, { depth: 10, showHidden: true })).not.toContain(SECRET);
    const refused = await failure(3000, setup().enqueue(plain, { n: 1 }, { client }));
    expect(refused.code).toBe("RedisUnavailable");
    expect(inspect(refused, { depth: 10, showHidden: true })).not.toContain(SECRET);
  });
});
