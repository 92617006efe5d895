// Redis is filled until it refuses, and workers bring it back to zero. CI fills 8 MiB; CHAOS_MEMORY_MB=256 fills more.
import { expect, test } from "vitest";
import { type Project, rejection, setupProject } from "../support/project.js";
import { startRedis } from "../support/redis.js";
import { until, within } from "../support/signal.js";
import { byId, type Effect } from "./effects.js";
import { Fleet } from "./fleet.js";
import { QUEUES, WORK } from "./tasks.js";

const MEMORY_MB = Number(process.env["CHAOS_MEMORY_MB"] ?? 8);
const PRODUCERS = 3;
const CALL_JOBS = 100;
const TEXT = "x".repeat(500);

interface Filled {
  readonly ids: readonly string[];
  readonly error: Error;
}

/** Enqueues until Redis refuses. */
async function fill(project: Project): Promise<Filled> {
  const client = project.newClient();
  const ids: string[] = [];
  for (;;) {
    const payloads = Array.from({ length: CALL_JOBS }, (_unused, n) => ({ n, ms: 0, text: TEXT }));
    const call = project.many(WORK, payloads, { client });
    const jobs = await call.catch(() => undefined);
    if (jobs === undefined) return { ids, error: await rejection(call) };
    ids.push(...jobs.map((job) => job.id));
  }
}

/** Starts of a job that no loss of a process explains, and jobs that have not ended. */
function wrong(id: string, effects: readonly Effect[], fleet: Fleet): string[] {
  const lost = effects.filter(({ kind, pid }) => kind === "start" && fleet.goneAt.has(pid)).length;
  const starts = effects.filter(({ kind }) => kind === "start").length;
  if (starts - lost > 1) return [`job ${id} started ${starts} times`];
  return effects.some(({ kind }) => kind === "end") ? [] : [`job ${id} has no effect`];
}

test(
  `${MEMORY_MB} MiB: every job that was taken runs, also beside producers that are refused and a worker that is killed`,
  async () => {
    const redis = await startRedis({ maxMemoryBytes: MEMORY_MB * 2 ** 20 });
    const project = setupProject({ redis, tasks: [WORK] as never, queues: QUEUES });
    const filled = await Promise.all(Array.from({ length: PRODUCERS }, () => fill(project)));
    for (const { error } of filled) expect(error).toMatchObject({ code: "RedisFull" });
    // Of the call that was refused, a part may have been taken.
    const ids = await project.raw.hkeys(project.keys.jobs);
    const taken = new Set(ids);
    expect(filled.flatMap((one) => one.ids).filter((id) => !taken.has(id))).toEqual([]);
    const env = { TASKWEFT_RETENTION_COMPLETED: "0ms", TASKWEFT_WORKER_CONCURRENCY: "10" };
    const fleet = new Fleet({ url: redis.url, prefix: project.prefix, env });
    // They start, register and claim in a Redis that takes nothing more.
    const [victim] = await Promise.all([fleet.start(), fleet.start()]);
    await until("some to run", () => fleet.effects().length > 100);
    await fleet.kill(victim);
    await until(
      "all to be gone",
      async () => (await project.raw.hlen(project.keys.jobs)) === 0,
      30_000 + MEMORY_MB * 2000,
    );
    const effects = byId(fleet.effects());
    expect(ids.flatMap((id) => wrong(id, effects.get(id) ?? [], fleet))).toEqual([]);
    expect(effects.size).toBe(ids.length);
    const job = await project.enqueue(WORK, { n: 1, ms: 1 });
    await within(
      10_000,
      "a job after the flood to run",
      job.result().catch(() => undefined),
    );
    process.stdout.write(`full Redis: ${MEMORY_MB} MiB, ${ids.length} jobs taken, none lost\n`);
  },
  90_000 + MEMORY_MB * 3000,
);
