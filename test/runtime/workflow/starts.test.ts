// Runs that are started by observers of an event: once for each event, with ids of their own; and what holds for starts of any kind.
import { expect, test } from "vitest";
import {
  createClient,
  createEmitFunction,
  createStartFunction,
  defineEvent,
  defineStart,
} from "taskweft/generated-v1";
import { defineTask, type Project, setupProject } from "../../support/project.js";
import { startRedis } from "../../support/redis.js";
import { until } from "../../support/signal.js";
import { ANYTHING } from "../../support/task.js";
import { jobOf, path, start as startRun, stored, workflow } from "../../support/workflow.js";

const redis = await startRedis();
const add = defineTask("math:add");
const keyed = defineTask<{ n: number }>("same:name", {
  idempotency: { ttlMs: 60_000 } as never,
  idempotencyKey: ({ n }: { n: number }) => String(n),
});
const numbered = {
  safeParse: (data: { n: number }) =>
    data.n > 0
      ? { success: true as const, data }
      : { success: false as const, error: { issues: [{ path: ["n"], message: "expected more than 0" }] } },
};

function emitter(project: Project) {
  const steps = [{ name: "a", needs: [], job: jobOf(add as never, path("input", "n")) }];
  const definition = workflow(steps, { output: path("steps", "a", "result") });
  const startIt = createStartFunction<{ n: number }, number>(
    { definition, input: () => numbered as never },
    project.queues,
  );
  const start = defineStart<{ n: number }, { n: number }>("test:flow", startIt, (event) => ({ n: event.n }));
  const observers = [
    { name: "first", actions: [start, start] },
    { name: "second", when: (event: { n: number }) => event.n > 5, actions: [start] },
  ];
  return createEmitFunction<{ n: number }, Record<"first" | "second", never>>(
    defineEvent({ name: "test:event", payload: () => ANYTHING, observers }),
    project.queues,
  );
}

test("a client that closes stores the runs whose start is under way first", async () => {
  const project = setupProject({ redis, tasks: [add] as never });
  const definition = workflow([{ name: "a", needs: [], job: jobOf(add as never) }]);
  const starts = ["one", "two"].map((id) => startRun(project, definition, {}, id));
  await project.client.close();
  expect((await Promise.all(starts)).map(({ id }) => id)).toEqual(["one", "two"]);
  await expect(startRun(project, definition)).rejects.toThrow(/^Closed: /);
});

test("an event starts a run for each action whose observer it concerns, once under its id", async () => {
  const project = setupProject({ redis, tasks: [add] as never });
  const seen: number[] = [];
  await project.worker({ "math:add": ({ payload }: never) => void seen.push(payload["n"]) } as never);
  const emit = emitter(project);
  const { client } = project;
  const first = await emit({ n: 3 }, { client, id: "e:1" });
  expect(first.started.map(({ observer, deduplicated }) => [observer, deduplicated])).toEqual([
    ["first", false],
    ["first", false],
  ]);
  expect(new Set(first.started.map(({ id }) => id)).size).toBe(2);
  const again = await emit({ n: 3 }, { client, id: "e:1" });
  expect(again.started.map(({ id }) => id)).toEqual(first.started.map(({ id }) => id));
  expect(again.started.every(({ deduplicated }) => deduplicated)).toBe(true);
  expect((await emit({ n: 7 }, { client })).started).toHaveLength(3);
  for (const { id } of first.started) expect((await client.runEnded(id, 20_000))?.state).toBe("completed");
  await expect(emit({ n: 4 }, { client, id: "e:1" })).rejects.toMatchObject({
    name: "EmitIncomplete",
    code: "IdConflict",
  });
});

test("an input that the workflow refuses is told of, and touches no other", async () => {
  const project = setupProject({ redis, tasks: [add] as never });
  const warnings: Error[] = [];
  const note = (warning: Error): void => void warnings.push(warning);
  process.on("warning", note);
  const { failed, started } = await emitter(project)({ n: 0 }, { client: project.client });
  await new Promise((resolve) => setImmediate(resolve));
  process.off("warning", note);
  expect(started).toEqual([]);
  expect(failed).toMatchObject([
    { observer: "first", workflow: "test:flow" },
    { observer: "first", workflow: "test:flow" },
  ]);
  expect(failed[0]?.error).toMatchObject({
    message: "PayloadInvalid: the input of test:flow does not fit its schema\n  n: expected more than 0",
    operation: "start",
  });
  expect(warnings.map(({ message }) => message)[0]).toMatch(/its action test:flow failed/);
});

test("the key of a run that was removed after its retention gives its id back", async () => {
  const project = setupProject({ redis, tasks: [add] as never });
  const definition = workflow([{ name: "a", needs: [], job: jobOf(add as never) }]);
  const startIt = createStartFunction<{ n: number }, number>(
    { definition, input: () => ANYTHING as never, idempotency: { key: ({ n }) => String(n), ttlMs: 60_000 } },
    project.queues,
  );
  const { id } = await startIt({ n: 1 }, { client: project.client, id: "mine" });
  await project.raw.hdel(project.keys.workflows, id);
  const again = await startIt({ n: 1 }, { client: project.client, id: "mine" });
  expect([again.id, again.deduplicated]).toEqual([id, true]);
  await project.raw.flushdb();
});

