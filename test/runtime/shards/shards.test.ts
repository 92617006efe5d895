// A system of several shards looks like one: to producers, to handlers, and to people.
import { describe, expect, onTestFinished, test } from "vitest";
import { createStartFunction } from "../../../runtime/generated-v1.js";
import { openInspector } from "../../../runtime/inspect/index.js";
import type { TaskContext } from "../../../runtime/worker/index.js";
import { encodeRun, NEW_RUN } from "../../../runtime/protocol/index.js";
import { inProcess } from "../../cli/weft.js";
import { commandCalls, defineTask, type Project, rejection, setupProject } from "../../support/project.js";
import { startRedis } from "../../support/redis.js";
import { jobOf, start, workflow } from "../../support/workflow.js";
import { signal, until, within } from "../../support/signal.js";
import { ANYTHING } from "../../support/task.js";
import { approver, rests } from "../../support/waits.js";

const SHARDS = 4;
const redis = await startRedis();
const plain = defineTask("plain:work");
const keyed = defineTask("keyed:work", {
  idempotency: { ttlMs: 60_000, onDead: "release" },
  idempotencyKey: ({ n }) => String(n),
});
const limited = defineTask("limited:work", {
  concurrency: { limit: 1 },
  concurrencyKey: ({ n }: { n: number }) => String(n % 3),
} as never);
const failing = defineTask("failing:work", { onExhausted: { task: "limited:work", fields: [] } as never });
const waits = defineTask("waiting:work", { waitsFor: { "order:approved": ["orderId"] } });
const tasks = [plain, keyed, limited, failing, waits] as never;
type Numbered = { readonly payload: { readonly n: number } };

const setup = (options = {}): Project => setupProject({ redis, tasks, shards: SHARDS, ...options });
const numbers = (count: number): { n: number }[] => Array.from({ length: count }, (_unused, n) => ({ n }));
const shardsWith = async (project: Project): Promise<number[]> =>
  await Promise.all(project.shards.map(({ raw, keys }) => raw.hlen(keys.jobs)));

describe("enqueues", () => {
  test("are spread over all shards, and results come back from each", async () => {
    const project = setup();
    await Promise.all(
      numbers(20).map((payload) => project.enqueue(plain, payload, { retention: { completed: 0 } })),
    );
    await project.client.ready();
    const before = await commandCalls(project.raw, "evalsha");
    const jobs = await project.many(plain, numbers(400));
    const counts = await shardsWith(project);
    // One call for each shard.
    expect((await commandCalls(project.raw, "evalsha")) - before).toBe(SHARDS);
    expect(counts.every((count) => count > 60)).toBe(true);
    expect(counts.reduce((sum, count) => sum + count)).toBe(420);
    await project.worker({ "plain:work": ({ payload }: Numbered) => payload.n * 2 } as never);
    const results = await Promise.all(jobs.map((job) => job.result({ timeout: "50s" })));
    expect(results).toEqual(numbers(400).map(({ n }) => n * 2));
    const later = await project.enqueue(plain, { n: 3 }, { delay: "150ms" });
    expect(await later.result()).toBe(6);
  });

  test("of one idempotency key are one job, from any client, also under ids of their own", async () => {
    const project = setup();
    const other = project.newClient();
    for (const { n } of numbers(20)) {
      const first = await project.enqueue(keyed, { n });
      const again = await project.enqueue(keyed, { n }, { client: other });
      const named = await project.enqueue(keyed, { n }, { client: other, id: `mine-${n}` });
      expect([again.id, again.deduplicated, named.id, named.deduplicated]).toEqual([
        first.id,
        true,
        first.id,
        true,
      ]);
    }
    const named = await project.enqueue(keyed, { n: 99 }, { id: "mine" });
    expect(named.id).toMatch(/^(s\d+\.\.)?mine$/);
    expect(await project.state(named.id)).toBe("pending");
  });

  test("of one key of a limit run one at a time, over all shards and workers", async () => {
    const project = setup();
    const running = new Map<number, number>();
    let most = 0;
    let ran = 0;
    const handler = async ({ payload }: Numbered): Promise<void> => {
      const key = payload.n % 3;
      running.set(key, (running.get(key) ?? 0) + 1);
      most = Math.max(most, running.get(key)!);
      await new Promise((resolve) => setImmediate(resolve));
      running.set(key, running.get(key)! - 1);
      ran += 1;
    };
    await project.many(limited, numbers(60));
    await project.worker({ "limited:work": handler } as never);
    await project.worker({ "limited:work": handler } as never);
    await until("all to have run", () => ran === 60);
    expect(most).toBe(1);
  });
});

