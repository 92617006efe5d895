// Releases that fail for good, backoff, and delays. Time is played by sending jobs ahead, as `weft jobs retry` does.
import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import { startRedis } from "../../../test/support/redis.js";
import { until } from "../../../test/support/signal.js";
import type { Operator } from "../../support/operator.js";
import { announceRound } from "../src/circles.js";
import {
  enqueue,
  enqueueGigEscrowRelease,
  type GigEscrowReleasePayload,
  type TaskMap,
} from "../generated/index.js";
import { setup } from "./project.js";

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

const redis = await startRedis();

function gig(): GigEscrowReleasePayload {
  return { contractId: randomUUID(), workerId: `worker-${randomUUID()}`, amount: 250_000 };
}

/** Minutes that the job was made to wait before each retry, until it is dead. */
async function waitsUntilDead(operator: Operator, id: string): Promise<readonly number[]> {
  const waits: number[] = [];
  for (;;) {
    await until("the attempt to fail", async () =>
      ["dead", "retry"].includes((await operator.show(id)).state),
    );
    const { state, dueAt = 0, timeline } = await operator.show(id);
    if (state === "dead") return waits;
    const failedAt = timeline.findLast((event) => event.kind === "failed")?.at ?? 0;
    // The failure is stamped by the worker, the wait counts from when Redis took note of it.
    waits.push(Math.round(((dueAt - failedAt) / MINUTE_MS) * 100) / 100);
    await operator.inspector.retry(id);
  }
}

test("a release that failed for good does not block the contract: asked for again, it is a new job and pays", async () => {
  const { operator, world, startWorkers } = await setup(redis.url);
  await startWorkers(1);
  const contract = gig();
  world.closedAccounts.add(contract.workerId);
  const first = await enqueueGigEscrowRelease(contract);
  await expect(first.result()).rejects.toMatchObject({ code: "JobDead" });
  // The class is declared `retry: never`: one call, no retries.
  expect(world.calls.map((call) => call.outcome)).toEqual(["refused"]);
  world.closedAccounts.clear();
  const second = await enqueueGigEscrowRelease(contract);
  expect(second).toMatchObject({ deduplicated: false });
  expect(second.id).not.toBe(first.id);
  await expect(second.result()).resolves.toEqual({ transferId: expect.any(String) });
  expect(world.effectsOf("/transfers")).toEqual([`/transfers escrow-release/${contract.contractId}`]);
  // Now the key is taken: a third click finds the job that has paid.
  expect(await enqueueGigEscrowRelease(contract)).toMatchObject({ id: second.id, deduplicated: true });
  expect((await operator.show(first.id)).state).toBe("dead");
});

test("a release that died although the bank had paid does not pay again when it is asked for again", async () => {
  const { operator, world, startWorkers } = await setup(redis.url);
  await startWorkers(1);
  // Every call pays, and no answer is ever heard.
  world.loseAnswers = true;
  const contract = gig();
  const first = await enqueueGigEscrowRelease(contract);
  expect(await waitsUntilDead(operator, first.id)).toEqual([1, 4, 9, 16, 25]);
  world.loseAnswers = false;
  const second = await enqueueGigEscrowRelease(contract);
  const { transferId } = await second.result();
  expect(second.id).not.toBe(first.id);
  expect(world.calls.map((call) => call.outcome)).toEqual([...Array<string>(6).fill("lost"), "known"]);
  expect([...world.effects.values()]).toEqual([{ transferId }]);
});

test("the key of a release is kept for a day, also when nothing of the job is kept", async () => {
  const { operator, startWorkers } = await setup(redis.url);
  await startWorkers(1);
  const contract = gig();
  const release = await enqueueGigEscrowRelease(contract, { retention: { completed: "0ms" } });
  await until("the job to be gone", async () =>
    operator.show(release.id).then(
      () => false,
      (error: { code?: string }) => error.code === "JobNotFound",
    ),
  );
  const raw = redis.client();
  const expiry = Number((await raw.zrevrange("{hustlex:0}:keys-expiry", 0, 0, "WITHSCORES"))[1]);
  const [seconds] = await raw.time();
  expect((expiry - Number(seconds) * 1000) / HOUR_MS).toBeCloseTo(24, 1);
  expect(await enqueueGigEscrowRelease(contract)).toMatchObject({ id: release.id, deduplicated: true });
});

test.each<[task: keyof TaskMap, payload: object, minutes: readonly number[]]>([
  ["notification:sms", { memberId: "m-1", text: "Welcome!" }, [1, 4, 9]],
  ["system:cleanup_expired_otps", {}, [1]],
  [
    "savings:process_payout",
    { circleId: randomUUID(), round: 1, memberId: "m-1", amount: 9000 },
    [1, 4, 9, 16, 25],
  ],
])("%s waits n * n minutes before retry n, then is dead", async (task, payload, minutes) => {
  const { operator, world, startWorkers } = await setup(redis.url);
  world.failShare = 1;
  await startWorkers(1);
  const job = await enqueue(task, payload as never);
  expect(await waitsUntilDead(operator, job.id)).toEqual(minutes);
  expect(world.calls).toHaveLength(minutes.length + 1);
});

test("members are reminded a day after the round was announced, each once", async () => {
  const { operator, world, startWorkers } = await setup(redis.url);
  await startWorkers(2);
  const ids = await announceRound({ circleId: randomUUID(), round: 3 }, ["ada", "grace"]);
  for (const id of ids) {
    const { state, dueAt = 0, enqueuedAt = 0 } = await operator.show(id);
    expect(state).toBe("scheduled");
    expect((dueAt - enqueuedAt) / HOUR_MS).toBeCloseTo(24, 2);
  }
  expect(await operator.sendAhead("scheduled")).toBe(2);
  await until("the messages to be sent", () => world.effectsOf("/messages").length === 2);
  const messages = world.calls.map(({ body }) => `${String(body["channel"])} ${String(body["memberId"])}`);
  expect(messages.toSorted()).toEqual(["push ada", "push grace"]);
});
