// Schedules that start runs of workflows, with real workers. Ticks of the past are made by setting back how far a schedule has come.
import { describe, expect, onTestFinished, test } from "vitest";
import type { RunScheduleDefinition } from "taskweft/generated-v1";
import { Connection } from "../../../runtime/connection/index.js";
import { openInspector } from "../../../runtime/inspect/index.js";
import { parseRunEnd, parseScheduleState, tickJobId, tickOfJob } from "../../../runtime/protocol/index.js";
import { RunTicks } from "../../../runtime/worker/schedules/run-ticks.js";
import { ONLY_PLACE } from "../../../runtime/worker/shard-place.js";
import { RunStarter } from "../../../runtime/workflow/index.js";
import { bury, type Death, Life, SILENT } from "../../support/mortal-worker.js";
import { type Project, defineTask, setupProject } from "../../support/project.js";
import { startRedis } from "../../support/redis.js";
import { until } from "../../support/signal.js";
import { childOf, children, jobOf, path, value, workflow } from "../../support/workflow.js";

const DAY_MS = 86_400_000;
const redis = await startRedis();
const add = defineTask("math:add");
const undo = defineTask("math:undo");
const a = { name: "a", needs: [], job: jobOf(add as never, path("input", "n")) };
const b = { name: "b", needs: ["a"], job: jobOf(add as never, path("steps", "a", "result")) };
const definition = workflow([a, b], { output: path("steps", "b", "result") });
/** At a time of day that is not near while the tests run. */
const HOUR = (new Date().getUTCHours() + 12) % 24;
const nightly: RunScheduleDefinition = {
  name: "nightly",
  workflow: definition,
  cron: `0 ${HOUR} * * *`,
  timezone: "UTC",
  input: { n: 7 },
  missed: "latest",
  overlap: "allow",
  jitterMs: 0,
};
const SHARDS = 4;

const setup = (schedules: readonly RunScheduleDefinition[], options = {}): Project =>
  setupProject({ redis, tasks: [add, undo] as never, schedules, ...options });

/** The last tick of `nightly`, some half a day ago. */
function lastTick(): number {
  const today = Math.floor(Date.now() / DAY_MS) * DAY_MS + HOUR * 3_600_000;
  return today > Date.now() ? today - DAY_MS : today;
}

const shardOf = (project: Project, name: string) => project.shards[project.router.ofKey(name)]!;

async function settledUpTo(project: Project, lastMs: number, name = "nightly", last = ""): Promise<void> {
  const { raw, keys } = shardOf(project, name);
  await raw.hset(keys.schedules, name, `["${nightly.cron} UTC",${lastMs},0,"${last}",0,""]`);
}

async function stateOf(project: Project, name = "nightly") {
  const { raw, keys } = shardOf(project, name);
  return parseScheduleState((await raw.hget(keys.schedules, name))!);
}

/** The ids of all runs that have completed, with their outputs. */
async function completed(project: Project): Promise<Record<string, unknown>> {
  const found: Record<string, unknown> = {};
  for (const { raw, keys } of project.shards) {
    for (const [field, text] of Object.entries(await raw.hgetall(keys.workflows))) {
      const end = field.endsWith(" :state") ? parseRunEnd(text) : undefined;
      if (end?.state === "completed") found[field.slice(0, -" :state".length)] = end.detail;
    }
  }
  return found;
}

interface Payload {
  readonly payload: { readonly n: number };
}

const adding = (seen: number[]) =>
  ({
    "math:add": ({ payload }: { payload: { n: number } }) => {
      seen.push(payload.n);
      return payload.n + 1;
    },
  }) as never;

test("five workers start one run for each tick, under an id of schedule and tick, and it goes to its end", async () => {
  const names = Array.from({ length: 12 }, (_unused, index) => `nightly-${index}`);
  const project = setup(names.map((name) => ({ ...nightly, name, missed: "all" as const })));
  const last = lastTick();
  for (const name of names) await settledUpTo(project, last - 2 * DAY_MS - 1, name);
  const seen: number[] = [];
  await Promise.all(Array.from({ length: 5 }, () => project.worker(adding(seen))));
  await until("every run to end", async () => Object.keys(await completed(project)).length >= 36);
  const ticks = [2, 1, 0].map((days) => last - days * DAY_MS);
  const expected = names.flatMap((name) => ticks.map((tickMs) => tickJobId(name, tickMs)));
  const runs = await completed(project);
  expect(Object.keys(runs).toSorted()).toEqual(expected.toSorted());
  expect(new Set(Object.values(runs))).toEqual(new Set([9]));
  expect(seen).toHaveLength(72);
});

