// Event rules at work: which jobs follow, that no emit waits for them, and how each ends.
import { randomUUID } from "node:crypto";
import { beforeEach, expect, test } from "vitest";
import { loadConfig } from "taskweft";
import { startRedis } from "../../../test/support/redis.js";
import { until } from "../../../test/support/signal.js";
import { testPlace } from "../../support/testing.js";
import { runEvents } from "../demo/events.js";
import { isRight } from "../demo/main.js";
import { emitOrderCreated, emitUserSignedUp, type OrderCreatedEvent } from "../generated/index.js";
import { ROOT, setup } from "./project.js";

const redis = await startRedis();
// The server is this file's alone.
beforeEach(() => redis.client().flushall());

function order(parts: Partial<OrderCreatedEvent> = {}): OrderCreatedEvent {
  const orderId = randomUUID();
  return { orderId, email: "ada@example.com", total: 10, currency: "EUR", country: "DE", ...parts };
}

const observersOf = ({ jobs }: { readonly jobs: readonly { readonly observer: string }[] }): string[] =>
  jobs.map(({ observer }) => observer);

test("the rules decide which jobs follow from an event", async () => {
  await setup(redis.url);
  const always = ["orders", "receipt"];
  expect(observersOf(await emitOrderCreated(order()))).toEqual(always);
  expect(observersOf(await emitOrderCreated(order({ total: 1000 })))).toEqual([
    "big-order",
    "big-order",
    ...always,
  ]);
  expect(observersOf(await emitOrderCreated(order({ total: 1000, currency: "NGN" })))).toEqual(always);
  expect(observersOf(await emitOrderCreated(order({ coupon: "SPRING" })))).toEqual(["coupons", ...always]);
  expect(observersOf(await emitOrderCreated(order({ country: "GH" })))).toEqual([
    "orders",
    "partner-feed",
    "receipt",
  ]);
  const user = { userId: randomUUID(), email: "ada@example.com" };
  expect(observersOf(await emitUserSignedUp({ ...user, plan: "free" }))).toEqual(["welcome", "welcome"]);
  expect(observersOf(await emitUserSignedUp({ ...user, plan: "pro" }))).toEqual([
    "pro",
    "welcome",
    "welcome",
  ]);
});

test("each action carries what its rule says, in its queue and at its time", async () => {
  const { operator, outside, startWorker } = await setup(redis.url);
  const event = order({ total: 2000, coupon: "SPRING" });
  const { jobs } = await emitOrderCreated(event);
  const coupon = jobs.find(({ observer }) => observer === "coupons");
  expect((await operator.show(coupon!.id)).queue).toBe("low");
  await emitUserSignedUp({ userId: randomUUID(), email: "bob@example.com", plan: "free" });
  await startWorker();
  await until("all but the mail of tomorrow", () => outside.calls.length === jobs.length + 1);
  expect((await operator.ids("scheduled")).length).toBe(1);
  const bodies = outside.calls.map(({ path, body }) => [path, body]);
  expect(bodies).toContainEqual(["/crm", { about: event.orderId, data: event }]);
  expect(bodies).toContainEqual(["/count", { name: "coupon-SPRING" }]);
  expect(bodies).toContainEqual([
    "/mail",
    { to: event.email, template: "receipt", subject: `Your order ${event.orderId}` },
  ]);
});

test("an emit does not wait for actions, however slow they are, and ten of them run at a time", async () => {
  const { operator, outside, startWorker } = await setup(redis.url);
  await startWorker();
  outside.hold();
  const times: number[] = [];
  for (let n = 0; n < 60; n++) {
    const from = performance.now();
    await emitOrderCreated(order({ total: 2000 }));
    times.push(performance.now() - from);
  }
  // Nothing outside has answered yet.
  expect(outside.calls).toEqual([]);
  await until("ten to run", () => outside.waiting === 10);
  expect((await operator.ids("active")).length).toBe(10);
  process.stdout.write(`emit: median ${times.toSorted((a, b) => a - b)[30]!.toFixed(1)} ms\n`);
  outside.release();
  await until("all to be told", () => outside.calls.length === 240);
  expect(outside.most).toBe(10);
});

test("the environment wins over weft.config.yaml", async () => {
  const { outside, startWorker } = await setup(redis.url);
  const fromFile = await loadConfig({ folder: ROOT, env: {} });
  expect(fromFile.setting("worker.concurrency")).toMatchObject({
    value: 10,
    source: expect.stringMatching(/^weft.config.yaml:/),
  });
  await startWorker({ TASKWEFT_WORKER_CONCURRENCY: "3" });
  outside.hold();
  for (let n = 0; n < 5; n++) await emitOrderCreated(order());
  await until("three to run", () => outside.waiting === 3);
  outside.release();
  await until("all to be told", () => outside.calls.length === 10);
  expect(outside.most).toBe(3);
});

