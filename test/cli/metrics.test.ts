// Metrics as an operator gets them: printed once, from a worker process, and from several as one.
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import { isAlive } from "../../cli/redis/dev-state.js";
import { type Exposition, parseExposition } from "../support/exposition.js";
import { compiled } from "../support/compiled.js";
import type { RunningProgram } from "../support/process.js";
import { type Project, setupProject } from "../support/project.js";
import { freePort, startRedis } from "../support/redis.js";
import { until, within } from "../support/signal.js";
import { HELD, QUEUES } from "./held-task.js";
import { inProcess, startWeft, weft } from "./weft.js";

const TIMEOUT_MS = 60_000;
const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const ENTRY = await compiled(new URL("held-process.ts", import.meta.url));
const redis = await startRedis();

const setup = (): Project => setupProject({ redis, tasks: [HELD] as never, queues: QUEUES });
const envOf = (project: Project): NodeJS.ProcessEnv => ({
  TASKWEFT_REDIS_URL: redis.url,
  TASKWEFT_PREFIX: project.prefix,
  TASKWEFT_WORKER_LEASE: "2s",
});

function start(project: Project, ...args: string[]): RunningProgram {
  const program = startWeft(["worker", "--entry", ENTRY, ...args], { cwd: ROOT, env: envOf(project) });
  onTestFinished(async () => {
    program.signal("SIGKILL");
    await program.ended;
    await until("no worker process to be left", () => !pids(program).some(isAlive));
  });
  return program;
}

function pids(program: RunningProgram): number[] {
  return [...program.output().matchAll(/starts, pid (\d+)/g)].map((match) => Number(match[1]));
}

async function scrape(port: number): Promise<Exposition> {
  const response = await fetch(`http://127.0.0.1:${port}/metrics`);
  expect(response.status).toBe(200);
  return parseExposition(await response.text());
}

const LABELS = { task: HELD.name, queue: "default" };
const completed = (metrics: Exposition): number =>
  metrics.value("taskweft_job_executed_total", { ...LABELS, outcome: "completed" });

test("weft metrics prints what Redis knows", async () => {
  const project = setup();
  await project.enqueue(HELD, { n: 1 });
  const { code, stdout } = await inProcess(["metrics"], { cwd: ROOT, env: envOf(project) });
  expect(code).toBe(0);
  const metrics = parseExposition(stdout);
  expect(metrics.value("taskweft_job_queue_depth", { queue: "default", state: "pending" })).toBe(1);
  expect(metrics.value("taskweft_worker_alive")).toBe(0);
  const json = await inProcess(["metrics", "--json"], { cwd: ROOT, env: envOf(project) });
  const { data } = JSON.parse(json.stdout) as { data: { metrics: object } };
  expect(data.metrics).toMatchObject({ taskweft_job_dlq_items: { taskweft_job_dlq_items: 0 } });
});

test(
  "a worker process serves its metrics, and ends in order",
  async () => {
    const project = setup();
    const port = await freePort();
    const program = start(project, "--metrics-port", String(port), "--concurrency", "7");
    await within(20_000, "the worker", program.printed(/worker started/));
    await project.enqueue(HELD, { n: 1 });
    await program.printed(/held by/);
    const running = await scrape(port);
    expect(running.value("taskweft_worker_slots")).toBe(7);
    expect(running.value("taskweft_worker_slots_used")).toBe(1);
    expect(running.value("taskweft_job_active")).toBe(1);
    expect(completed(running)).toBe(0);
    await project.raw.lpush("go", "done");
    await until("the job to be counted", async () => completed(await scrape(port)) === 1);
    process.kill(program.pid, "SIGTERM");
    expect(await within(15_000, "the end", program.ended)).toEqual({ code: 0, signal: null });
  },
  TIMEOUT_MS,
);

test(
  "a port that is taken fails the start",
  async () => {
    const project = setup();
    const port = redis.port;
    for (const more of [[], ["--processes", "2"]]) {
      const { code, stderr } = await weft(
        ["worker", "--entry", ENTRY, "--metrics-port", String(port), ...more],
        {
          cwd: ROOT,
          env: envOf(project),
        },
      );
      expect(code).not.toBe(0);
      expect(stderr).toContain(`metrics.port: expected a free port, got ${port}`);
    }
    expect(await project.raw.zcard(project.keys.leases)).toBe(0);
  },
  TIMEOUT_MS,
);

test(
  "several processes have one endpoint, and what a killed one had counted stays",
  async () => {
    const project = setup();
    const port = await freePort();
    const program = start(project, "--processes", "2", "--concurrency", "1", "--metrics-port", String(port));
    await within(20_000, "the workers", program.printed(/(worker started[^]*){2}/));
    await until("both to answer", async () => (await scrape(port)).has("taskweft_worker_slots"));
    await until("both to be ready", async () => (await scrape(port)).value("taskweft_worker_slots") === 2);
    const jobs = [await project.enqueue(HELD, { n: 1 }), await project.enqueue(HELD, { n: 2 })];
    await within(20_000, "both to run", program.printed(/(held by[^]*){2}/));
    expect((await scrape(port)).value("taskweft_worker_slots_used")).toBe(2);
    await project.raw.lpush("go", "done", "done");
    await until("both to be counted", async () => completed(await scrape(port)) === 2);
    // An attempt is counted when it has ended, a moment before Redis has it.
    for (const { id } of jobs)
      await until("it to be completed", async () => (await project.state(id)) === "completed");

    process.kill(pids(program)[0]!, "SIGKILL");
    await within(20_000, "another worker", program.printed(/(worker started[^]*){3}/));
    await until("it to be ready", async () => (await scrape(port)).value("taskweft_worker_slots") === 2);
    expect(completed(await scrape(port))).toBe(2);
    process.kill(program.pid, "SIGTERM");
    expect(await within(15_000, "the end", program.ended)).toEqual({ code: 0, signal: null });
  },
  TIMEOUT_MS,
);