test("with several shards a run lives where its idempotency key leads, and is there once for each event", async () => {
  const client = createClient({ url: redis.url, prefix: "starts", shards: 8 });
  await client.ready();
  const definition = workflow([{ name: "a", needs: [], job: jobOf(add as never, path("input", "n")) }]);
  const key = (input: { n: number }): string => String(input.n % 20);
  const startIt = createStartFunction<{ n: number }, number>(
    { definition, input: () => ANYTHING as never, idempotency: { key, ttlMs: 60_000 } },
    [{ name: "default", weight: 1 }],
  );
  const start = defineStart<{ n: number }, { n: number }>("test:flow", startIt, (event) => event);
  const observers = [{ name: "o", actions: [start] }];
  const emit = createEmitFunction<{ n: number }, Record<"o", never>>(
    defineEvent({ name: "test:event", payload: () => ANYTHING, observers }),
    [],
  );
  const started = async (n: number) => (await emit({ n }, { client, id: `e-${n}` })).started[0]!;
  const first = await Promise.all(Array.from({ length: 20 }, (_unused, n) => started(n)));
  expect(first.every(({ deduplicated }) => !deduplicated)).toBe(true);
  const again = await Promise.all(Array.from({ length: 40 }, (_unused, n) => started(n)));
  expect(again.every(({ deduplicated }) => deduplicated)).toBe(true);
  expect(again.map(({ id }) => id)).toEqual([...first, ...first].map(({ id }) => id));
  await client.close();
});

test("a key that is empty starts nothing: it would be that of all runs which lack it", async () => {
  const project = setupProject({ redis, tasks: [add] as never });
  const { client } = project;
  const definition = workflow([{ name: "a", needs: [], job: jobOf(add as never) }]);
  const idempotency = { key: ({ of = "" }: { of?: string }) => of, ttlMs: 60_000 };
  const startIt = createStartFunction<{ of?: string }, null>(
    { definition, input: () => ANYTHING as never, idempotency },
    project.queues,
  );
  await expect(startIt({}, { client })).rejects.toThrow(
    /^OptionInvalid: idempotency.key: expected 1 to 512 characters/,
  );
  const start = defineStart<object, { of?: string }>("test:flow", startIt, () => ({}));
  const observers = [{ name: "o", actions: [start] }];
  const emit = createEmitFunction<object, Record<"o", never>>(
    defineEvent({ name: "test:event", payload: () => ANYTHING, observers }),
    [],
  );
  const { failed, started } = await emit({}, { client });
  expect([failed.map(({ workflow: name }) => name), started]).toEqual([["test:flow"], []]);
  expect(await project.raw.exists(project.keys.jobs, project.keys.workflows)).toBe(0);
});

test("a run and an event of one id are two, also where a step has the name of an observer", async () => {
  const project = setupProject({ redis, tasks: [add] as never });
  await project.worker({ "math:add": ({ payload }: never) => payload["n"] } as never);
  const action = { contract: add, payload: () => ({ n: 1 }) };
  const emit = createEmitFunction<object, Record<"fan", never>>(
    defineEvent({
      name: "test:event",
      payload: () => ANYTHING,
      observers: [{ name: "fan", actions: [action as never] }],
    }),
    project.queues,
  );
  const { jobs } = await emit({}, { client: project.client, id: "ord-1" });
  await until("the job to end", async () => (await project.state(jobs[0]!.id)) === "completed");
  const fan = { name: "fan", needs: [], forEach: stored([1, 2, 3]), job: jobOf(add as never, path("item")) };
  const run = await startRun(project, workflow([fan]), {}, "ord-1");
  expect(await run.result()).toBeNull();
});

test("a task and a workflow of one name do not share idempotency keys", async () => {
  const project = setupProject({ redis, tasks: [keyed] as never });
  const { client } = project;
  const definition = workflow([{ name: "a", needs: [], job: jobOf(keyed as never) }], { name: "same:name" });
  const startIt = createStartFunction<{ key: string }, null>(
    { definition, input: () => ANYTHING as never, idempotency: { key: ({ key }) => key, ttlMs: 60_000 } },
    project.queues,
  );
  const job = await project.enqueue(keyed, { n: 1 });
  const run = await startIt({ key: "1" }, { client });
  expect([job.deduplicated, run.deduplicated]).toEqual([false, false]);
  expect((await startIt({ key: "1" }, { client })).id).toBe(run.id);
  expect((await project.enqueue(keyed, { n: 1 })).id).toBe(job.id);
});

test("an emit that cannot start its runs says how many there are, of jobs and runs together", async () => {
  const client = createClient({ url: redis.url, prefix: "closed" });
  await client.ready();
  await client.close();
  await expect(
    emitter(setupProject({ redis, tasks: [add] as never }))({ n: 3 }, { client, id: "e" }),
  ).rejects.toThrow(
    /^Closed: 0 of 2 jobs and runs of the event test:event are known to be stored, without first: /,
  );
});

test("the validator of an input is made once, and not before the first start", async () => {
  const project = setupProject({ redis, tasks: [add] as never });
  await project.worker({ "math:add": () => undefined } as never);
  let made = 0;
  const steps = [{ name: "a", needs: [], job: jobOf(add as never, path("input", "n")) }];
  const input = () => {
    made += 1;
    return numbered as never;
  };
  const startIt = createStartFunction<{ n: number }, null>(
    { definition: workflow(steps), input },
    project.queues,
  );
  expect(made).toBe(0);
  for (const n of [1, 2]) await (await startIt({ n }, { client: project.client })).result();
  expect(made).toBe(1);
});