describe("a worker", () => {
  test("serves all shards with one concurrency, and a backlog in one starves no other", async () => {
    const project = setup();
    let running = 0;
    let most = 0;
    const order: number[] = [];
    const handler = async ({ payload }: Numbered): Promise<void> => {
      running += 1;
      most = Math.max(most, running);
      await new Promise((resolve) => setTimeout(resolve, 5));
      running -= 1;
      order.push(payload.n);
    };
    const client = project.newClient();
    // All in one shard: what stands before the dot decides.
    await Promise.all(
      numbers(3000).map(({ n }) => project.enqueue(plain, { n }, { client, id: `backlog..${n}` })),
    );
    await project.worker({ "plain:work": handler } as never, { concurrency: 6 });
    await until("the backlog to be under way", () => order.length > 50);
    const ids = numbers(40).map(({ n }) => `late-${n}`);
    const elsewhere = ids.filter((id) => project.router.ofId(id) !== project.router.ofId("backlog.1"));
    await Promise.all(elsewhere.map((id) => project.enqueue(plain, { n: -1 }, { client, id })));
    const before = order.length;
    await until("the late ones to have run", () => order.filter((n) => n === -1).length === elsewhere.length);
    expect(order.length - before).toBeLessThan(1500);
    await until("all to have run", () => order.length === 3000 + elsewhere.length);
    expect(most).toBeLessThanOrEqual(6);
    expect(most).toBeGreaterThan(3);
  });

  test("has one slot: every shard gets it in turn", async () => {
    const project = setup();
    const ran: number[] = [];
    await project.many(plain, numbers(80));
    const handlers = { "plain:work": ({ payload }: Numbered) => void ran.push(payload.n) };
    await project.worker(handlers as never, { concurrency: 1, claimAhead: "0ms" });
    await until("all to have run", () => ran.length === 80);
    expect(new Set(ran).size).toBe(80);
  });

  test("keeps children, follow-ups and events in reach: each is found by its id", async () => {
    const project = setup();
    const followed = signal();
    let child = "";
    const client = project.client;
    await project.worker({
      "plain:work": async (job: Numbered, ctx: TaskContext) => {
        if (job.payload.n < 0) return "child";
        child = await ctx.spawn("one", project.function(keyed), { n: 1000 }, { client } as never);
        return "parent";
      },
      "keyed:work": () => "keyed",
      "failing:work": () => Promise.reject(new Error("no")),
      "limited:work": () => followed.send(),
    } as never);
    const parent = await project.enqueue(plain, { n: 1 });
    expect(await parent.result()).toBe("parent");
    await until("the child to have completed", async () => (await project.state(child)) === "completed");
    await project.enqueue(failing, { n: 1 });
    await within(5000, "the follow-up", followed.promise);
  });

  test("tells handlers that wait for an event, whichever shard they are in", async () => {
    const project = setup();
    type Context = TaskContext<{ "order:approved": { event: { orderId: number }; by: "orderId" } }>;
    await project.worker({
      "waiting:work": (_job: Numbered, ctx: Context) =>
        ctx.waitFor("approval", "order:approved", { where: { orderId: 7 }, timeout: "1h" }),
    } as never);
    const jobs = await project.many(waits, numbers(12));
    for (const { id } of jobs) await rests(project, id);
    const { heardBy } = await approver(project)({ orderId: 7 });
    const ids = jobs.map(({ id }) => id);
    expect(heardBy.toSorted()).toEqual(ids.toSorted());
    expect(new Set(ids.map((id) => project.router.ofId(id))).size).toBeGreaterThan(1);
    const results = await Promise.all(jobs.map((job) => job.result()));
    expect(results).toEqual(ids.map(() => ({ orderId: 7 })));
  });

  test("fires each schedule once, wherever it lives, with any number of workers", async () => {
    const names = ["a", "b", "c", "d", "e", "f", "g", "h"];
    const schedules = names.map((name, n) => ({
      name,
      task: "plain:work",
      cron: "0 0 1 1 *",
      timezone: "UTC",
      missed: "latest",
      overlap: "allow",
      jitterMs: 0,
      payload: { n },
    })) as never;
    const project = setup({ schedules });
    // Each has missed its last tick, in the shard where its name leads.
    for (const name of names) {
      const { raw, keys } = project.shards[project.router.ofKey(name)]!;
      await raw.hset(keys.schedules, name, '["0 0 1 1 * UTC",1000000000000,0,"",0,""]');
    }
    const ran: number[] = [];
    const handlers = { "plain:work": ({ payload }: Numbered) => void ran.push(payload.n) };
    await project.worker(handlers as never);
    await project.worker(handlers as never);
    await until("all schedules to have fired", () => ran.length >= names.length);
    expect(ran.toSorted((a, b) => a - b)).toEqual(names.map((_name, n) => n));
    const places = await Promise.all(project.shards.map(({ raw, keys }) => raw.hkeys(keys.schedules)));
    const found = places.map((fields) => fields.filter((field) => /^[a-z]$/.test(field)));
    expect(found.flat().toSorted()).toEqual(names);
    expect(found.filter((fields) => fields.length > 0).length).toBeGreaterThan(1);
  });

  test("lets a suspect run alone in the whole process, whatever its other shards have", async () => {
    const project = setup();
    const client = project.client;
    const ids = numbers(8).map(({ n }) => `poison-${n}`);
    const [here, there] = [
      ids[0]!,
      ids.find((id) => project.router.ofId(id) !== project.router.ofId(ids[0]!))!,
    ];
    for (const id of [here, there]) {
      await project.enqueue(plain, { n: -1 }, { client, id });
      const { raw, keys } = project.shardOf(id);
      await raw.hset(keys.runs, id, encodeRun({ ...NEW_RUN, crashes: 2 }));
    }
    await project.many(plain, numbers(100), { client });
    let running = 0;
    const beside: number[] = [];
    let ended = 0;
    await project.worker({
      "plain:work": async ({ payload }: Numbered) => {
        running += 1;
        await new Promise((resolve) => setTimeout(resolve, 3));
        if (payload.n < 0) beside.push(running);
        running -= 1;
        ended += 1;
      },
    } as never);
    await until("all to have run", () => ended === 102);
    expect(beside).toEqual([1, 1]);
  });
});

