// One id is one job, one idempotency key is one job: whoever asks, how often, and what became of the job.
import { describe, expect, test } from "vitest";
import { createEnqueueFunction, PermanentError, type TaskweftError } from "taskweft/generated-v1";
import { keyField } from "../../../runtime/protocol/index.js";
import { cancel } from "../../../runtime/scripts/index.js";
import { Connection } from "../../../runtime/connection/index.js";
import { defineTask, rejection, setupProject } from "../../support/project.js";
import { startRedis } from "../../support/redis.js";
import { signal, until } from "../../support/signal.js";

const redis = await startRedis();

type Order = { order: string };
const plain = defineTask("plain:work");
const keyed = (onDead: "release" | "hold", ttlMs = 60_000, name = "keyed:work") =>
  defineTask<Order>(name, {
    idempotency: { ttlMs, onDead },
    idempotencyKey: (payload) => payload.order,
  });
const release = keyed("release");
const setup = (...tasks: unknown[]) => setupProject({ redis, tasks: tasks as never });

describe("an id chosen by the caller", () => {
  test("names one job however often it is enqueued", async () => {
    const project = setup(plain);
    const first = await project.enqueue(plain, { n: 1 }, { id: "order-7" });
    const again = await Promise.all([1, 2, 3].map(() => project.enqueue(plain, { n: 1 }, { id: "order-7" })));
    expect(first.deduplicated).toBe(false);
    expect(again.map((handle) => [handle.id, handle.deduplicated])).toEqual(Array(3).fill(["order-7", true]));
    expect(await project.raw.llen(project.keys.queue("default").pending)).toBe(1);
  });

  test("with another payload, task or options is a conflict, and the stored job stays as it is", async () => {
    const project = setup(plain, release);
    await project.enqueue(plain, { n: 1 }, { id: "order-7" });
    const stored = await project.raw.hget(project.keys.jobs, "order-7");
    const others = [
      project.enqueue(plain, { n: 2 }, { id: "order-7" }),
      project.enqueue(plain, { n: 1 }, { id: "order-7", maxRetries: 5 }),
      project.enqueue(release, { order: "x" }, { id: "order-7" }),
    ];
    for (const other of others) {
      const error = (await rejection(other)) as TaskweftError;
      expect(error.code).toBe("IdConflict");
      expect(error.message).toMatch(/the id order-7 belongs to a stored job .*Use another id/);
    }
    expect(await project.raw.hget(project.keys.jobs, "order-7")).toBe(stored);
    expect(await project.raw.hlen(project.keys.keys)).toBe(0);
  });

  test("names one job over deploys that change its task; what only the caller says must be the same", async () => {
    const old = defineTask<Order>("plain:work", { hash: "aaaa0001" });
    const limited = defineTask<Order>("plain:work", {
      hash: "aaaa0002",
      timeoutMs: 20_000,
      startWithinMs: 60_000,
      concurrency: { limit: 1 },
      idempotency: { ttlMs: 60_000, onDead: "release" },
      idempotencyKey: ({ order }) => order,
    });
    const moved = defineTask<Order>("plain:work", { hash: "aaaa0003", queue: "other" });
    const project = setupProject({
      redis,
      tasks: [old] as never,
      queues: [
        { name: "default", weight: 1 },
        { name: "other", weight: 1 },
      ],
    });
    const by = (task: unknown, options: object = {}) =>
      createEnqueueFunction(task as typeof old, project.queues)(
        { order: "1" },
        { client: project.client, id: "order-7", ...options },
      );
    for (const [index, task] of [old, limited, moved, old].entries())
      expect((await by(task)).deduplicated).toBe(index > 0);
    expect(await project.raw.llen(project.keys.queue("default").pending)).toBe(1);
    expect(await project.raw.hlen(project.keys.jobs)).toBe(1);
    for (const options of [{ maxRetries: 5 }, { timeout: "1s" }, { retention: { dead: "1h" } }])
      expect(await rejection(by(moved, options))).toMatchObject({ code: "IdConflict" });
  });

  test("in one batch with conflicts settles every promise by its own outcome", async () => {
    const project = setup(plain);
    await project.enqueue(plain, { n: 1 }, { id: "taken" });
    const outcomes = await Promise.allSettled([
      project.enqueue(plain, { n: 2 }),
      project.enqueue(plain, { n: 9 }, { id: "taken" }),
      project.enqueue(plain, { n: 1 }, { id: "taken" }),
      project.enqueue(plain, { n: 3 }, { delay: "1h" }),
    ]);
    expect(outcomes.map((outcome) => outcome.status)).toEqual([
      "fulfilled",
      "rejected",
      "fulfilled",
      "fulfilled",
    ]);
  });

  test.each(["ord-1.pay", "ord-1.each.0", "ord-1.pay.undo", "ord-1:end", "ord-1:timeout"])(
    "is refused where a job of a workflow run may have it: %s",
    async (id) => {
      const project = setup(plain);
      await expect(project.enqueue(plain, { n: 1 }, { id })).rejects.toMatchObject({ code: "OptionInvalid" });
      expect(await project.raw.exists(project.keys.jobs)).toBe(0);
    },
  );

  test("whose job was cancelled while it waited keeps answering with that job", async () => {
    const project = setup(plain);
    await project.enqueue(plain, { n: 1 }, { id: "order-7" });
    const connection = new Connection({ url: redis.url }, "test");
    await cancel(connection, { keys: project.keys, id: "order-7", queue: "default", keepMs: 60_000 });
    connection.disconnect();
    const again = await project.enqueue(plain, { n: 1 }, { id: "order-7" });
    expect(again.deduplicated).toBe(true);
    expect(((await rejection(again.result())) as TaskweftError).code).toBe("JobCancelled");
  });
});