test("with several shards a run lives beside its schedule, and its id says so", async () => {
  const names = ["a", "b", "c", "d", "e", "f", "g", "h"];
  const project = setup(
    names.map((name) => ({ ...nightly, name })),
    { shards: SHARDS },
  );
  const last = lastTick();
  for (const name of names) await settledUpTo(project, last - 1, name);
  const seen: number[] = [];
  await project.worker(adding(seen));
  await project.worker(adding(seen));
  await until("every run to end", async () => Object.keys(await completed(project)).length >= names.length);
  const states = await Promise.all(names.map((name) => stateOf(project, name)));
  expect(states.map(({ lastJob }) => tickOfJob(lastJob))).toEqual(names.map(() => last));
  expect(states.map(({ lastJob }) => project.router.ofId(lastJob))).toEqual(
    names.map((name) => project.router.ofKey(name)),
  );
  expect(Object.keys(await completed(project)).toSorted()).toEqual(
    states.map(({ lastJob }) => lastJob).toSorted(),
  );
  expect(states.some(({ lastJob }) => /^cron:[a-h]:\d+:/.test(lastJob))).toBe(true);
  expect((await project.client.runEnded(states[0]!.lastJob, 5000))?.detail).toBe(9);
});

test("with overlap: skip a tick waits for no run that goes on, and is left out", async () => {
  const skipping = { ...nightly, overlap: "skip" as const };
  const project = setup([skipping]);
  const last = lastTick();
  const earlier = tickJobId("nightly", last - DAY_MS);
  // As if the tick of the day before had started it: it has a day until its first step.
  const start = new RunStarter(definition).start({
    run: earlier,
    input: { n: 1 },
    now: Date.now(),
    delayMs: DAY_MS,
  });
  await project.client.startRun({ ...start, key: "", keyTtlMs: 0 });
  await settledUpTo(project, last - DAY_MS, "nightly", earlier);
  await project.worker(adding([]));
  await until("the tick to be settled", async () => (await stateOf(project)).lastMs === last);
  expect((await stateOf(project)).skipped).toEqual({ atMs: last, reason: "overlap" });
  expect(await project.raw.zrange(project.keys.running, "0", "-1")).toEqual([earlier]);
  const told = () => project.logger.lines.filter(({ level }) => level === "warn");
  await until("the log to name the run", () => told().length > 0);
  expect(told()).toMatchObject([
    {
      message: "a tick was skipped: the run before it has not ended",
      fields: { run: earlier, hint: expect.stringContaining(`weft runs cancel ${earlier}`) },
    },
  ]);
});

test("jitter delays what the run begins with, and its timeout, and the run is seen from the tick on", async () => {
  const timed = workflow([a], { timeoutMs: 60_000 });
  const project = setup([{ ...nightly, workflow: timed, jitterMs: 30 * DAY_MS }]);
  const last = lastTick();
  await settledUpTo(project, last - 1);
  await project.worker(adding([]), { random: () => 0.5 });
  await until("the tick to be settled", async () => (await stateOf(project)).lastMs === last);
  const run = tickJobId("nightly", last);
  const due = project.keys.queue("default").due;
  const [first, timeout] = await Promise.all([
    project.raw.zscore(due, `${run}.a`),
    project.raw.zscore(due, `${run}:timeout`),
  ]);
  const begins = Number(first);
  expect(begins - (last + 15 * DAY_MS)).toBeGreaterThanOrEqual(0);
  expect(begins - (last + 15 * DAY_MS)).toBeLessThan(5000);
  expect(Number(timeout)).toBe(begins + 60_000);
  expect(await project.raw.zrange(project.keys.running, "0", "-1")).toEqual([run]);
});

test("an operator sees what it starts, and its last run", async () => {
  const project = setup([nightly]);
  const last = lastTick();
  await settledUpTo(project, last - 1);
  await project.worker(adding([]));
  await until("the run to end", async () => Object.keys(await completed(project)).length === 1);
  const inspector = openInspector({ url: redis.url, prefix: project.prefix });
  try {
    const [schedule] = await inspector.listSchedules();
    expect(schedule).toMatchObject({
      name: "nightly",
      workflow: "test:flow",
      queue: "default",
      lastTickAt: last,
      lastJob: tickJobId("nightly", last),
    });
    expect(schedule).not.toHaveProperty("task");
    expect(await inspector.showRun(schedule!.lastJob!)).toMatchObject({ state: "completed", output: 9 });
  } finally {
    inspector.close();
  }
});

/** A run of the tick of the day before, which holds on until it is told to stop, in itself and in the runs in it. */
const inner = workflow([{ name: "holds", needs: [], job: jobOf(add as never, value(-2)) }], {
  name: "test:inner",
  hash: "11111111",
});
const undone = { compensate: jobOf(undo as never, path("input", "n")) };
const slow = workflow(
  [
    { ...a, ...undone },
    { name: "holds", needs: ["a"], job: jobOf(add as never, value(-1)) },
    { name: "inside", needs: ["a"], ...childOf(inner) },
    { name: "cool", needs: ["a"], delayMs: DAY_MS },
  ],
  { hash: "22222222", ...children(inner) },
);

