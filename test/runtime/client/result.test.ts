// `job.result()`: every way in which a wait can end.
import { describe, expect, test } from "vitest";
import { PermanentError, type TaskweftError, z } from "taskweft/generated-v1";
import { Connection } from "../../../runtime/connection/index.js";
import { cancel, remove } from "../../../runtime/scripts/index.js";
import { type Project, defineTask, rejection, setupProject } from "../../support/project.js";
import { startProxy } from "../../support/proxy.js";
import { startRedis } from "../../support/redis.js";
import { signal, until, within } from "../../support/signal.js";

const redis = await startRedis();

const double = defineTask<{ n: number }, { doubled: number }>("math:double", {
  payload: z.strictObject({ n: z.number() }),
  result: z.strictObject({ doubled: z.number() }),
});
const fleeting = defineTask("math:fleeting", { retention: { completedMs: 0, deadMs: 60_000 } });
const setup = (): Project => setupProject({ redis, tasks: [double, fleeting] as never });

async function codeOf(promise: Promise<unknown>): Promise<[string, string]> {
  const error = (await rejection(promise)) as TaskweftError;
  return [error.code, error.message];
}

async function withConnection<Value>(use: (connection: Connection) => Promise<Value>): Promise<Value> {
  const connection = new Connection({ url: redis.url }, "test");
  try {
    return await use(connection);
  } finally {
    connection.disconnect();
  }
}

describe("result()", () => {
  test("gives the result, to a wait that began before and to one that begins after the end", async () => {
    const project = setup();
    const job = await project.enqueue(double, { n: 21 });
    const waiting = job.result();
    await project.worker({
      "math:double": (j: { payload: { n: number } }) => ({ doubled: j.payload.n * 2 }),
    } as never);
    expect(await waiting).toEqual({ doubled: 42 });
    expect(await job.result()).toEqual({ doubled: 42 });
    expect(await project.raw.exists(project.keys.waits)).toBe(0);
  });

  test("gives it to two clients and to many waits of one client, long before the slow poll", async () => {
    const project = setup();
    const go = signal();
    const [one, other] = [project.newClient(), project.newClient()];
    await project.worker({
      "math:double": async () => {
        await go.promise;
        return { doubled: 2 };
      },
    });
    const first = await project.enqueue(double, { n: 1 }, { client: one, id: "both" });
    const second = await project.enqueue(double, { n: 1 }, { client: other, id: "both" });
    const waits = [first.result(), first.result(), second.result(), second.result()];
    await until(
      "both clients to be noted",
      async () => (await project.raw.hget(project.keys.waits, "both"))?.split(" ").length === 2,
    );
    go.send();
    const results = await within(2000, "all four waits to end by the message", Promise.all(waits));
    expect(results).toEqual(Array(4).fill({ doubled: 2 }));
  });

  test("a declared null stays null", async () => {
    const maybe = defineTask<{ n: number }, number | null>("math:maybe", { result: z.number().nullable() });
    const project = setupProject({ redis, tasks: [maybe] as never });
    const job = await project.enqueue(maybe, { n: 1 });
    await project.worker({ "math:maybe": () => null });
    expect(await job.result()).toBe(null);
  });

  test("a job that returned nothing gives undefined", async () => {
    const silent = defineTask("math:silent");
    const project = setupProject({ redis, tasks: [silent] as never });
    await project.worker({ "math:silent": () => undefined });
    expect(await (await project.enqueue(silent, { n: 1 })).result()).toBeUndefined();
  });

  test("of a dead job says which error killed it", async () => {
    const project = setup();
    await project.worker({
      "math:double": () => {
        throw new PermanentError("card refused");
      },
    });
    const job = await project.enqueue(double, { n: 1 });
    const [code, message] = await codeOf(job.result());
    expect(code).toBe("JobDead");
    expect(message).toContain(
      `math:double job ${job.id} is dead: attempt 1 failed with PermanentError: card refused`,
    );
  });

  test("of a cancelled job", async () => {
    const project = setup();
    const job = await project.enqueue(double, { n: 1 });
    const waiting = codeOf(job.result());
    await withConnection((connection) =>
      cancel(connection, { keys: project.keys, id: job.id, queue: "default", keepMs: 60_000 }),
    );
    expect((await waiting)[0]).toBe("JobCancelled");
  });

  test("of a deleted job, and of one deleted while it is awaited", async () => {
    const project = setup();
    const job = await project.enqueue(double, { n: 1 });
    const waiting = codeOf(job.result());
    await until(
      "the wait to be noted",
      async () => (await project.raw.hexists(project.keys.waits, job.id)) === 1,
    );
    await withConnection((connection) =>
      remove(connection, { keys: project.keys, id: job.id, queue: "default" }),
    );
    expect((await within(2000, "the wait to end", waiting))[0]).toBe("JobNotFound");
    expect((await codeOf(job.result()))[0]).toBe("JobNotFound");
  });

  test("times out after the time given, and the job goes on", async () => {
    const project = setup();
    const job = await project.enqueue(double, { n: 1 });
    const startedAt = performance.now();
    const [code, message] = await codeOf(job.result({ timeout: "100ms" }));
    const tookMs = performance.now() - startedAt;
    expect(code).toBe("TimedOut");
    expect(message).toContain(`job ${job.id} had not finished after 100 ms`);
    expect(tookMs).toBeGreaterThanOrEqual(99);
    expect(tookMs).toBeLessThan(4000);
    await project.worker({ "math:double": () => ({ doubled: 2 }) });
    expect(await job.result()).toEqual({ doubled: 2 });
  });

  test.each([[0], ["0s"], ["0ms"]] as const)(
    "is refused when the enqueue keeps nothing: %s",
    async (completed) => {
      const project = setup();
      const job = await project.enqueue(double, { n: 1 }, { retention: { completed } });
      expect((await codeOf(job.result()))[0]).toBe("ResultNotKept");
    },
  );

  test("is refused at once when the definition keeps nothing", async () => {
    const job = await setup().enqueue(fleeting, { n: 1 });
    const [code, message] = await codeOf(job.result());
    expect(code).toBe("ResultNotKept");
    expect(message).toMatch(/Set a retention in the definition or at the enqueue/);
  });

  test("refuses a timeout that is none", async () => {
    const job = await setup().enqueue(double, { n: 1 });
    expect((await codeOf(job.result({ timeout: "soon" as never })))[0]).toBe("OptionInvalid");
  });
});

