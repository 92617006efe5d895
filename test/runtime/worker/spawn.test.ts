// ctx.spawn: a child is enqueued once for its parent, whatever happens to the parent's attempts.
import { expect, test } from "vitest";
import { parseRecord } from "../../../runtime/protocol/index.js";
import { childId } from "../../../runtime/worker/attempts/spawn.js";
import { type Project, defineTask, setupProject } from "../../support/project.js";
import { startRedis } from "../../support/redis.js";
import { signal, until, within } from "../../support/signal.js";

const redis = await startRedis();
const backoff = { type: "fixed", delayMs: 0, jitter: "none" } as const;
const parent = defineTask("order:place", { retry: { maxRetries: 1, backoff } });
/** Nothing of it is kept: its id is free as soon as it has run. */
const child = defineTask("mail:send", { queue: "mail", retention: { completedMs: 0, deadMs: 60_000 } });
const QUEUES = [
  { name: "default", weight: 1 },
  { name: "mail", weight: 1 },
];
const setup = (): Project => setupProject({ redis, tasks: [parent, child] as never, queues: QUEUES });
const waiting = (project: Project): Promise<string[]> =>
  project.raw.lrange(project.keys.queue("mail").pending, 0, -1);

test("a retried attempt gets the child of the first one, with its options, and enqueues none", async () => {
  const project = setup();
  const seen: string[][] = [];
  const options = { client: project.client, maxRetries: 7 };
  await project.worker(
    {
      "order:place": async (job, ctx) => {
        const enqueue = project.function(child);
        const ids = await Promise.all(
          [1, 2].map((n) => ctx.spawn(`mail-${n}`, enqueue, { n: n * job.attempt }, options)),
        );
        seen.push(ids);
        if (job.attempt === 1) throw new Error("after the children");
      },
    },
    { queues: ["default"] },
  );
  const job = await project.enqueue(parent, { n: 1 });
  await job.result();
  const ids = [childId(job.id, "mail-1"), childId(job.id, "mail-2")];
  expect(seen).toEqual([ids, ids]);
  expect(await waiting(project)).toEqual(ids);
  const record = parseRecord((await project.raw.hget(project.keys.jobs, ids[0]!)) ?? "");
  expect(record).toMatchObject({ task: "mail:send", payload: { n: 1 }, options: { maxRetries: 7 } });
});

test("a child that has run and gone is not enqueued again", async () => {
  const project = setup();
  let mails = 0;
  const sent = signal();
  await project.worker({
    "mail:send": () => {
      mails += 1;
      sent.send();
    },
    "order:place": async (job, ctx) => {
      const id = await ctx.spawn("mail", project.function(child), { n: 1 }, { client: project.client });
      await sent.promise;
      await until("the child to be gone", async () => (await project.state(id)) === "gone");
      if (job.attempt === 1) throw new Error("after the child");
    },
  });
  await (await project.enqueue(parent, { n: 1 })).result();
  expect(mails).toBe(1);
  expect(await waiting(project)).toEqual([]);
});

test.each([
  ["the same payload", 1],
  ["another payload, which does not count any more", 2],
])(
  "a worker that is lost after the enqueue leaves a child that the next attempt finds: %s",
  async (_name, n) => {
    const project = setup();
    const enqueue = project.function(child);
    const id = "order-1";
    // What the lost attempt has done: the child is stored, the step is not.
    await enqueue({ n: 1 }, { client: project.client, id: childId(id, "mail") });
    let got: string | undefined;
    await project.worker(
      {
        "order:place": async (_job, ctx) => {
          got = await ctx.spawn("mail", enqueue, { n }, { client: project.client });
        },
      },
      { queues: ["default"] },
    );
    await (await project.enqueue(parent, { n: 1 }, { id })).result();
    expect(got).toBe(childId(id, "mail"));
    expect(await waiting(project)).toEqual([childId(id, "mail")]);
  },
);

test("an attempt that has lost its lease spawns nothing", async () => {
  const project = setup();
  const [started, aborted, error] = [signal(), signal(), signal<Error>()];
  let runs = 0;
  const worker = await project.worker(
    {
      "order:place": async (_job, ctx) => {
        // The job is taken back and runs again, and then it has nothing to do.
        if (++runs > 1) return;
        ctx.signal.addEventListener("abort", () => aborted.send());
        started.send();
        await aborted.promise;
        const spawned = ctx.spawn("mail", project.function(child), { n: 1 }, { client: project.client });
        await spawned.catch((thrown: Error) => error.send(thrown));
        throw new Error("over");
      },
    },
    { queues: ["default"] },
  );
  await project.enqueue(parent, { n: 1 });
  await started.promise;
  await project.raw.zadd(project.keys.leases, "XX", 0, worker.name);
  expect((await within(4000, "the refusal", error.promise)).name).toBe("LeaseLost");
  expect(await waiting(project)).toEqual([]);
});

test("a name is used once, also by a step; what the enqueue refuses is the handler's error", async () => {
  const project = setup();
  await project.worker(
    {
      "order:place": async ({ payload }: { payload: { n: number } }, ctx) => {
        const options = { client: project.client };
        if (payload.n === 1) await ctx.spawn("mail", project.function(child), "text" as never, options);
        await ctx.step("mail", () => 1);
        await ctx.spawn("mail", project.function(child), { n: 1 }, options);
      },
    },
    { queues: ["default"] },
  );
  const [invalid, twice] = await project.many(parent, [{ n: 1 }, { n: 2 }]);
  const errorOf = async (id: string): Promise<unknown> => {
    await until("the job to be dead", async () => (await project.state(id)) === "dead");
    return (await project.run(id)).events.at(-1)?.[3];
  };
  expect(await errorOf(invalid!.id)).toBe("PayloadInvalid");
  expect(await errorOf(twice!.id)).toBe("StepInvalid");
  expect(await waiting(project)).toEqual([]);
});

test("ids of children are ids, and no two families share one", () => {
  expect(childId("x".repeat(128), "mail")).toMatch(/^x{110}\.\.[0-9a-f]{16}$/);
  expect(childId("a", "b.c")).not.toBe(childId("a.b", "c"));
  expect(childId("a", "größe 1")).toMatch(/^a\.\.[0-9a-f]{16}$/);
});
