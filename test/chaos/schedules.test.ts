// Thirty schedules, five processes that fire them, killed one after the other, and a Redis that freezes: each tick has its job,
// once. CI plays ticks that were missed; CHAOS_SCHEDULE_MINUTES=5 goes on for so long with a kill every ten seconds.
import { expect, test } from "vitest";
import { parseScheduleState, tickJobId, tickOfJob } from "../../runtime/protocol/index.js";
import { type Project, setupProject } from "../support/project.js";
import { startRedis } from "../support/redis.js";
import { until } from "../support/signal.js";
import { byId, problemsOf } from "./effects.js";
import { Fleet } from "./fleet.js";
import { QUEUES, SCHEDULES, WORK } from "./tasks.js";

const MINUTES = Number(process.env["CHAOS_SCHEDULE_MINUTES"] ?? 0);
const MINUTE_MS = 60_000;
const PROCESSES = 5;
const KILLS = Math.max(6, MINUTES * 6);
const BETWEEN_KILLS_MS = MINUTES > 0 ? 10_000 : 200;
const FREEZE_MS = MINUTES > 0 ? 20_000 : 3000;
/** Ticks that have passed when the first process starts. */
const MISSED_MINUTES = 30;

const pass = (what: string, ms: number): Promise<void> => {
  const end = performance.now() + ms;
  return until(what, () => performance.now() > end, 2 * ms + 1000);
};

/** The last whole minute of Redis (ms). */
async function lastMinute(project: Project): Promise<number> {
  const [seconds] = await project.raw.time();
  return Math.floor(Number(seconds) / 60) * MINUTE_MS;
}

function ticksBetween(fires: (minute: number) => boolean, afterMs: number, upToMs: number): number[] {
  const ticks = Array.from(
    { length: (upToMs - afterMs) / MINUTE_MS },
    (_unused, n) => afterMs + (n + 1) * MINUTE_MS,
  );
  return ticks.filter((tick) => fires(new Date(tick).getUTCMinutes()));
}

test(
  "the jobs that ran are those that the clock asks for",
  async () => {
    const redis = await startRedis();
    const project = setupProject({ redis, tasks: [WORK] as never, queues: QUEUES });
    const { schedules } = project.keys;
    const begin = (await lastMinute(project)) - MISSED_MINUTES * MINUTE_MS;
    for (const { schedule } of SCHEDULES) {
      await project.raw.hset(schedules, schedule.name, `["${schedule.cron} Etc/UTC",${begin},0,"",0,""]`);
    }
    const fleet = new Fleet({ url: redis.url, prefix: project.prefix, env: { CHAOS_SCHEDULES: "1" } });
    const workers = await Promise.all(Array.from({ length: PROCESSES }, () => fleet.start()));
    for (let kill = 0; kill < KILLS; kill++) {
      await fleet.kill(workers[kill % PROCESSES]!);
      if (kill === KILLS / 2) {
        redis.pause();
        await pass("the freeze", FREEZE_MS);
        redis.resume();
      }
      workers[kill % PROCESSES] = await fleet.start();
      await pass("the time between two kills", BETWEEN_KILLS_MS);
    }
    const end = await lastMinute(project);
    const expected = SCHEDULES.flatMap(({ schedule, fires }) =>
      ticksBetween(fires, begin, end).map((tick) => tickJobId(schedule.name, tick)),
    );
    const notDone = async (): Promise<string[]> => {
      const removals = await project.raw.zmscore(project.keys.done, ...expected);
      return expected.filter((_id, index) => removals[index] === null);
    };
    // Those that have not are named below.
    await until("every tick to have run", async () => (await notDone()).length === 0, 60_000).catch(
      () => undefined,
    );
    expect(await notDone()).toEqual([]);
    const effects = byId(fleet.effects());
    const ran = [...effects.keys()].filter((id) => (tickOfJob(id) ?? 0) <= end);
    expect(ran.toSorted()).toEqual(expected.toSorted());
    const problems = expected.map(async (id) =>
      problemsOf({ id, run: await project.run(id), effects: effects.get(id) ?? [], goneAt: fleet.goneAt }),
    );
    expect((await Promise.all(problems)).flat()).toEqual([]);
    const states = Object.entries(await project.raw.hgetall(schedules)).filter(
      ([name]) => !/[ @]/.test(name),
    );
    expect(states.map(([, text]) => parseScheduleState(text).skipped)).toEqual(
      SCHEDULES.map(() => undefined),
    );
    process.stdout.write(
      `schedules: ${expected.length} ticks of ${SCHEDULES.length} schedules, ${KILLS} kills\n`,
    );
  },
  120_000 + 2 * KILLS * BETWEEN_KILLS_MS,
);