describe("result() while the network fails", () => {
  test("still comes when the message was lost: the wait asks again", async () => {
    const project = setup();
    const job = await project.enqueue(double, { n: 1 });
    const waiting = job.result();
    await until(
      "the wait to be noted",
      async () => (await project.raw.hexists(project.keys.waits, job.id)) === 1,
    );
    // The note is what makes the finishing script send the message: without it the end is silent.
    await project.raw.hdel(project.keys.waits, job.id);
    await project.worker({ "math:double": () => ({ doubled: 2 }) });
    await until("the job to end", async () => (await project.state(job.id)) === "completed");
    expect(await within(7000, "the slow poll to find the end", waiting)).toEqual({ doubled: 2 });
  });

  test("comes soon after the connection broke while the job ended", async () => {
    const project = setup();
    const proxy = await startProxy(redis.port);
    const job = await project.enqueue(double, { n: 1 }, { client: project.newClient({ url: proxy.url }) });
    const waiting = job.result();
    await until(
      "the wait to be noted",
      async () => (await project.raw.hexists(project.keys.waits, job.id)) === 1,
    );
    proxy.stall();
    await project.worker({ "math:double": () => ({ doubled: 2 }) });
    await until("the job to end", async () => (await project.state(job.id)) === "completed");
    proxy.cutAll();
    proxy.heal();
    expect(await within(7000, "the end to be found", waiting)).toEqual({ doubled: 2 });
  });

  test("times out on time although Redis does not answer", async () => {
    const project = setup();
    const proxy = await startProxy(redis.port);
    const job = await project.enqueue(
      double,
      { n: 1 },
      { client: project.newClient({ url: proxy.url, deadline: "1s" }) },
    );
    proxy.stall();
    const [code] = await within(3000, "the wait to end", codeOf(job.result({ timeout: "200ms" })));
    expect(code).toBe("TimedOut");
    proxy.heal();
    await project.worker({ "math:double": () => ({ doubled: 2 }) });
    expect(await within(7000, "the next wait to succeed", job.result())).toEqual({ doubled: 2 });
  });

  test("of a closed client rejects, also when it was waiting already", async () => {
    const project = setup();
    const client = project.newClient();
    const job = await project.enqueue(double, { n: 1 }, { client });
    const waiting = codeOf(job.result());
    await until(
      "the wait to be noted",
      async () => (await project.raw.hexists(project.keys.waits, job.id)) === 1,
    );
    await client.close();
    expect((await within(2000, "the wait to end", waiting))[0]).toBe("Closed");
    expect((await codeOf(job.result()))[0]).toBe("Closed");
  });
});