test("a transient error is tried again, after fixed and after growing times", async () => {
  const { operator, outside, startWorker } = await setup(redis.url);
  for (const path of ["/mail", "/count"]) outside.failsFirst.set(path, 20);
  await startWorker();
  const { jobs } = await emitOrderCreated(order());
  const plans: [observer: string, waits: number[]][] = [
    ["orders", [500, 500, 500]],
    ["receipt", [200, 400, 600, 800]],
  ];
  for (const [observer, waits] of plans) {
    const { id } = jobs.find((job) => job.observer === observer)!;
    await until("it to be dead", async () => (await operator.show(id)).state === "dead");
    const at = outside.calls.filter(({ key }) => key === id).map((call) => call.at);
    expect(at).toHaveLength(waits.length + 1);
    // Never before its time; how late it comes is a matter of the machine.
    for (const [n, wait] of waits.entries()) expect(at[n + 1]! - at[n]!).toBeGreaterThanOrEqual(wait - 1);
  }
});

test("webhooks wait from 100 ms to 30 s, twice as long each time", async () => {
  const { operator, outside, startWorker } = await setup(redis.url);
  outside.failsFirst.set("/crm", 20);
  await startWorker();
  const { jobs } = await emitUserSignedUp({ userId: randomUUID(), email: "ada@example.com", plan: "pro" });
  const { id } = jobs.find(({ observer }) => observer === "pro")!;
  const planned = [100, 200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 30_000];
  const seen: number[] = [];
  for (let attempt = 1; attempt <= planned.length; attempt++) {
    await until("the attempt to fail", async () => (await operator.show(id)).attempts >= attempt);
    seen.push(...(await waitsOf(operator.show(id))));
    await operator.sendAhead("retry");
  }
  await until("it to be dead", async () => (await operator.show(id)).state === "dead");
  expect((await operator.show(id)).attempts).toBe(planned.length + 1);
  // The failure was written a moment after it happened, by another clock; a wait that was over before the look is not seen.
  const rounded = seen.map((wait) => planned.find((one) => wait >= one - 5 && wait < one + 90) ?? wait);
  for (const wait of rounded) expect(planned).toContain(wait);
  expect(rounded).toEqual(expect.arrayContaining([6400, 12_800, 25_600, 30_000]));
});

/** From the last failure to the next attempt (ms), if it waits for one. */
async function waitsOf(
  details: Promise<{ dueAt?: number; timeline: readonly { at: number; kind: string }[] }>,
): Promise<number[]> {
  const { dueAt, timeline } = await details;
  const failedAt = timeline.findLast(({ kind }) => kind === "failed")?.at;
  return dueAt === undefined || failedAt === undefined ? [] : [dueAt - failedAt];
}

test("what fails at first completes; what is refused is dead at once; neither touches the other actions of the event", async () => {
  const { operator, outside, startWorker } = await setup(redis.url);
  outside.gone.add("/partner");
  outside.failsFirst.set("/mail", 1);
  await startWorker();
  const { jobs } = await emitOrderCreated(order({ country: "NG" }));
  const stateOf = async (observer: string) => {
    const job = jobs.find((one) => one.observer === observer);
    const { state, attempts } = await operator.show(job!.id);
    return [state, attempts];
  };
  await until("the receipt", async () => (await stateOf("receipt"))[0] === "completed");
  await until("the count", async () => (await stateOf("orders"))[0] === "completed");
  await until("the refusal", async () => (await stateOf("partner-feed"))[0] === "dead");
  expect(await stateOf("receipt")).toEqual(["completed", 2]);
  expect(await stateOf("partner-feed")).toEqual(["dead", 1]);
  expect(await stateOf("orders")).toEqual(["completed", 1]);
});

test("an event that is emitted again under its id makes no second jobs", async () => {
  const { operator } = await setup(redis.url);
  const event = order({ total: 2000 });
  const first = await emitOrderCreated(event, { id: event.orderId });
  const again = await emitOrderCreated(event, { id: event.orderId });
  expect(again.jobs.map(({ id }) => id)).toEqual(first.jobs.map(({ id }) => id));
  expect(again.jobs.every(({ deduplicated }) => deduplicated)).toBe(true);
  expect((await operator.ids("pending")).length).toBe(first.jobs.length);
});

test("the run that a person sees comes out right", async () => {
  const place = await testPlace(ROOT, redis.url);
  const account = await runEvents(place, { events: 30, slowMs: 20 });
  expect(account).toMatchObject({ toPartner: 6, tomorrow: 1, doubled: 0, dead: [1, 1, 1, 1, 1, 1] });
  expect(account.retried).toBeGreaterThan(0);
  // What the worker counted is what the jobs and the world outside say.
  expect(account.metrics).toEqual({
    completed: account.completed,
    dead: 6,
    gone: 6,
    retried: account.refusals,
  });
  expect(isRight(account)).toBe(true);
}, 60_000);