describe("a workflow run", () => {
  const three = workflow([
    { name: "one", needs: [], job: jobOf(plain as never) },
    { name: "two", needs: ["one"], job: jobOf(limited as never) },
  ] as never);

  test("lives in one shard with all of its jobs; runs are spread, and people see them all", async () => {
    const project = setup();
    await project.worker({ "plain:work": () => 1, "limited:work": () => 2 } as never);
    const runs = await Promise.all(numbers(40).map(() => start(project, three)));
    await Promise.all(runs.map((run) => run.result()));
    const places = runs.map(({ id }) => project.router.ofId(id));
    expect(new Set(places).size).toBe(SHARDS);
    const inspector = openInspector({ url: redis.url, prefix: project.prefix, shards: SHARDS });
    onTestFinished(() => inspector.close());
    const page = await inspector.listRuns({ limit: 25 });
    const next = await inspector.listRuns({ limit: 25, cursor: page.next! });
    expect([page.runs.length, next.runs.length, next.next]).toEqual([25, 15, undefined]);
    const listed = [...page.runs, ...next.runs];
    expect(new Set(listed.map(({ id }) => id)).size).toBe(40);
    const ends = listed.map(({ endedAt }) => endedAt!);
    expect(ends).toEqual(ends.toSorted((a, b) => b - a));
    expect(await inspector.showRun(runs[7]!.id)).toMatchObject({ state: "completed" });
  });

  test("of one idempotency key is one run, and takes no id beside it", async () => {
    const project = setup();
    const startIt = createStartFunction(
      {
        definition: three,
        input: () => ANYTHING as never,
        idempotency: { key: (input: unknown) => JSON.stringify(input), ttlMs: 60_000 },
      },
      project.queues,
    );
    const other = project.newClient();
    for (const input of numbers(10)) {
      const first = await startIt(input, { client: project.client });
      const again = await startIt(input, { client: other });
      expect(again.id).toBe(first.id);
    }
    const error = await rejection(startIt({}, { client: project.client, id: "mine" }));
    expect(error.message).toContain("none beside an idempotency key where there are several shards");
  });
});

