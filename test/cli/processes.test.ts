// `weft worker --processes`: real processes that are killed, that cannot start, and that have work left when they must stop.
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import { isAlive } from "../../cli/redis/dev-state.js";
import { compiled } from "../support/compiled.js";
import type { RunningProgram } from "../support/process.js";
import { type Project, setupProject } from "../support/project.js";
import { startRedis } from "../support/redis.js";
import { until, within } from "../support/signal.js";
import { HELD, QUEUES } from "./held-task.js";
import { startWeft, weft } from "./weft.js";

const TIMEOUT_MS = 60_000;
const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const ENTRY = await compiled(new URL("held-process.ts", import.meta.url));
const redis = await startRedis();

const setup = (): Project => setupProject({ redis, tasks: [HELD] as never, queues: QUEUES });

function start(project: Project, env: NodeJS.ProcessEnv, ...args: string[]): RunningProgram {
  const connection = { TASKWEFT_REDIS_URL: redis.url, TASKWEFT_PREFIX: project.prefix };
  const program = startWeft(["worker", "--entry", ENTRY, ...args], {
    cwd: ROOT,
    env: { ...connection, TASKWEFT_WORKER_LEASE: "2s", ...env },
  });
  onTestFinished(async () => {
    program.signal("SIGKILL");
    await until("no worker process to be left", () => !pids(program).some(isAlive));
  });
  return program;
}

/** Of all workers that were started. */
function pids(program: RunningProgram): number[] {
  return [...program.output().matchAll(/starts, pid (\d+)/g)].map((match) => Number(match[1]));
}

/** Until so many workers have said that they started. */
async function started(program: RunningProgram, count: number): Promise<void> {
  await within(20_000, `${count} workers`, program.printed(new RegExp(`(worker started[^]*){${count}}`)));
}

/** A job that runs, and the process that runs it. */
async function heldJob(project: Project, program: RunningProgram): Promise<{ id: string; pid: number }> {
  const { id } = await project.enqueue(HELD, { n: 1 });
  const [, pid] = await program.printed(/held by (\d+)/);
  return { id, pid: Number(pid) };
}

test(
  "replaces a worker that was killed, and stops all in order when the work in hand is done",
  async () => {
    const project = setup();
    const program = start(project, {}, "--processes", "2");
    await started(program, 2);
    const [first = 0, second = 0] = pids(program);
    process.kill(first, "SIGKILL");
    await program.printed(/worker process 1 ended with SIGKILL.*; another in 500 ms/);
    await started(program, 3);
    expect(isAlive(second)).toBe(true);
    const { id, pid } = await heldJob(project, program);

    process.kill(program.pid, "SIGTERM");
    // As systemd does: every process of the unit gets the signal, and the supervisor passes it on.
    process.kill(pid, "SIGTERM");
    await program.printed(/(worker stops[\s\S]*){2}/);
    expect(isAlive(pid)).toBe(true);
    await project.raw.lpush("go", "done");
    expect(await within(15_000, "the end", program.ended)).toEqual({ code: 0, signal: null });
    expect(await project.state(id)).toBe("completed");
    expect((await project.run(id)).detail).toBe("done");
    expect(pids(program).filter(isAlive)).toEqual([]);
    expect(pids(program)).toHaveLength(3);
  },
  TIMEOUT_MS,
);

test(
  "gives up with a failure when no worker can start",
  async () => {
    const folder = await mkdtemp(join(tmpdir(), "weft-broken-"));
    onTestFinished(() => rm(folder, { recursive: true, force: true }));
    const entry = join(folder, "entry.mjs");
    await writeFile(entry, 'throw new Error("this handler file is broken");\n');
    const { code, stderr } = await weft(["worker", "--entry", entry, "--processes", "2"], {
      cwd: ROOT,
      env: { TASKWEFT_REDIS_URL: redis.url },
    });
    expect(code).toBe(1);
    expect(stderr).toContain("this handler file is broken");
    expect(stderr).toContain("no worker process got ready in 3 starts");
    // Three of each; a place may be quicker than the other.
    const starts = stderr.match(/starts, pid/g)?.length;
    expect(starts).toBeGreaterThanOrEqual(6);
    expect(starts).toBeLessThan(12);
  },
  TIMEOUT_MS,
);

test(
  "the number may come from the environment, and a second signal ends workers that still run jobs",
  async () => {
    const project = setup();
    const program = start(project, { TASKWEFT_WORKER_PROCESSES: "2" });
    await started(program, 2);
    await heldJob(project, program);
    process.kill(program.pid, "SIGTERM");
    await program.printed(/stopping; a second signal/);
    // A second signal that comes at once is the first one again, passed on by npm.
    const asked = performance.now();
    await until("half a second", () => performance.now() - asked > 600);
    process.kill(program.pid, "SIGTERM");
    expect(await within(5000, "the end", program.ended)).toEqual({ code: 143, signal: null });
    await until("the workers to be gone", () => !pids(program).some(isAlive));
    // The lease of the killed worker ends, and the next one takes its job back.
    await project.raw.lpush("go", "done");
    await project.worker({ [HELD.name]: async () => (await project.raw.lpop("go")) ?? "nothing" });
    await until("the job to end", async () => (await project.raw.zcard(project.keys.done)) === 1);
  },
  TIMEOUT_MS,
);

test(
  "workers stop by themselves when their supervisor is killed hard",
  async () => {
    const project = setup();
    const program = start(project, {}, "--processes", "2");
    await started(program, 2);
    process.kill(program.pid, "SIGKILL");
    await until("the workers to be gone", () => !pids(program).some(isAlive));
    expect(await project.raw.zcard(project.keys.leases)).toBe(0);
  },
  TIMEOUT_MS,
);

test("a number that makes no sense is a usage error, before anything starts", async () => {
  const env = { TASKWEFT_WORKER_PROCESSES: "many" };
  const { code, stderr } = await weft(["worker"], { cwd: ROOT, env });
  expect(code).toBe(2);
  expect(stderr).toContain('TASKWEFT_WORKER_PROCESSES: expected a whole number from 1 to 256, got "many"');
  expect(await weft(["worker", "--processes", "0"], { cwd: ROOT })).toMatchObject({ code: 2 });
});

test(
  "workers whose supervisor is killed while they start do not stay behind",
  { timeout: 60_000 },
  async () => {
    const program = start(setup(), {}, "--processes", "2");
    await program.printed(/worker process 2 starts/);
    expect(pids(program)).toHaveLength(2);
    process.kill(program.pid, "SIGKILL");
    await program.ended;
    await until("no worker process to be left", () => !pids(program).some(isAlive), 20_000);
  },
);