describe("an idempotency key", () => {
  test("from 50 concurrent clients makes one job", async () => {
    const project = setup(release);
    const clients = Array.from({ length: 50 }, () => project.newClient());
    await Promise.all(clients.map((client) => client.ready()));
    const handles = await Promise.all(
      clients.map((client) => project.enqueue(release, { order: "o-1" }, { client })),
    );
    expect(new Set(handles.map((handle) => handle.id)).size).toBe(1);
    expect(handles.filter((handle) => !handle.deduplicated)).toHaveLength(1);
    expect(await project.raw.hlen(project.keys.jobs)).toBe(1);
    expect(await project.raw.llen(project.keys.queue("default").pending)).toBe(1);
  });

  test("twice in one tick makes one job", async () => {
    const project = setup(release);
    const [one, other] = await Promise.all([
      project.enqueue(release, { order: "o-1" }),
      project.enqueue(release, { order: "o-1" }),
    ]);
    expect(one.id).toBe(other.id);
    expect([one.deduplicated, other.deduplicated]).toEqual([false, true]);
  });

  test("is taken while its job completes and after it, until its ttl ends", async () => {
    const brief = keyed("release", 1000);
    const project = setup(brief);
    const first = await project.enqueue(brief, { order: "o-1" });
    await project.worker({ "keyed:work": () => undefined });
    await first.result();
    const again = await project.enqueue(brief, { order: "o-1" });
    expect([again.id, again.deduplicated]).toEqual([first.id, true]);
    const ends = Number(await project.raw.zscore(project.keys.keysExpiry, keyField("keyed:work", "o-1")));
    await until("the key's ttl to end", async () => {
      const [seconds, micros] = await project.raw.time();
      return Number(seconds) * 1000 + Number(micros) / 1000 > ends;
    });
    const later = await project.enqueue(brief, { order: "o-1" });
    expect(later.deduplicated).toBe(false);
    expect(later.id).not.toBe(first.id);
  });

  test("stays taken although its job was removed at once when it completed", async () => {
    const project = setup(release);
    const first = await project.enqueue(release, { order: "o-1" }, { retention: { completed: 0 } });
    await project.worker({ "keyed:work": () => undefined });
    await until("the job to be removed", async () => (await project.state(first.id)) === "gone");
    expect((await project.enqueue(release, { order: "o-1" })).id).toBe(first.id);
  });

  test.each([
    ["release" as const, false],
    ["hold" as const, true],
  ])("of a dead job is freed or held: %s", async (onDead, deduplicated) => {
    const task = keyed(onDead);
    const project = setup(task);
    await project.worker({
      "keyed:work": () => {
        throw new PermanentError("no");
      },
    });
    const first = await project.enqueue(task, { order: "o-1" });
    await rejection(first.result());
    expect((await project.enqueue(task, { order: "o-1" })).deduplicated).toBe(deduplicated);
  });

  test("belongs to one task: the same text in another task is another key", async () => {
    const other = keyed("release", 60_000, "keyed:other");
    const project = setup(release, other);
    await project.enqueue(release, { order: "o-1" });
    expect((await project.enqueue(other, { order: "o-1" })).deduplicated).toBe(false);
  });

  test.each([['snow ☃ \u{1f600} and "quotes" \\ {braces} \u0000'], ["x".repeat(512)], ["__proto__"]])(
    "may be any text: %j is freed by the death of its job",
    async (key) => {
      const project = setup(release);
      const seen = signal();
      await project.worker({
        "keyed:work": async () => {
          await seen.promise;
          throw new PermanentError("no");
        },
      });
      const first = await project.enqueue(release, { order: key });
      expect(await project.raw.hget(project.keys.keys, keyField("keyed:work", key))).toBe(first.id);
      seen.send();
      await rejection(first.result());
      expect((await project.enqueue(release, { order: key })).deduplicated).toBe(false);
    },
  );

  test("can be given at the enqueue instead of computed", async () => {
    const project = setup(release);
    const first = await project.enqueue(release, { order: "o-1" }, { idempotencyKey: "mine" });
    const again = await project.enqueue(release, { order: "o-2" }, { idempotencyKey: "mine" });
    expect(again.id).toBe(first.id);
  });
});