describe("another number of shards", () => {
  test("is refused in words: to a producer before its first job, to a worker at its start, to weft", async () => {
    const project = setup();
    await project.enqueue(plain, { n: 1 });
    for (const shards of [1, 2, 8]) {
      const client = project.newClient({ shards });
      const error = await rejection(project.enqueue(plain, { n: 2 }, { client }));
      expect(error).toMatchObject({ code: "ShardsDiffer" });
      expect(await rejection(project.newWorker({}, { shards }).start())).toMatchObject({
        code: "ShardsDiffer",
      });
    }
    expect((await shardsWith(project)).reduce((sum, count) => sum + count)).toBe(1);
    expect(await project.raw.keys(`{${project.prefix}:7}:*`)).toEqual([]);
    const told = await rejection(project.newClient({ shards: 2 }).ready());
    expect(told.message).toBe(
      "ShardsDiffer: Redis holds 4 shards under this prefix, this process was told 2 shards. Set shards to 4 everywhere (TASKWEFT_SHARDS, or `shards` of connect() for producers), or take another prefix.",
    );
    const env = { TASKWEFT_PREFIX: project.prefix, TASKWEFT_REDIS_URL: redis.url, TASKWEFT_SHARDS: "2" };
    expect((await inProcess(["jobs", "list"], { cwd: "/", env })).stderr).toContain("Redis holds 4 shards");
  });

  test("also by those who never said that there is one", async () => {
    const project = setup({ shards: 1 });
    await project.enqueue(plain, { n: 1 });
    await project.raw.hdel(project.keys.meta, "shards");
    await project.enqueue(plain, { n: 2 }, { client: project.newClient() });
    const error = await rejection(project.newClient({ shards: 2 }).ready());
    expect(error).toMatchObject({ code: "ShardsDiffer" });
  });
});