async function startEarlier(project: Project, run: string): Promise<void> {
  const start = new RunStarter(slow).start({ run, input: { n: 1 }, now: Date.now() });
  await project.client.startRun({ ...start, key: "", keyTtlMs: 0 });
}

/** What is done, in order: steps by their number, what undoes by its own and a minus. */
const keeping = (done: number[]) =>
  ({
    "math:add": async ({ payload: { n } }: Payload, { signal }: { signal: AbortSignal }) => {
      done.push(n);
      if (n > 0) return n;
      return await new Promise((_resolve, reject) =>
        signal.addEventListener("abort", () => reject(signal.reason as Error)),
      );
    },
    "math:undo": ({ payload: { n } }: Payload) => void done.push(100 + n),
  }) as never;

const endsOf = async ({ raw, keys }: Project, ...runs: readonly string[]) => {
  const texts = await raw.hmget(keys.workflows, ...runs.map((run) => `${run} :state`));
  return texts.map((text) => parseRunEnd(text ?? null)?.state);
};

const runsOf = async ({ raw, keys }: Project): Promise<string[]> =>
  (await raw.hkeys(keys.workflows)).filter((field) => !/[ @]/.test(field)).toSorted();

describe("with overlap: replace", () => {
  const replacing = { ...nightly, overlap: "replace" as const };
  const last = lastTick();
  const earlier = tickJobId("nightly", last - DAY_MS);
  const run = tickJobId("nightly", last);

  test("the run before it is cancelled with the runs in it and undone, and then one run of the tick starts", async () => {
    const project = setup([replacing]);
    const done: number[] = [];
    await startEarlier(project, earlier);
    await project.worker(keeping(done), { schedules: [] });
    await until("it to be under way", () => [1, -1, -2].every((n) => done.includes(n)));
    await settledUpTo(project, last - DAY_MS, "nightly", earlier);
    await Promise.all(Array.from({ length: 5 }, () => project.worker(keeping(done))));
    await until("the run to end", async () => (await endsOf(project, run))[0] === "completed");
    expect(await endsOf(project, earlier, `${earlier}.inside-1`)).toEqual(["cancelled", "cancelled"]);
    // Nothing of the new run begins before the old one is undone.
    expect(done.slice(3)).toEqual([101, 7, 7]);
    expect(await runsOf(project)).toEqual([earlier, `${earlier}.inside-1`, run].toSorted());
    expect(await stateOf(project)).toMatchObject({ lastMs: last, lastJob: run, waitingMs: undefined });
  });

  test("a worker whose only slot is taken by the run before it stops that", async () => {
    const project = setup([replacing]);
    const done: number[] = [];
    await startEarlier(project, earlier);
    await settledUpTo(project, last - DAY_MS, "nightly", earlier);
    await project.worker(keeping(done), { concurrency: 1 });
    await until("the run to end", async () => (await endsOf(project, run))[0] === "completed");
    expect(await endsOf(project, earlier)).toEqual(["cancelled"]);
  });

  test("an operator sees the tick that waits, and for what", async () => {
    const project = setup([replacing]);
    const { raw, keys } = project;
    await project.worker(adding([]));
    await until("the schedule to be known", async () => (await raw.hexists(keys.schedules, "nightly")) === 1);
    const state = [`${nightly.cron} UTC`, last - DAY_MS, 0, earlier, last, "waiting"];
    await raw.hset(keys.schedules, "nightly", JSON.stringify(state));
    const inspector = openInspector({ url: redis.url, prefix: project.prefix });
    const [shown] = await inspector.listSchedules().finally(() => inspector.close());
    expect(shown).toMatchObject({ waitingTickAt: last, lastJob: earlier });
    expect(shown).not.toHaveProperty("skippedAt");
  });

  test("a run that somebody retries while the tick waits is cancelled again", async () => {
    const project = setup([replacing]);
    const { keys, raw, client, prefix } = project;
    await startEarlier(project, earlier);
    await settledUpTo(project, last - DAY_MS, "nightly", earlier);
    const connection = new Connection({ url: redis.url }, "test");
    onTestFinished(() => connection.disconnect());
    const ticks = new RunTicks(replacing, { connection, keys, random: () => 0, place: ONLY_PLACE });
    const look = async () =>
      await ticks.settle(await stateOf(project), { run: [last], missedMs: 0, upToMs: last }, Date.now());
    expect(await look()).toBe("WAITING");
    const worker = await project.worker(keeping([]), { schedules: [] });
    await client.runEnded(earlier, 5000);
    await worker.stop();
    // Its deploy had no schedules.
    await settledUpTo(project, last - DAY_MS, "nightly", earlier);
    const inspector = openInspector({ url: redis.url, prefix });
    await inspector.retryRun(earlier).finally(() => inspector.close());
    expect(await look()).toBe("WAITING");
    expect(await raw.hget(keys.workflows, `${earlier} :state`)).toBe("cancelling");
  });

  test("a schedule that made jobs before waits for the job, and one that makes jobs now cancels the run", async () => {
    const project = setup([replacing]);
    await project.enqueue(add, { n: 1 } as never, { id: earlier, delay: "1h" });
    await settledUpTo(project, last - DAY_MS, "nightly", earlier);
    const jobs = { ...replacing, name: "jobs", task: "math:add", payload: { n: 5 } };
    const { workflow: _workflow, input: _input, ...ofJobs } = jobs;
    await startEarlier(project, "other");
    await settledUpTo(project, last - DAY_MS, "jobs", "other");
    await project.worker(keeping([]), { schedules: [replacing, ofJobs] });
    await until("both", async () => (await endsOf(project, run, "other")).every((end) => end !== undefined));
    expect(await endsOf(project, run, "other")).toEqual(["completed", "cancelled"]);
    expect(await project.state(earlier)).toBe("cancelled");
  });
});

