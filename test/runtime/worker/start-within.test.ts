// startWithin: work that came too late to matter is not done, and says so.
import { once } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { type EnqueueOptions, TaskweftError } from "taskweft/generated-v1";
import { openInspector } from "../../../runtime/inspect/index.js";
import { NEW_RUN, parseRecord, type JobRun, type RecordOptions } from "../../../runtime/protocol/index.js";
import { latenessMs } from "../../../runtime/worker/claim.js";
import { type Project, defineTask, rejection, setupProject } from "../../support/project.js";
import { startRedis } from "../../support/redis.js";
import { until } from "../../support/signal.js";

const redis = await startRedis();
const LONG_AGO = 1_600_000_000_000;
const hurried = defineTask("hurried:work", {
  startWithinMs: 60_000,
  retry: { maxRetries: 3, backoff: { type: "fixed", delayMs: 0, jitter: "none" } },
});
const patient = defineTask("patient:work");
const setup = (): Project => setupProject({ redis, tasks: [hurried, patient] as never });

async function optionsOf(project: Project, id: string): Promise<unknown> {
  return parseRecord((await project.raw.hget(project.keys.jobs, id)) ?? "")?.options;
}

describe("a job that nobody came to in time", () => {
  test("goes dead at once, unrun and without retries, and its result says why", async () => {
    const project = setup();
    const ran: string[] = [];
    const late = await project.enqueue(hurried, { n: 1 }, { runAt: LONG_AGO });
    const inTime = await project.enqueue(hurried, { n: 2 });
    await project.worker({ "hurried:work": (job) => void ran.push(job.id) });
    const error = await rejection(late.result());
    expect(error).toMatchObject({ code: "JobDead" });
    expect(error.message).toContain("StartedTooLate");
    await inTime.result();
    expect(ran).toEqual([inTime.id]);
    const { state, events } = await project.run(late.id);
    expect([state, events.length, events[0]?.[3]]).toEqual(["dead", 1, "StartedTooLate"]);
  });

  test("runs after all when a person retries it", async () => {
    const project = setup();
    const late = await project.enqueue(hurried, { n: 1 }, { runAt: LONG_AGO });
    await project.worker({ "hurried:work": () => undefined });
    await rejection(late.result());
    const inspector = openInspector({ url: redis.url, prefix: project.prefix });
    try {
      await inspector.retry(late.id);
    } finally {
      inspector.close();
    }
    await late.result();
    expect(await project.kinds(late.id)).toEqual(["failed", "retried", "completed"]);
  });
});

test("a job that has begun in time and is handed back at a shutdown runs again, however late", async () => {
  const project = setup();
  const started: number[] = [];
  const handler = async (job: { attempt: number }, ctx: { signal: AbortSignal }): Promise<void> => {
    started.push(job.attempt);
    if (started.length > 1) return;
    await once(ctx.signal, "abort");
    ctx.signal.throwIfAborted();
  };
  const first = await project.worker({ "hurried:work": handler });
  const handle = await project.enqueue(hurried, { n: 1 }, { startWithin: "1s" });
  await until("the first attempt", () => started.length === 1);
  await first.stop();
  await delay(1000);
  await project.worker({ "hurried:work": handler });
  await handle.result();
  expect(started).toEqual([1, 1]);
  expect(await project.kinds(handle.id)).toEqual(["handed-back", "completed"]);
});

test("the lateness of an attempt counts from its limit, and only for the first", () => {
  const record = { version: 1, task: "a", queue: "q", hash: "", payload: {} };
  const lateness = (options: RecordOptions, run: JobRun = NEW_RUN): number =>
    latenessMs({ id: "own", record: { ...record, options }, run }, 1000);
  expect(lateness({ at: 400, startWithinMs: 500 })).toBe(100);
  expect(lateness({ at: 400, startWithinMs: 600 })).toBe(0);
  expect(lateness({ at: 400, startBy: 1500 })).toBe(-500);
  expect(lateness({ at: 400 })).toBe(0);
  const failed: JobRun = { ...NEW_RUN, attempts: 1, events: [[900, "failed", 1, "Error", "no", ""]] };
  expect(lateness({ at: 400, startWithinMs: 500 }, failed)).toBe(0);
});

describe("what is stored", () => {
  test("comes from the definition, or from the enqueue, with the delay in it", async () => {
    const project = setup();
    const stored = async (task: typeof hurried, options: object): Promise<unknown> =>
      optionsOf(project, (await project.enqueue(task, { n: 1 }, options)).id);
    expect(await stored(hurried, {})).toEqual({ startWithinMs: 60_000 });
    expect(await stored(hurried, { delay: "5s" })).toEqual({ delayMs: 5000, startWithinMs: 65_000 });
    expect(await stored(hurried, { runAt: LONG_AGO })).toEqual({
      dueAt: LONG_AGO,
      startBy: LONG_AGO + 60_000,
    });
    expect(await stored(hurried, { startWithin: "1s" })).toEqual({ startWithinMs: 1000 });
    expect(await stored(patient, { startWithin: "1s" })).toEqual({ startWithinMs: 1000 });
    expect(await stored(patient, {})).toEqual({});
  });

  test("is the same when the same id is enqueued again", async () => {
    const project = setup();
    const cases: EnqueueOptions[] = [
      { id: "delayed", delay: "1h" },
      { id: "timed", runAt: LONG_AGO + 1e12 },
    ];
    for (const options of cases) {
      expect((await project.enqueue(hurried, { n: 1 }, options)).deduplicated).toBe(false);
      expect((await project.enqueue(hurried, { n: 1 }, options)).deduplicated).toBe(true);
    }
  });
});

test("a limit of nothing is refused before Redis is touched", async () => {
  const project = setup();
  const error = await rejection(project.enqueue(patient, { n: 1 }, { startWithin: 0 }));
  expect(error).toBeInstanceOf(TaskweftError);
  expect(error.message).toMatch(/OptionInvalid: startWithin: expected a whole number from 1/);
});
