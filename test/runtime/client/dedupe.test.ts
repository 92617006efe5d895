// Dedupe keys: what producers get back, and what handlers see of it.
import { describe, expect, onTestFinished, test } from "vitest";
import { createEnqueueFunction, PermanentError, type TaskweftError } from "taskweft/generated-v1";
import { Connection } from "../../../runtime/connection/index.js";
import { DEDUPE_MODES, type DedupeRule, latestWins } from "../../../runtime/definition/index.js";
import { parseRecord } from "../../../runtime/protocol/index.js";
import { enqueueScript, remove } from "../../../runtime/scripts/index.js";
import { defineTask, type Project, rejection, setupProject } from "../../support/project.js";
import { startProxy } from "../../support/proxy.js";
import { startRedis } from "../../support/redis.js";
import { signal, until, within } from "../../support/signal.js";

const redis = await startRedis();

interface Change {
  user: string;
  text: string;
}
const task = (dedupe: DedupeRule, parts: object = {}) =>
  defineTask<Change, string>(`user:${dedupe.mode}`, { dedupe, dedupeKey: ({ user }) => user, ...parts });
const unfinished = task({ mode: "unfinished" });
const waiting = task({ mode: "waiting" });
const throttle = task({ mode: "throttle", perMs: 60_000 });
const replace = task({ mode: "replace" });
const debounce = task({ mode: "debounce", waitMs: 150, maxWaitMs: 60_000 });
const ALL = [unfinished, waiting, throttle, replace, debounce];
const setup = (...tasks: unknown[]): Project =>
  setupProject({ redis, tasks: (tasks.length === 0 ? ALL : tasks) as never });
const outcomes = (handles: readonly { outcome: string }[]): string[] => handles.map(({ outcome }) => outcome);

async function payloadOf(project: Project, id: string): Promise<unknown> {
  return parseRecord((await project.raw.hget(project.keys.jobs, id))!)?.payload;
}

test("each mode of the table is played", () => {
  expect(ALL.map(({ dedupe }) => dedupe!.mode)).toEqual([...DEDUPE_MODES]);
});

describe.each(ALL.map((one) => [one.dedupe!.mode, one] as const))("%s", (mode, one) => {
  const again = latestWins(mode) ? "replaced" : "existing";

  test("gives 50 producers at once one job", async () => {
    const project = setup();
    const clients = Array.from({ length: 50 }, () => project.newClient());
    await Promise.all(clients.map((client) => client.ready()));
    const handles = await Promise.all(
      clients.map((client, n) => project.enqueue(one, { user: "u", text: `${n}` }, { client })),
    );
    expect(new Set(handles.map((handle) => handle.id)).size).toBe(1);
    expect(outcomes(handles).toSorted()).toEqual([...Array<string>(49).fill(again), "stored"].toSorted());
    expect(handles.filter((handle) => !handle.deduplicated)).toHaveLength(1);
    expect(await project.raw.hlen(project.keys.jobs)).toBe(1);
  });

  test("does the same in many, and in a batch with other tasks", async () => {
    const project = setup(...ALL, defineTask("plain:work"));
    const texts = ["a", "b", "c"];
    const many = await project.many(
      one,
      texts.map((text) => ({ user: "u", text })),
    );
    expect(outcomes(many)).toEqual(["stored", again, again]);
    expect(await payloadOf(project, many[0]!.id)).toEqual({
      user: "u",
      text: again === "existing" ? "a" : "c",
    });
    const plain = createEnqueueFunction(defineTask("plain:work"), project.queues);
    const { client } = project;
    const mixed = await Promise.all([
      project.enqueue(one, { user: "u", text: "d" }),
      plain({ n: 1 }, { client }),
      project.enqueue(one, { user: "v", text: "e" }),
      project.enqueue(one, { user: "v", text: "f" }),
      plain({ n: 2 }, { client, id: "own" }),
    ]);
    expect(outcomes(mixed)).toEqual([again, "stored", "stored", again, "stored"]);
    expect(await payloadOf(project, mixed[2]!.id)).toEqual({
      user: "v",
      text: again === "existing" ? "e" : "f",
    });
  });

  test("is harmless when a call is sent again after its reply was lost", async () => {
    const project = setup();
    await project.raw.script("LOAD", enqueueScript.text);
    const proxy = await startProxy(redis.port);
    const client = project.newClient({ url: proxy.url });
    await client.ready();
    const first = await project.enqueue(one, { user: "u", text: "a" }, { client });
    proxy.loseReplies(enqueueScript.sha, 1);
    const lost = project.enqueue(one, { user: "u", text: "b" }, { client });
    const handle = await within(10_000, "the enqueue to settle", lost);
    expect([handle.id, handle.outcome, proxy.lost]).toEqual([first.id, again, 1]);
    expect(await project.raw.hlen(project.keys.jobs)).toBe(1);
  });
});