interface Played {
  readonly died: boolean;
  readonly runs: readonly string[];
  readonly ends: Readonly<Record<string, unknown>>;
}

/** The worker dies at its nth call to Redis, whichever that is, or has done all before; then another one comes. */
async function playDeath(
  nth: number,
  death: Death,
  schedule = nightly,
  prepare: (project: Project) => Promise<void> = (project) => settledUpTo(project, lastTick() - 1),
): Promise<Played> {
  const project = setup([schedule]);
  await prepare(project);
  const life = new Life();
  const first = project.newWorker(keeping([]), {
    logger: SILENT,
    lease: "60s",
    maxBlock: 0,
    redis: { connectionName: life.connectionName },
  });
  life.worker = first;
  await first.start();
  // The scheduler has sent its first call, and has no answer yet.
  life.endAt(nth, death);
  const isDone = async (): Promise<boolean> => Object.keys(await completed(project)).length > 0;
  await until("the worker to die, or the run to end", async () => life.dead || (await isDone()));
  const died = life.dead;
  if (died) {
    await life.ended.promise;
    await bury(project, first, redis.url);
  }
  // Many of these at once: a thread for the lease of each would take longer than all that they do.
  await project.worker(keeping([]), { maxBlock: 0 });
  await until("the run to end", isDone);
  await until("the tick to be settled", async () => (await stateOf(project)).lastMs === lastTick());
  return { died, runs: await runsOf(project), ends: await completed(project) };
}

const deathsAt = (calls: readonly number[]) =>
  (["unsent", "unanswered"] as const).flatMap((death) => calls.map((nth) => [nth, death] as const));

test("a worker that dies at any call, before it is sent or after it was executed, leaves one run of the tick", async () => {
  const run = tickJobId("nightly", lastTick());
  const deaths = deathsAt(Array.from({ length: 16 }, (_unused, index) => index + 1));
  const rounds = await Promise.all(deaths.map(([nth, death]) => playDeath(nth, death)));
  expect(rounds.map(({ runs }) => runs)).toEqual(deaths.map(() => [run]));
  expect(rounds.map(({ ends }) => ends)).toEqual(deaths.map(() => ({ [run]: 7 })));
  expect(rounds.filter(({ died }) => died).length).toBeGreaterThan(16);
}, 60_000);

test("one that dies at any call while it replaces a run leaves that undone, and one run of the tick", async () => {
  const earlier = tickJobId("nightly", lastTick() - DAY_MS);
  const run = tickJobId("nightly", lastTick());
  const prepare = async (project: Project): Promise<void> => {
    await startEarlier(project, earlier);
    await settledUpTo(project, lastTick() - DAY_MS, "nightly", earlier);
    onPlayed.push(async () => expect(await endsOf(project, earlier)).toEqual(["cancelled"]));
  };
  const onPlayed: (() => Promise<void>)[] = [];
  const deaths = deathsAt(Array.from({ length: 16 }, (_unused, index) => 2 * index + 1));
  const replacing = { ...nightly, overlap: "replace" as const };
  const rounds = await Promise.all(deaths.map(([nth, death]) => playDeath(nth, death, replacing, prepare)));
  for (const check of onPlayed) await check();
  // Where the first worker came as far as the run in the earlier one, that is there too.
  const own = rounds.map(({ runs }) => runs.filter((id) => !id.includes(".")));
  expect(own).toEqual(deaths.map(() => [earlier, run].toSorted()));
  expect(rounds.map(({ ends }) => ends)).toEqual(deaths.map(() => ({ [run]: 7 })));
  expect(rounds.filter(({ died }) => died).length).toBeGreaterThan(24);
}, 60_000);
