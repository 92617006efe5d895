// Schedules with real workers. Ticks of the past are made by setting back how far a schedule has come: the clock of Redis
// cannot be moved.
import { once } from "node:events";
import { describe, expect, onTestFinished, test } from "vitest";
import type { ScheduleDefinition } from "taskweft/generated-v1";
import type { Missed } from "../../../runtime/definition/index.js";
import { openInspector } from "../../../runtime/inspect/index.js";
import {
  parseRecord,
  parseScheduleState,
  tickJobId,
  tickOfJob,
  type ScheduleState,
} from "../../../runtime/protocol/index.js";
import { type Project, defineTask, setupProject } from "../../support/project.js";
import { startRedis } from "../../support/redis.js";
import { until } from "../../support/signal.js";

const HOUR_MS = 3_600_000;
/** Minute of the hour at which the schedules of these tests run: half an hour away, so that none is due while they run. */
const MINUTE = (new Date().getUTCMinutes() + 30) % 60;
const redis = await startRedis();
const cleanup = defineTask("otp:cleanup");
const late = defineTask("late:work", { startWithinMs: 60_000 });

const hourly: ScheduleDefinition = {
  name: "hourly",
  task: "otp:cleanup",
  cron: `${MINUTE} * * * *`,
  timezone: "Africa/Lagos",
  payload: { n: 7 },
  missed: "latest",
  overlap: "allow",
  jitterMs: 0,
};
const setup = (schedules: readonly ScheduleDefinition[] = [hourly]): Project =>
  setupProject({ redis, tasks: [cleanup, late] as never, schedules });

/** The last tick of `hourly`, some half an hour ago. */
async function lastTick(project: Project): Promise<number> {
  const [seconds] = await project.raw.time();
  const past = MINUTE * 60_000;
  return Math.floor((Number(seconds) * 1000 - past) / HOUR_MS) * HOUR_MS + past;
}

async function stateOf(project: Project, name = "hourly"): Promise<ScheduleState | undefined> {
  const text = await project.raw.hget(project.keys.schedules, name);
  return text === null ? undefined : parseScheduleState(text);
}

/** As if every tick up to `lastMs` had been settled, and then all workers had stopped. */
async function settledUpTo(project: Project, lastMs: number, schedule = hourly): Promise<void> {
  const state = `["${schedule.cron} ${schedule.timezone}",${lastMs},0,"",0,""]`;
  await project.raw.hset(project.keys.schedules, schedule.name, state);
}

describe("a schedule that was never seen", () => {
  test("begins now, and runs nothing of the time before", async () => {
    const project = setup();
    const before = Date.now();
    await project.worker({});
    await until("the schedule to be declared", async () => (await stateOf(project)) !== undefined);
    expect((await stateOf(project))!.lastMs).toBeGreaterThanOrEqual(before - 1000);
    expect(await project.raw.hlen(project.keys.jobs)).toBe(0);
  });

  test("costs nothing where there are no schedules", async () => {
    const project = setup([]);
    await project.worker({});
    expect(await project.raw.exists(project.keys.schedules)).toBe(0);
  });
});

describe("five workers", () => {
  test("run each tick once, with the payload of the definition", async () => {
    const names = Array.from({ length: 30 }, (_unused, index) => `hourly-${index}`);
    const schedules = names.map((name) => ({ ...hourly, name, missed: "all" as const }));
    const project = setup(schedules);
    const last = await lastTick(project);
    for (const schedule of schedules) await settledUpTo(project, last - 5 * HOUR_MS - 1, schedule);
    const ran: string[] = [];
    const payloads = new Set<string>();
    const handlers = {
      "otp:cleanup": (job: { id: string; payload: unknown }): void => {
        ran.push(job.id);
        payloads.add(JSON.stringify(job.payload));
      },
    };
    const workers = Array.from({ length: 5 }, () => project.newWorker(handlers));
    await Promise.all(workers.map((worker) => worker.start()));
    await until("every tick to run", () => ran.length >= 180);
    await Promise.all(workers.map((worker) => worker.stop()));
    const ticks = [5, 4, 3, 2, 1, 0].map((hours) => last - hours * HOUR_MS);
    const expected = names.flatMap((name) => ticks.map((tickMs) => tickJobId(name, tickMs)));
    expect(ran.toSorted()).toEqual(expected.toSorted());
    expect([...payloads]).toEqual(['{"n":7}']);
  });
});

