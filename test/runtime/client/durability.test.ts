// What an enqueue has waited for when it resolves, and what it says when it waited in vain.
import { describe, expect, test } from "vitest";
import type { TaskweftError } from "taskweft/generated-v1";
import { type Project, commandCalls, defineTask, rejection, setupProject } from "../../support/project.js";
import { startProxy } from "../../support/proxy.js";
import { startRedis } from "../../support/redis.js";
import { until, within } from "../../support/signal.js";

const primary = await startRedis();
const replica = await startRedis({ args: ["--replicaof", `127.0.0.1 ${primary.port}`] });
const alone = await startRedis();
const safe = await startRedis({ args: ["--appendonly", "yes", "--appendfsync", "always"] });

const money = defineTask("money:move", { durability: "replicated" });
const plain = defineTask("plain:work");
const keyed = defineTask("keyed:work", {
  idempotency: { ttlMs: 60_000, onDead: "release" },
  idempotencyKey: ({ n }) => String(n),
});
const setup = (redis = primary): Project => setupProject({ redis, tasks: [money, plain, keyed] as never });
const inSync = (): Promise<unknown> =>
  until("the replica to follow", async () =>
    /master_link_status:up/.test(await replica.client().info("replication")),
  );

async function failure(promise: Promise<unknown>): Promise<TaskweftError> {
  return (await within(5000, "the enqueue to settle", rejection(promise))) as TaskweftError;
}