describe("people", () => {
  test("see and act over all shards", async () => {
    const project = setup();
    const jobs = await project.many(plain, numbers(30));
    await project.enqueue(keyed, { n: 5 }, { id: "mine" });
    const inspector = openInspector({ url: redis.url, prefix: project.prefix, shards: SHARDS });
    onTestFinished(() => inspector.close());
    const ids: string[] = [];
    let cursor: string | undefined;
    do {
      const page = await inspector.listJobs({
        queue: "default",
        limit: 7,
        ...(cursor === undefined ? {} : { cursor }),
      });
      ids.push(...page.jobs.map(({ id }) => id));
      cursor = page.next;
    } while (cursor !== undefined);
    expect(ids.length).toBe(31);
    expect(new Set(ids)).toContain(jobs[17]!.id);
    expect((await inspector.collectIds({ task: "plain:work" })).ids.length).toBe(30);
    expect(await inspector.showQueue("default")).toMatchObject({ pending: 31 });
    expect(await inspector.showJob("mine")).toMatchObject({ task: "keyed:work" });
    expect(await rejection(inspector.showJob("nobody"))).toMatchObject({ code: "JobNotFound" });
    expect(await rejection(inspector.pauseQueue("nowhere"))).toMatchObject({ code: "QueueUnknown" });
    for (const act of ["cancel", "remove", "retry"] as const) {
      const told = await rejection(inspector[act](jobs[0]!.id, "dead"));
      expect(told).toMatchObject({ code: "StateConflict" });
    }
    for (const { id } of jobs.slice(0, 10)) expect(await inspector.cancel(id, "pending")).toBe("cancelled");
    await inspector.pauseQueue("default");
    let ran = 0;
    const count = (): void => void (ran += 1);
    await project.worker({ "plain:work": count, "keyed:work": count } as never);
    expect((await inspector.listWorkers()).length).toBe(1);
    expect(await inspector.showQueue("default")).toMatchObject({ active: 0, cancelled: 10 });
    expect((await inspector.showQueue("default")).pausedAt).toBeDefined();
    await inspector.resumeQueue("default");
    await until("the others to have run", () => ran === 21);
    expect(await inspector.audit()).toMatchObject({ jobs: 31, remaining: 0 });
  });

  test("resume a task that some shards alone know as paused, because the pause broke off", async () => {
    const project = setup();
    const { raw, keys } = project.shards[2]!;
    await raw.hset(keys.groups, "!gone:work", "1");
    await raw.hset(keys.paused, "task:gone:work", Date.now());
    const options = { url: redis.url, prefix: project.prefix, shards: SHARDS, tasks: ["plain:work"] };
    const inspector = openInspector(options);
    onTestFinished(() => inspector.close());
    expect(await inspector.showTask("gone:work")).toMatchObject({ pausedAt: expect.any(Number) });
    await inspector.resumeTask("gone:work");
    expect(await raw.hexists(keys.groups, "!gone:work")).toBe(0);
    expect(await rejection(inspector.resumeTask("gone:wrok"))).toMatchObject({ code: "TaskUnknown" });
    await project.worker({ "plain:work": () => undefined } as never);
    await until("nothing to be left of the pause", async () => (await raw.exists(keys.paused)) === 0);
  });

  test("are told of a job that strayed: it runs, but its id leads elsewhere", async () => {
    const project = setup();
    const { id } = await project.enqueue(plain, { n: 1 });
    const [from, to] = [project.shardOf(id), project.shards[(project.router.ofId(id) + 1) % SHARDS]!];
    await to.raw.hset(to.keys.jobs, id, (await from.raw.hget(from.keys.jobs, id))!);
    await to.raw.rpush(to.keys.queue("default").pending, id);
    await from.raw.del(from.keys.jobs, from.keys.queue("default").pending);
    const inspector = openInspector({ url: redis.url, prefix: project.prefix, shards: SHARDS });
    onTestFinished(() => inspector.close());
    const { findings } = await inspector.audit();
    expect(findings).toMatchObject([{ code: "TW-F09", id, expected: `shard ${project.router.ofId(id)}` }]);
    await to.raw.del(to.keys.jobs, to.keys.queue("default").pending);
  });

  test("need not tell weft how many there are", async () => {
    const project = setup();
    await project.many(plain, numbers(20));
    const env = { TASKWEFT_PREFIX: project.prefix, TASKWEFT_REDIS_URL: redis.url };
    const { stdout } = await inProcess(["queues", "list", "--json"], { cwd: "/", env });
    expect(JSON.parse(stdout)).toMatchObject({ data: { queues: [{ name: "default", pending: 20 }] } });
  });
});