describe("after a stop of three hours", () => {
  test.each<[Missed, number[], string]>([
    ["latest", [0], "the last tick runs"],
    ["all", [2, 1, 0], "all three run"],
    ["skip", [], "none runs"],
  ])("missed: %s", async (missed, hoursAgo) => {
    const schedule = { ...hourly, missed };
    const project = setup([schedule]);
    const newest = await lastTick(project);
    await settledUpTo(project, newest - 3 * HOUR_MS + 1, schedule);
    const ran: number[] = [];
    await project.worker(
      { "otp:cleanup": (job) => void ran.push(tickOfJob(job.id) ?? 0) },
      { concurrency: 1 },
    );
    await until("the ticks to be settled", async () => (await stateOf(project))?.lastMs === newest);
    await until("the jobs to run", () => ran.length === hoursAgo.length);
    expect(ran).toEqual(hoursAgo.map((hours) => newest - hours * HOUR_MS));
    const skipped = { all: undefined, latest: newest - HOUR_MS, skip: newest }[missed];
    expect((await stateOf(project))?.skipped?.atMs).toBe(skipped);
  });

  test("missed: all runs the last hundred of a longer stop", async () => {
    const project = setup([{ ...hourly, missed: "all" }]);
    const last = await lastTick(project);
    await settledUpTo(project, last - 150 * HOUR_MS);
    const ran: number[] = [];
    await project.worker({ "otp:cleanup": (job) => void ran.push(tickOfJob(job.id) ?? 0) });
    await until("a hundred jobs to run", () => ran.length === 100);
    expect(Math.min(...ran)).toBe(last - 99 * HOUR_MS);
    expect((await stateOf(project))?.skipped).toEqual({ atMs: last - 100 * HOUR_MS, reason: "missed" });
    expect(project.logger.messages("warn")).toContain("ticks passed while no worker ran");
  });
});