test.each(
  ALL.filter(({ dedupe }) => dedupe!.mode !== "throttle").map((one) => [one.dedupe!.mode, one] as const),
)("with %s the key is free for the next job when its job has ended", async (_mode, one) => {
  const project = setup();
  await project.worker({ [one.name]: () => "done" });
  const first = await project.enqueue(one, { user: "u", text: "a" }, { retention: { completed: 0 } });
  await until("the job to be gone", async () => (await project.state(first.id)) === "gone");
  const second = await project.enqueue(one, { user: "u", text: "b" });
  expect(second.outcome).toBe("stored");
  expect(await second.result()).toBe("done");
  expect((await project.enqueue(one, { user: "u", text: "c" })).outcome).toBe("stored");
});

test("while its job runs, unfinished and throttle give it back; the next job of the others waits", async () => {
  const project = setup();
  const [started, go] = [signal(), signal()];
  let running = 0;
  const handler = async (): Promise<string> => {
    if (++running === ALL.length) started.send();
    await go.promise;
    return "";
  };
  await project.worker(Object.fromEntries(ALL.map(({ name }) => [name, handler])), { concurrency: 5 });
  const first = await Promise.all(ALL.map((one) => project.enqueue(one, { user: "u", text: "a" })));
  await started.promise;
  const second = await Promise.all(ALL.map((one) => project.enqueue(one, { user: "u", text: "b" })));
  expect(outcomes(second)).toEqual(["existing", "stored", "existing", "stored", "stored"]);
  go.send();
  await Promise.all([...first, ...second].map((handle) => handle.result()));
});

describe("throttle", () => {
  test.each([
    ["has completed and is gone", { completed: 0 }, (): string => "done"],
    ["is dead and gone", { dead: 0 }, () => Promise.reject(new PermanentError("no"))],
  ] as const)("gives its job back within the time although it %s", async (_state, retention, handler) => {
    const project = setup();
    await project.worker({ [throttle.name]: handler });
    const first = await project.enqueue(throttle, { user: "u", text: "a" }, { retention });
    await until("the job to be gone", async () => (await project.state(first.id)) === "gone");
    const second = await project.enqueue(throttle, { user: "u", text: "b" });
    expect([second.id, second.outcome]).toEqual([first.id, "existing"]);
    expect((await project.enqueue(throttle, { user: "v", text: "b" })).outcome).toBe("stored");
  });

  test("stores the next job when the time is over, whatever the first is doing", async () => {
    const brief = task({ mode: "throttle", perMs: 200 });
    const project = setup(brief);
    const first = await project.enqueue(brief, { user: "u", text: "a" });
    const from = project.client.now();
    let next = first;
    await until("the time to be over", async () => {
      next = await project.enqueue(brief, { user: "u", text: "b" });
      return next.outcome === "stored";
    });
    expect(project.client.now() - from).toBeGreaterThanOrEqual(150);
    expect([await project.state(first.id), await project.state(next.id)]).toEqual(["pending", "pending"]);
  });

  test("counts anew when a person has deleted the job", async () => {
    const project = setup();
    const first = await project.enqueue(throttle, { user: "u", text: "a" });
    const connection = new Connection({ url: redis.url }, "test");
    onTestFinished(() => connection.disconnect());
    await remove(connection, { keys: project.keys, id: first.id, queue: "default" });
    expect((await project.enqueue(throttle, { user: "u", text: "b" })).outcome).toBe("stored");
  });

  test("takes no idempotency key of a caller", async () => {
    const project = setup();
    const wrong = project.enqueue(throttle, { user: "u", text: "a" }, { idempotencyKey: "k" });
    expect(((await rejection(wrong)) as TaskweftError).code).toBe("OptionInvalid");
  });
});

test("a debounced job runs once, with the payload of the last enqueue, after a pause", async () => {
  const project = setup();
  const seen: string[] = [];
  await project.worker({
    [debounce.name]: ({ payload }: { payload: Change }) => seen.push(payload.text),
  } as never);
  const handles = [];
  for (const text of ["a", "b", "c", "d"]) handles.push(await project.enqueue(debounce, { user: "u", text }));
  await Promise.all(handles.map((handle) => handle.result()));
  expect(seen).toEqual(["d"]);
});

test("a debounced job that never finds a pause runs at its maxWait", async () => {
  const busy = task({ mode: "debounce", waitMs: 100, maxWaitMs: 300 });
  const project = setup(busy);
  const started = signal();
  await project.worker({ [busy.name]: () => started.send() } as never);
  const first = await project.enqueue(busy, { user: "u", text: "0" });
  let isOver = false;
  const ended = first.result().then(() => (isOver = true));
  // Each enqueue is answered before the next, so none of them leaves a pause of 100 ms.
  for (let n = 1; !isOver; n += 1) await project.enqueue(busy, { user: "u", text: `${n}` });
  await ended;
  expect(await payloadOf(project, first.id)).not.toEqual({ user: "u", text: "0" });
});

