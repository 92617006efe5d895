// Real worker processes that die, freeze and come back. CI runs the short form; CHAOS_SECONDS=600 runs for ten minutes.
import { expect, test } from "vitest";
import { type Project, setupProject } from "../support/project.js";
import { startRedis } from "../support/redis.js";
import { seededRandom, until, within } from "../support/signal.js";
import { byId, problemsOf } from "./effects.js";
import { Fleet } from "./fleet.js";
import { QUEUES, WORK } from "./tasks.js";

const SECONDS = Number(process.env["CHAOS_SECONDS"] ?? 8);
const SEED = Number(process.env["CHAOS_SEED"] ?? 1);
const LEAST_KILLS = 4;

const redis = await startRedis();
const setup = (): Project => setupProject({ redis, tasks: [WORK] as never, queues: QUEUES });

async function assertExplained(project: Project, fleet: Fleet, ids: readonly string[]): Promise<number> {
  const effects = byId(fleet.effects());
  const problems: string[] = [];
  let crashes = 0;
  for (const id of ids) {
    const run = await project.run(id);
    crashes += run.crashes;
    problems.push(...problemsOf({ id, run, effects: effects.get(id) ?? [], goneAt: fleet.goneAt }));
  }
  expect(problems).toEqual([]);
  return crashes;
}

test(
  "workers killed at random: every job is finished once, and each second start has a crash on record",
  async () => {
    const project = setup();
    const random = seededRandom(SEED);
    const fleet = new Fleet({ url: redis.url, prefix: project.prefix });
    const workers = await Promise.all([fleet.start(), fleet.start()]);
    const ids: string[] = [];
    const end = performance.now() + SECONDS * 1000;
    let kills = 0;
    while (kills < LEAST_KILLS || performance.now() < end) {
      const payloads = Array.from({ length: 60 }, (_unused, n) => ({
        n,
        ms: 10 + Math.floor(random() * 150),
      }));
      ids.push(...(await project.many(WORK, payloads)).map((job) => job.id));
      const victim = kills % 2;
      const worker = workers[victim];
      if (worker === undefined) break;
      await until("the victim to work", () => fleet.running(worker.pid) > 0, 20_000);
      await new Promise((resolve) => setTimeout(resolve, random() * 100));
      await fleet.kill(worker);
      kills += 1;
      workers[victim] = await fleet.start();
    }
    await until(
      "all to end",
      async () =>
        (await project.raw.zcard(project.keys.done)) + (await project.raw.zcard(project.keys.dead)) ===
        ids.length,
      30_000,
    );
    const crashes = await assertExplained(project, fleet, ids);
    process.stdout.write(
      `chaos: seed ${SEED}, ${ids.length} jobs, ${kills} kills, ${crashes} crashes on record\n`,
    );
    expect(crashes).toBeGreaterThan(0);
    for (const worker of workers) worker.signal("SIGTERM");
    for (const worker of workers)
      expect(await within(8000, "the worker to exit", worker.ended)).toMatchObject({ code: 0 });
  },
  60_000 + SECONDS * 2000,
);

test("a worker frozen longer than its lease: another takes over, and what the zombie says is refused", async () => {
  const project = setup();
  const fleet = new Fleet({ url: redis.url, prefix: project.prefix });
  const zombie = await fleet.start();
  const job = await project.enqueue(WORK, { n: 1, ms: 700 });
  await until("the job to start", () => fleet.running(zombie.pid) === 1);
  fleet.goneAt.set(zombie.pid, Date.now());
  zombie.signal("SIGSTOP");
  const other = await fleet.start();
  expect(await within(8000, "the other to finish it", job.result())).toBe(other.pid);
  const record = await project.raw.hget(project.keys.runs, job.id);
  zombie.signal("SIGCONT");
  await zombie.printed(/the lease of this worker ended/);
  await until("the zombie to end its attempt", () => fleet.running(zombie.pid) === 0);
  // Its next job proves that it is back, under a new lease, and has written whatever it wanted to write.
  other.signal("SIGTERM");
  await other.ended;
  expect(await (await project.enqueue(WORK, { n: 2, ms: 1 })).result()).toBe(zombie.pid);
  expect(await project.raw.hget(project.keys.runs, job.id)).toBe(record);
  await assertExplained(project, fleet, [job.id]);
}, 120_000);

test("a process that was frozen for longer than its lease starts nothing that it was given meanwhile", async () => {
  const project = setup();
  const fleet = new Fleet({ url: redis.url, prefix: project.prefix });
  // It waits for work first, so the hint is for it, and it claims by the call that Redis had before it was frozen.
  const frozen = await fleet.start();
  await until("it to wait", async () => (await project.raw.info("clients")).includes("blocked_clients:1"));
  frozen.signal("SIGSTOP");
  const other = await fleet.start();
  const job = await project.enqueue(WORK, { n: 1, ms: 1 });
  expect(await within(30_000, "the other to run it", job.result())).toBe(other.pid);
  expect(await project.kinds(job.id)).toEqual(["crashed", "completed"]);
  frozen.signal("SIGCONT");
  await within(30_000, "it to hear so", frozen.printed(/the lease of this worker ended/));
  const next = await Promise.all([
    project.enqueue(WORK, { n: 2, ms: 1 }),
    project.enqueue(WORK, { n: 3, ms: 1 }),
  ]);
  await within(30_000, "more work to be done", Promise.all(next.map((each) => each.result())));
  expect(
    fleet
      .effects()
      .filter(({ id }) => id === job.id)
      .map(({ pid }) => pid),
  ).toEqual([other.pid, other.pid]);
});