describe("the job of a tick", () => {
  test("counts in its limit by the hash of a key that is none", async () => {
    const keyed = defineTask("keyed:work", {
      concurrency: { limit: 1 },
      concurrencyKey: (payload: { text: string }) => payload.text,
    } as never);
    const schedule = { ...hourly, task: "keyed:work", payload: { text: "line one\nline two" } };
    const project = setupProject({ redis, tasks: [keyed] as never, schedules: [schedule] });
    await settledUpTo(project, (await lastTick(project)) - 1);
    let entry: string | null | undefined;
    await project.worker({
      "keyed:work": async ({ id }) => {
        entry = await project.raw.hget(project.keys.limited, id);
      },
    });
    await until("the tick to run", () => entry !== undefined);
    expect(entry).toMatch(/^\d{16} default keyed:work #[\w-]{43}$/);
  });

  test("is due later by its jitter, and says when it was made and until when it may start", async () => {
    const jittered = { ...hourly, name: "jittered", task: "late:work", jitterMs: HOUR_MS };
    const project = setup([jittered]);
    const last = await lastTick(project);
    await settledUpTo(project, last - 1, jittered);
    await project.worker({}, { random: () => 0.75 });
    const id = tickJobId("jittered", last);
    await until("the job to be stored", async () => (await project.raw.hexists(project.keys.jobs, id)) === 1);
    const due = Number(await project.raw.zscore(project.keys.queue("default").due, id));
    expect(due).toBe(last + 0.75 * HOUR_MS);
    const options = parseRecord((await project.raw.hget(project.keys.jobs, id)) ?? "")?.options;
    expect(options).toEqual({
      at: expect.any(Number),
      dueAt: due,
      startBy: due + 60_000,
      startWithinMs: 60_000,
    });
  });

  test("is not made while the one before it has not ended, with overlap: skip", async () => {
    const skipping = { ...hourly, overlap: "skip" as const };
    const project = setup([skipping]);
    const last = await lastTick(project);
    const before = tickJobId("hourly", last - HOUR_MS);
    await project.enqueue(cleanup, { n: 1 }, { id: before, delay: "1h" });
    const state = `["${hourly.cron} Africa/Lagos",${last - HOUR_MS},0,"${before}",0,""]`;
    await project.raw.hset(project.keys.schedules, "hourly", state);
    await project.worker({});
    await until("the tick to be settled", async () => (await stateOf(project))?.lastMs === last);
    expect((await stateOf(project))?.skipped).toEqual({ atMs: last, reason: "overlap" });
    expect(await project.raw.hkeys(project.keys.jobs)).toEqual([before]);
    await until("the log to name the job", () => project.logger.messages("warn").length > 0);
    expect(project.logger.lines.find(({ level }) => level === "warn")).toMatchObject({
      message: "a tick was skipped: the job before it has not ended",
      fields: {
        schedule: "hourly",
        job: before,
        hint: expect.stringContaining(`weft jobs cancel ${before}`),
      },
    });
  });

  test.each(["skip", "replace"] as const)(
    "is made with overlap: %s when the job before it is of a task that the deploy has removed",
    async (overlap) => {
      const project = setup([{ ...hourly, overlap }]);
      const last = await lastTick(project);
      const before = tickJobId("hourly", last - HOUR_MS);
      await project.enqueue(defineTask("old:cleanup"), { n: 1 }, { id: before });
      const state = `["${hourly.cron} Africa/Lagos",${last - HOUR_MS},0,"${before}",0,""]`;
      await project.raw.hset(project.keys.schedules, "hourly", state);
      await project.raw.hset(project.keys.paused, "default", 1);
      await project.worker({ "otp:cleanup": () => undefined });
      await until("the tick to be settled", async () => (await stateOf(project))?.lastMs === last);
      expect(await stateOf(project)).toMatchObject({
        skipped: undefined,
        lastJob: tickJobId("hourly", last),
      });
      expect(await project.kinds(before)).toEqual(overlap === "replace" ? ["cancelled"] : []);
    },
  );
});

describe("with overlap: replace", () => {
  const replacing = { ...hourly, overlap: "replace" as const };

  /** As if the tick of an hour ago had made this job. */
  const settledWith = (project: Project, tickMs: number): Promise<number> =>
    project.raw.hset(
      project.keys.schedules,
      "hourly",
      `["${hourly.cron} Africa/Lagos",${tickMs},0,"${tickJobId("hourly", tickMs)}",0,""]`,
    );

  test("a job that waits is cancelled, and the tick runs", async () => {
    const project = setup([replacing]);
    const last = await lastTick(project);
    const earlier = tickJobId("hourly", last - HOUR_MS);
    await project.enqueue(cleanup, { n: 1 }, { id: earlier, delay: "1h" });
    await settledWith(project, last - HOUR_MS);
    const ran: string[] = [];
    await project.worker({ "otp:cleanup": (job) => void ran.push(job.id) });
    await until("the tick to run", () => ran.length === 1);
    expect(ran).toEqual([tickJobId("hourly", last)]);
    expect(await project.kinds(earlier)).toEqual(["cancelled"]);
  });

  test.each(["queue", "task"] as const)(
    "the earlier job is worked off when its %s is drained: nothing takes its place",
    async (what) => {
      const project = setup([replacing]);
      const last = await lastTick(project);
      const earlier = await project.enqueue(
        cleanup,
        { n: 1 },
        { id: tickJobId("hourly", last - HOUR_MS), delay: "1h" },
      );
      await settledWith(project, last - HOUR_MS);
      const inspector = openInspector({ url: redis.url, prefix: project.prefix, tasks: ["otp:cleanup"] });
      onTestFinished(() => inspector.close());
      if (what === "queue") await inspector.drainQueue("default");
      else await inspector.drainTask("otp:cleanup");
      await project.worker({ "otp:cleanup": () => undefined });
      await until("the tick to be settled", async () => (await stateOf(project))?.lastMs === last);
      expect((await stateOf(project))?.skipped).toEqual({ atMs: last, reason: "draining" });
      expect(await project.state(earlier.id)).toBe("due");
    },
  );

  test.each(["", "gone", "spoiled"])("a tick before which there is no job runs (%j)", async (earlier) => {
    const project = setup([replacing]);
    const last = await lastTick(project);
    const state = `["${hourly.cron} Africa/Lagos",${last - 1},0,"${earlier}",0,""]`;
    await project.raw.hset(project.keys.schedules, "hourly", state);
    if (earlier === "spoiled") await project.raw.hset(project.keys.jobs, earlier, "[1,");
    const ran: string[] = [];
    await project.worker({ "otp:cleanup": (job) => void ran.push(job.id) });
    await until("the tick to run", () => ran.length === 1);
    await project.raw.hdel(project.keys.jobs, "spoiled");
    expect(ran).toEqual([tickJobId("hourly", last)]);
    expect(project.logger.messages("warn")).toEqual([]);
  });

  test("a handler that runs is aborted, and the tick runs", async () => {
    const project = setup([replacing]);
    const last = await lastTick(project);
    const earlier = tickJobId("hourly", last - HOUR_MS);
    const started: string[] = [];
    const aborted: string[] = [];
    const handlers = {
      "otp:cleanup": async (job: { id: string }, ctx: { signal: AbortSignal }) => {
        started.push(job.id);
        if (job.id !== earlier) return;
        await once(ctx.signal, "abort");
        aborted.push(job.id);
        ctx.signal.throwIfAborted();
      },
    };
    await project.worker(handlers);
    await project.enqueue(cleanup, { n: 1 }, { id: earlier });
    await until("the earlier job to run", () => started.length === 1);
    await settledWith(project, last - HOUR_MS);
    await project.worker(handlers);
    await until("the tick to run", () => started.length === 2 && aborted.length === 1);
    expect(started).toEqual([earlier, tickJobId("hourly", last)]);
    expect(aborted).toEqual([earlier]);
  });
});

describe("a deploy", () => {
  const daily = { ...hourly, name: "daily", cron: "0 3 * * *" };
  const names = async (project: Project): Promise<string[]> =>
    (await project.raw.hkeys(project.keys.schedules)).filter((field) => !/[ @]/.test(field)).toSorted();

  test("with other schedules takes over from workers that still run; what it lacks is gone", async () => {
    const project = setup([hourly, daily]);
    await project.worker({});
    await until("the old schedules", async () => (await names(project)).length === 2);
    await project.worker({}, { schedules: [daily, { ...hourly, name: "new" }] });
    await until("the new schedules", async () => (await names(project)).includes("new"));
    expect(await names(project)).toEqual(["daily", "new"]);
  });

  test("with a schedule changed begins it anew; with only its payload changed it goes on", async () => {
    const project = setup([hourly, daily]);
    const last = await lastTick(project);
    await settledUpTo(project, last - 1);
    await settledUpTo(project, last - 30 * HOUR_MS, daily);
    const schedules = [
      { ...hourly, payload: { n: 8 } },
      { ...daily, cron: "0 4 * * *" },
    ];
    const payloads: unknown[] = [];
    await project.worker({ "otp:cleanup": (job) => void payloads.push(job.payload) }, { schedules });
    await until("the missed hour to run", () => payloads.length > 0);
    expect(payloads).toEqual([{ n: 8 }]);
    expect((await stateOf(project, "daily"))?.lastMs).toBeGreaterThan(last);
  });

  test("without schedules removes those of the deploy before it", async () => {
    const project = setup();
    await project.worker({});
    await until("the old schedules", async () => (await names(project)).length === 1);
    await project.worker({}, { schedules: [] });
    await until("no schedules", async () => (await names(project)).length === 0);
    expect(await project.raw.hkeys(project.keys.schedules)).toEqual(["@"]);
  });
});

describe("an operator", () => {
  test("sees schedules with their next ticks, pauses and resumes them", async () => {
    const project = setup();
    const last = await lastTick(project);
    await settledUpTo(project, last - 1);
    const ran: string[] = [];
    await project.worker({ "otp:cleanup": (job) => void ran.push(job.id) });
    await until("the tick to run", () => ran.length === 1);
    const inspector = openInspector({ url: redis.url, prefix: project.prefix });
    try {
      const next = [1, 2, 3].map((hours) => last + hours * HOUR_MS);
      const definition = {
        name: "hourly",
        task: "otp:cleanup",
        queue: "default",
        cron: hourly.cron,
        timezone: "Africa/Lagos",
        missed: "latest",
        overlap: "allow",
        jitterMs: 0,
      };
      expect(await inspector.listSchedules()).toEqual([
        { ...definition, next, lastTickAt: last, lastJob: tickJobId("hourly", last) },
      ]);
      await inspector.pauseSchedule("hourly");
      expect((await inspector.showSchedule("hourly")).pausedAt).toBeGreaterThan(last);
      await inspector.resumeSchedule("hourly");
      expect((await inspector.showSchedule("hourly")).pausedAt).toBeUndefined();
      await expect(inspector.pauseSchedule("hourley")).rejects.toMatchObject({ code: "ScheduleUnknown" });
      await expect(inspector.showSchedule("hourley")).rejects.toThrow(
        "no schedule named hourley. Schedules: hourly",
      );
    } finally {
      inspector.close();
    }
  });
});