describe("replicated", () => {
  test("resolves when the replica holds the job, declared or asked for", async () => {
    await inSync();
    const project = setup();
    const onReplica = replica.client();
    for (const [task, options] of [[money, {}] as const, [plain, { durability: "replicated" }] as const]) {
      const { id } = await project.enqueue(task, { n: 1 }, options);
      expect(await onReplica.hexists(project.keys.jobs, id)).toBe(1);
    }
  });

  test("at a server that has become a replica is away for now, like any other write", async () => {
    await inSync();
    const project = setup();
    const client = project.newClient({ url: replica.url, deadline: "500ms" });
    const error = await failure(project.enqueue(money, { n: 1 }, { client }));
    expect(error.code).toBe("RedisUnavailable");
    expect(error.message).toMatch(/cannot be used with replica instances.*was not sent/);
  });

  test("to a user who may not ask is no fault of this Redis, and is asked anew once the user may", async () => {
    await inSync();
    const project = setup();
    const acl = (...rules: string[]) => project.raw.call("ACL", "SETUSER", "clerk", ...rules);
    await acl("on", ">secret", "~*", "&*", "+@all", "-wait");
    const client = project.newClient({ url: primary.url.replace("redis://", "redis://clerk:secret@") });
    const error = await failure(project.enqueue(money, { n: 1 }, { client }));
    expect(error.code).toBe("RedisUnavailable");
    expect(error.message).toMatch(/does not let this user do the enqueue: NOPERM.*'wait'/);
    expect(await project.raw.exists(project.keys.jobs)).toBe(0);
    await acl("+wait");
    await project.enqueue(money, { n: 1 }, { client });
  });

  test("that no replica confirms rejects in time with the job's id; the same key makes no second job and waits anew", async () => {
    await inSync();
    const project = setup();
    const client = project.newClient({ durabilityTimeout: "100ms" });
    const options = { client, durability: "replicated" } as const;
    replica.pause();
    let error: TaskweftError;
    try {
      error = await failure(project.enqueue(keyed, { n: 7 }, options));
      expect((await failure(project.enqueue(keyed, { n: 7 }, options))).jobId).toBe(error.jobId);
    } finally {
      replica.resume();
    }
    expect(error).toMatchObject({ code: "DurabilityNotReached", operation: "enqueue" });
    expect(error.message).toMatch(
      /^DurabilityNotReached: the job \S+ is stored and may run, but no replica of Redis had confirmed it after 100 ms\. Enqueue it again only under the same id/,
    );
    expect(await project.state(error.jobId ?? "")).toBe("pending");
    const again = await project.enqueue(keyed, { n: 7 }, { durability: "replicated" });
    expect([again.id, again.deduplicated]).toEqual([error.jobId, true]);
  });

  test("is not believed of a connection that was made anew: it has written nothing that could be missing", async () => {
    await inSync();
    const project = setup();
    const proxy = await startProxy(primary.port);
    // Without its greetings, a new connection's first command is the wait itself, to which Redis answers "all" at once.
    const silent = { connectionName: "", disableClientInfo: true, enableReadyCheck: false };
    const client = project.newClient({ url: proxy.url, durabilityTimeout: "1s", redis: silent });
    await project.enqueue(money, { n: 0 }, { client });
    replica.pause();
    try {
      const sent = failure(project.enqueue(money, { n: 1 }, { client }));
      await until("the wait to be under way", async () =>
        /flags=b[^\n]*cmd=wait/.test(String(await project.raw.client("LIST"))),
      );
      proxy.cutAll();
      expect((await sent).code).toBe("DurabilityNotReached");
    } finally {
      replica.resume();
    }
  });

  test("is not believed of a primary that has an earlier call of the client, but not this one", async () => {
    await inSync();
    const project = setup();
    const proxy = await startProxy(primary.port);
    const client = project.newClient({ url: proxy.url });
    await project.enqueue(money, { n: 0 }, { client });
    const [sent] = await project.raw.keys(`{${project.prefix}:0}:sent:*`);
    const earlier = await project.raw.get(sent!);
    replica.pause();
    try {
      const enqueued = failure(project.enqueue(money, { n: 1 }, { client }));
      await until("the wait to be under way", async () =>
        /flags=b[^\n]*cmd=wait/.test(String(await project.raw.client("LIST"))),
      );
      // What a primary holds that takes over without the call.
      await project.raw.set(sent!, earlier!);
      proxy.stallReplies();
      replica.resume();
      proxy.cutAll();
      proxy.heal();
      expect((await enqueued).message).toMatch(
        /^DurabilityNotReached: .* was replaced by one that may not have it/,
      );
    } finally {
      replica.resume();
    }
  });

  test("leaves its client the time of Redis, however long it waits for a confirmation", async () => {
    await inSync();
    const project = setup();
    const client = project.newClient({ durabilityTimeout: "1s" });
    replica.pause();
    try {
      await failure(project.enqueue(money, { n: 1 }, { client }));
    } finally {
      replica.resume();
    }
    const [seconds, micros] = await project.raw.time();
    expect(Math.abs(client.now() - (Number(seconds) * 1000 + Number(micros) / 1000))).toBeLessThan(500);
  });

  test("asks for few confirmations where there are many jobs: each takes a round trip", async () => {
    await inSync();
    const project = setup();
    await project.enqueue(money, { n: 0 });
    const before = await commandCalls(project.raw, "wait");
    const filler = "x".repeat(10_000);
    await project.many(
      money,
      Array.from({ length: 150 }, (_unused, n) => ({ n, filler })),
    );
    expect((await commandCalls(project.raw, "wait")) - before).toBeLessThanOrEqual(4);
  });

  test("holds up nobody else", async () => {
    await inSync();
    const project = setup();
    await project.enqueue(money, { n: 0 });
    replica.pause();
    try {
      const client = project.newClient({ durabilityTimeout: "5s" });
      let isSettled = false;
      const waiting = project.enqueue(money, { n: 1 }, { client }).finally(() => (isSettled = true));
      await until("the job to be stored", async () => (await project.raw.hlen(project.keys.jobs)) === 2);
      await project.enqueue(plain, { n: 2 }, { client });
      expect(isSettled).toBe(false);
      replica.resume();
      await waiting;
    } finally {
      replica.resume();
    }
  });
});

test("memory waits for nothing", async () => {
  const project = setup(alone);
  await project.enqueue(plain, { n: 1 });
  await project.enqueue(money, { n: 1 }, { durability: "memory" });
  expect(await commandCalls(project.raw, "wait")).toBe(0);
});

describe("local", () => {
  test("resolves at once where every reply waits for the disk", async () => {
    const project = setup(safe);
    const { id } = await project.enqueue(plain, { n: 1 }, { durability: "local" });
    expect(await project.state(id)).toBe("pending");
  });

  test("is refused before anything is sent where Redis cannot say", async () => {
    const project = setup(alone);
    const error = await failure(project.enqueue(plain, { n: 1 }, { durability: "local" }));
    expect(error.code).toBe("RedisUnsuitable");
    expect(error.message).toMatch(
      /durability local needs appendonly yes, with appendfsync always or with Redis 7\.2 .*The job was not sent\.$/,
    );
    expect(await project.raw.exists(project.keys.jobs)).toBe(0);
    await alone.client().config("SET", "appendonly", "yes", "appendfsync", "always");
    await project.enqueue(plain, { n: 1 }, { durability: "local" });
  });
});