describe("replace", () => {
  test("gives the waiting job the options of the newest enqueue too, and its time", async () => {
    const project = setup();
    const first = await project.enqueue(replace, { user: "u", text: "a" }, { delay: "1h", maxRetries: 1 });
    await project.enqueue(replace, { user: "u", text: "b" }, { maxRetries: 7 });
    const record = parseRecord((await project.raw.hget(project.keys.jobs, first.id))!);
    expect(record).toMatchObject({ payload: { text: "b" }, options: { maxRetries: 7 } });
    expect(await project.state(first.id)).toBe("pending");
  });

  test("counts startWithin from the newest enqueue", async () => {
    const brief = task({ mode: "replace" }, { startWithinMs: 60_000 });
    const project = setup(brief);
    const first = await project.enqueue(brief, { user: "u", text: "a" });
    const at = async (): Promise<number> =>
      parseRecord((await project.raw.hget(project.keys.jobs, first.id))!)!.options.at!;
    const before = await at();
    await until("time to pass", () => project.client.now() > before);
    await project.enqueue(brief, { user: "u", text: "b" });
    expect(await at()).toBeGreaterThan(before);
  });

  test("does not change a job that waits for its retry: that one is cancelled, and the newest is stored", async () => {
    const patient = task(
      { mode: "replace" },
      { retry: { maxRetries: 3, backoff: { type: "fixed", delayMs: 3_600_000, jitter: "none" } } },
    );
    const project = setup(patient);
    await project.worker({
      [patient.name]: ({ payload }: { payload: Change }) => {
        if (payload.text === "a") throw new Error("no");
        return payload.text;
      },
    } as never);
    const first = await project.enqueue(patient, { user: "u", text: "a" });
    await until("the retry", async () => (await project.state(first.id)) === "due");
    const second = await project.enqueue(patient, { user: "u", text: "b" });
    expect(second.outcome).toBe("stored");
    expect(await second.result()).toBe("b");
    expect(((await rejection(first.result())) as TaskweftError).code).toBe("JobCancelled");
  });

  test("lets no older job run again once a newer one is stored", async () => {
    const eager = task(
      { mode: "replace" },
      { retry: { maxRetries: 3, backoff: { type: "fixed", delayMs: 0, jitter: "none" } } },
    );
    const project = setup(eager);
    const [started, go] = [signal(), signal()];
    const seen: string[] = [];
    await project.worker({
      [eager.name]: async ({ payload }: { payload: Change }) => {
        seen.push(payload.text);
        if (payload.text !== "old") return payload.text;
        started.send();
        await go.promise;
        throw new Error("no");
      },
    } as never);
    const old = await project.enqueue(eager, { user: "u", text: "old" });
    await started.promise;
    const recent = await project.enqueue(eager, { user: "u", text: "recent" });
    expect(await recent.result()).toBe("recent");
    go.send();
    expect(((await rejection(old.result())) as TaskweftError).code).toBe("JobCancelled");
    expect(seen).toEqual(["old", "recent"]);
  });

  test("leaves a job alone that was handed back after its handler had begun", async () => {
    const project = setup();
    const started = signal();
    const worker = await project.worker({
      [replace.name]: async () => {
        started.send();
        await new Promise(() => undefined);
      },
    });
    const first = await project.enqueue(replace, { user: "u", text: "a" });
    await started.promise;
    await worker.stop();
    const second = await project.enqueue(replace, { user: "u", text: "b" });
    expect([second.outcome, second.id === first.id]).toEqual(["stored", false]);
    expect(await payloadOf(project, first.id)).toEqual({ user: "u", text: "a" });
    expect(await project.state(first.id)).toBe("cancelled");
  });
});

test.each([
  ["delay", { delay: "1s" }],
  ["runAt", { runAt: 1 }],
] as const)("a task that debounces takes no %s", async (option, options) => {
  const project = setup();
  const error = (await rejection(
    project.enqueue(debounce, { user: "u", text: "a" }, options),
  )) as TaskweftError;
  expect(error.code).toBe("OptionInvalid");
  expect(error.message).toContain(`${option}: expected none, because user:debounce debounces`);
});

test("a dedupe key that no Redis key can be made of is refused", async () => {
  const project = setup();
  const error = (await rejection(project.enqueue(waiting, { user: "", text: "a" }))) as TaskweftError;
  expect(error.message).toContain("dedupe.key: expected 1 to 512 characters");
});
