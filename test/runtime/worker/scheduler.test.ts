// The scheduler alone, so that its looks can be brought forward: the timers are those of the test, Redis is real.
import { setImmediate as nextTurn } from "node:timers/promises";
import { beforeEach, describe, expect, onTestFinished, test, vi } from "vitest";
import type { QueueDefinition, ScheduleDefinition } from "taskweft/generated-v1";
import { Connection } from "../../../runtime/connection/index.js";
import { parseScheduleState, tickJobId } from "../../../runtime/protocol/index.js";
import { ONLY_PLACE } from "../../../runtime/worker/shard-place.js";
import { declareLimits } from "../../../runtime/worker/limits.js";
import { Scheduler } from "../../../runtime/worker/schedules/scheduler.js";
import { RunStarter } from "../../../runtime/workflow/index.js";
import { type Project, defineTask, setupProject } from "../../support/project.js";
import { startRedis } from "../../support/redis.js";
import { jobOf, workflow } from "../../support/workflow.js";

const LOOK_MS = 15_000;
const redis = await startRedis();
const cleanup = defineTask("otp:cleanup");
const yearly: ScheduleDefinition = {
  name: "yearly",
  task: "otp:cleanup",
  cron: `0 0 1 ${((new Date().getUTCMonth() + 6) % 12) + 1} *`,
  timezone: "UTC",
  payload: { n: 7 },
  missed: "latest",
  overlap: "allow",
  jitterMs: 0,
};

interface Deploy {
  readonly schedules?: readonly ScheduleDefinition[];
  readonly queue?: QueueDefinition;
  /** Jobs of the task that may run at once. */
  readonly limit?: number;
}

/** Returns how to stop it. */
async function startScheduler(
  project: Project,
  { schedules = [], queue, limit }: Deploy,
): Promise<() => Promise<void>> {
  const { keys, logger } = project;
  const connection = new Connection({ url: redis.url }, "test");
  const queues = [queue ?? { name: "default", weight: 1 }];
  const concurrency = limit === undefined ? {} : { concurrency: { limit } };
  const contracts = [{ ...cleanup, queue: queues[0]!.name, ...concurrency }] as never;
  const registry = { contracts, queues, schedules, handlers: {} };
  // As a worker does before its actors start.
  await declareLimits(connection, keys, registry);
  const scheduler = new Scheduler({ connection, keys, registry, logger, random: () => 0, place: ONLY_PLACE });
  // Others may have set some: schedulers before this one, the client.
  const timers = vi.getTimerCount();
  scheduler.start();
  running++;
  let stopped = false;
  const stop = async (): Promise<void> => {
    if (stopped) return;
    stopped = true;
    running--;
    await scheduler.stop();
    connection.disconnect();
  };
  onTestFinished(stop);
  await timersAreSet(timers + 1);
  return stop;
}

/** Schedulers that have started and have not been stopped. */
let running = 0;

/** A scheduler sets its timer when its look is over. */
async function timersAreSet(count: number): Promise<void> {
  const end = performance.now() + 30_000;
  while (vi.getTimerCount() < count) {
    if (performance.now() > end) throw new Error(`expected ${count} timers, got ${vi.getTimerCount()}`);
    await nextTurn();
  }
}

async function laterLook(afterMs = LOOK_MS): Promise<void> {
  vi.advanceTimersByTime(afterMs);
  expect(vi.getTimerCount()).toBe(0);
  await timersAreSet(running);
}

/** As if the workers of the newest deploy had been silent for more than a minute, and others had looked. */
async function newestIsGone(project: Project): Promise<void> {
  const { fingerprint, seenMs } = await newest(project);
  await project.raw.hset(project.keys.schedules, "@", `${fingerprint} ${seenMs - 61_000} ${seenMs}`);
}

async function newest(project: Project): Promise<{ fingerprint: string; seenMs: number }> {
  const [fingerprint = "", seen] = ((await project.raw.hget(project.keys.schedules, "@")) ?? "").split(" ");
  return { fingerprint, seenMs: Number(seen) };
}

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  return () => void vi.useRealTimers();
});

describe("a deploy without schedules", () => {
  test("goes on saying so after one that had some, whose workers would take over", async () => {
    const project = setupProject({ redis, tasks: [cleanup] as never });
    await startScheduler(project, { schedules: [yearly] });
    await startScheduler(project, {});
    const { fingerprint, seenMs } = await newest(project);
    await laterLook();
    const later = await newest(project);
    expect(later.fingerprint).toBe(fingerprint);
    expect(later.seenMs).toBeGreaterThan(seenMs);
    expect(await project.raw.hkeys(project.keys.schedules)).toEqual(["@"]);
  });
});

describe("a deploy that only moves the task to another queue", () => {
  test("decides: a worker of the one before it would enqueue where nobody looks any more", async () => {
    const project = setupProject({ redis, tasks: [cleanup] as never });
    await startScheduler(project, { schedules: [yearly] });
    const before = await newest(project);
    await startScheduler(project, { schedules: [yearly], queue: { name: "moved", weight: 1 } });
    expect((await newest(project)).fingerprint).not.toBe(before.fingerprint);
    const definition = await project.raw.hget(project.keys.schedules, "yearly definition");
    expect(JSON.parse(definition!)).toMatchObject({ queue: "moved" });
    await laterLook();
    expect(project.logger.messages("info")).toEqual([
      "a worker of another deploy has started: its schedules and limits apply, not those of this worker",
    ]);
  });
});