describe("a Redis that comes back as one that confirms no more", () => {
  const ALWAYS = ["--appendonly", "yes", "--appendfsync", "always"];

  test("is not believed: nothing is sent to it", async () => {
    const server = await startRedis({ args: ALWAYS });
    const project = setup(server);
    const connections = async (): Promise<readonly string[]> =>
      String(await project.raw.client("LIST"))
        .split("\n")
        .filter((line) => line.includes("name=taskweft-durable"))
        .map((line) => /^id=\d+/.exec(line)![0]);
    const local = { durability: "local" } as const;
    await project.enqueue(plain, { n: 1 }, local);
    const [before] = await connections();
    await project.raw.config("SET", "appendonly", "no");
    await project.raw.call("CLIENT", "KILL", "TYPE", "normal");
    await until("the lane to connect again", async () => {
      const [now] = await connections();
      return now !== undefined && now !== before;
    });
    const error = await failure(project.enqueue(plain, { n: 2 }, local));
    expect(error.code).toBe("RedisUnsuitable");
    expect(error.message).toMatch(/durability local needs appendonly yes.*The job was not sent\.$/);
    expect(await project.raw.hlen(project.keys.jobs)).toBe(1);
    await project.raw.config("SET", "appendonly", "yes");
    await project.enqueue(plain, { n: 2 }, local);
  });

  test("when it has the job already: that it is stored is said, and that it is not confirmed", async () => {
    const server = await startRedis({ args: ALWAYS });
    const project = setup(server);
    const proxy = await startProxy(server.port);
    const options = { client: project.newClient({ url: proxy.url }), durability: "local" } as const;
    await project.enqueue(plain, { n: 1 }, options);
    proxy.stallReplies();
    const sent = failure(project.enqueue(plain, { n: 2 }, options));
    await until("the job to be stored", async () => (await project.raw.hlen(project.keys.jobs)) === 2);
    await project.raw.config("SET", "appendonly", "no");
    proxy.cutAll();
    proxy.heal();
    const error = await sent;
    expect(error.code).toBe("DurabilityNotReached");
    expect(error.message).toMatch(
      /the job \S+ is stored and may run, but Redis cannot confirm it any more: durability local needs appendonly yes/,
    );
    expect(await project.state(error.jobId ?? "")).toBe("pending");
  });
});

test("a Redis that is away is asked once, however many jobs are given up meanwhile", async () => {
  const project = setup(safe);
  const proxy = await startProxy(safe.port);
  const client = project.newClient({ url: proxy.url, deadline: "1s" });
  const options = { client, durability: "local" } as const;
  const asked = (): Promise<number> => commandCalls(project.raw, "config|get");
  const before = await asked();
  proxy.stall();
  for (let round = 0; round < 3; round++) {
    const jobs = [1, 2].map((n) => failure(project.enqueue(plain, { n }, options)));
    for (const { code } of await Promise.all(jobs)) expect(code).toBe("RedisUnavailable");
  }
  proxy.heal();
  await project.enqueue(plain, { n: 3 }, options);
  expect((await asked()) - before).toBe(1);
  expect(await project.raw.hlen(project.keys.jobs)).toBe(1);
});

test("a closing client waits for its confirmations", async () => {
  await inSync();
  const project = setup();
  const client = project.newClient();
  const sent = project.enqueue(money, { n: 1 }, { client });
  await client.close();
  expect((await sent).deduplicated).toBe(false);
});

test("an unreachable Redis fails within the deadline", async () => {
  const project = setup(alone);
  const client = project.newClient({ url: "redis://127.0.0.1:1", deadline: "100ms" });
  const error = await failure(project.enqueue(money, { n: 1 }, { client }));
  expect(error.code).toBe("RedisUnavailable");
  expect(error.message).toMatch(/ECONNREFUSED.*; this job was not sent$/);
});

test("another word is refused", async () => {
  const error = await failure(setup().enqueue(plain, { n: 1 }, { durability: "disk" as never }));
  expect(error.message).toBe(
    "OptionInvalid: durability: expected one of memory, local, replicated, got 'disk'",
  );
});