describe("a deploy with other limits", () => {
  const limitOf = (project: Project) => project.raw.hget(project.keys.groups, "otp:cleanup");

  test.each([
    ["lower", 2, 1],
    ["higher", 1, 2],
    ["no", 1, undefined],
    ["new", undefined, 1],
  ])(
    "(%s ones) decides while its workers live; then those of the one before it do again",
    async (_kind, before, after) => {
      const project = setupProject({ redis, tasks: [cleanup] as never });
      await startScheduler(project, before === undefined ? {} : { limit: before });
      const gone = await startScheduler(project, after === undefined ? {} : { limit: after });
      const changed = await limitOf(project);
      expect(changed).toBe(after?.toString() ?? "-");
      // Where a deploy has neither limits nor schedules, its workers look once a minute.
      await laterLook(4 * LOOK_MS);
      expect(await limitOf(project)).toBe(changed);
      await gone();
      await newestIsGone(project);
      await laterLook();
      expect(await limitOf(project)).toBe(before?.toString() ?? "-");
    },
  );
});

describe("with overlap: replace and a full queue", () => {
  test("the earlier job goes on waiting, and is not cancelled for one that cannot be stored", async () => {
    const project = setupProject({ redis, tasks: [cleanup] as never });
    const earlier = tickJobId("yearly", 1_000_000_000_000);
    await project.enqueue(cleanup, { n: 1 }, { id: earlier, delay: "1h" });
    await project.enqueue(cleanup, { n: 2 });
    const state = `["${yearly.cron} UTC",1000000000000,0,"${earlier}",0,""]`;
    await project.raw.hset(project.keys.schedules, "yearly", state);
    const queue = { name: "default", weight: 1, maxPending: 1 };
    await startScheduler(project, { schedules: [{ ...yearly, overlap: "replace" }], queue });
    expect(project.logger.messages("warn")).toEqual(["the queue of a schedule is full; its tick waits"]);
    expect(await project.state(earlier)).toBe("due");
  });
});

describe("with overlap: replace and a run that takes its time to end", () => {
  const a = { name: "a", needs: [], job: jobOf(cleanup as never) };
  const definition = workflow([a]);
  const replacing = { ...yearly, workflow: definition, input: {}, overlap: "replace" } as const;
  const earlier = tickJobId("yearly", 1_000_000_000_000);

  /** The run of an earlier tick is under way, and nobody works on it. */
  async function setup(missed: "latest" | "skip"): Promise<Project> {
    const project = setupProject({ redis, tasks: [cleanup] as never });
    const start = new RunStarter(definition).start({ run: earlier, input: {}, now: Date.now() });
    await project.client.startRun({ ...start, key: "", keyTtlMs: 0 });
    const state = `["${yearly.cron} UTC",1000000000000,0,"${earlier}",1000000000001,"waiting"]`;
    await project.raw.hset(project.keys.schedules, "yearly", state);
    const { task: _task, payload: _payload, ...schedule } = { ...replacing, missed };
    for (const _worker of [1, 2, 3]) await startScheduler(project, { schedules: [schedule] as never });
    return project;
  }

  /** As if workers had done what is to be done. */
  async function endEarlier({ raw, keys }: Project): Promise<void> {
    const jobs = [`${earlier}.a`, `${earlier}.:stop`];
    await raw.hdel(keys.jobs, ...jobs);
    await raw.del(keys.queue("default").pending);
    await raw.hset(keys.workflows, `${earlier} :state`, 'cancelled 5 "why"', `${earlier} :open`, 0);
    await raw.zrem(keys.running, earlier);
    await raw.zadd(keys.ended, Date.now() + 60_000, earlier);
  }

  const stateOf = async ({ raw, keys }: Project) =>
    parseScheduleState((await raw.hget(keys.schedules, "yearly"))!);

  test.each(["latest", "skip"] as const)("the tick waits for it, and is not missed (%s)", async (missed) => {
    const project = await setup(missed);
    const { raw, keys, logger } = project;
    expect(await raw.hget(keys.workflows, `${earlier} :state`)).toBe("cancelling");
    expect(await raw.lrange(keys.queue("default").pending, 0, -1)).toEqual([
      `${earlier}.a`,
      `${earlier}.:stop`,
    ]);
    for (let looks = 0; looks < 3; looks++) await laterLook();
    const { lastMs, lastJob, waitingMs } = await stateOf(project);
    expect({ lastMs, lastJob }).toEqual({ lastMs: 1_000_000_000_000, lastJob: earlier });
    expect(await raw.zrange(keys.running, 0, "-1")).toEqual([earlier]);
    // Each of them said so once.
    expect(logger.messages("info")).toEqual(
      [1, 2, 3].map(() => "a tick waits: the run before it was cancelled, and is undone first"),
    );
    await endEarlier(project);
    await laterLook();
    const after = await stateOf(project);
    expect(after).toMatchObject({ lastMs: waitingMs, lastJob: tickJobId("yearly", waitingMs!) });
    expect(after.waitingMs).toBeUndefined();
    expect(after.skipped).toMatchObject({ reason: "overlap" });
  });
});

describe("the queue of a schedule", () => {
  test("is known to tools, also where no worker serves it", async () => {
    const project = setupProject({ redis, tasks: [cleanup] as never });
    await startScheduler(project, { schedules: [yearly], queue: { name: "unserved", weight: 3 } });
    expect(await project.raw.hget(project.keys.meta, "queue:unserved")).toBe("3");
  });
});
