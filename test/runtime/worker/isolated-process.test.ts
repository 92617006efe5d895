// Worker processes with threads and child processes: signals to the whole group, and a worker that is killed.
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { compiled } from "../../support/compiled.js";
import { type RunningProgram, startProgram } from "../../support/process.js";
import { type Project, setupProject } from "../../support/project.js";
import { startRedis } from "../../support/redis.js";
import { until, within } from "../../support/signal.js";
import { PROCESS, QUEUES, TASKS, THREAD } from "./isolated-registry.js";

const redis = await startRedis();
const ROOT = fileURLToPath(new URL("../../..", import.meta.url));
const ENTRY = await compiled(new URL("isolated-process.ts", import.meta.url));

function startWorker(project: Project): RunningProgram {
  return startProgram(process.execPath, [ENTRY], {
    cwd: ROOT,
    env: {
      TASKWEFT_REDIS_URL: redis.url,
      TASKWEFT_PREFIX: project.prefix,
      TASKWEFT_WORKER_LEASE: "1s",
    },
  });
}

function runs(pid: number): boolean {
  try {
    // A zombie has ended; only its parent has not looked.
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}

test("a signal to the whole group leaves running jobs their grace", async () => {
  const project = setupProject({ redis, tasks: TASKS as never, queues: QUEUES });
  const worker = startWorker(project);
  await worker.printed(/worker started/);
  const jobs = [
    await project.enqueue(THREAD, { do: "compute", ms: 1500 }),
    await project.enqueue(PROCESS, { do: "compute", ms: 1500 }),
  ];
  for (const { id } of jobs) await until("the start", async () => (await project.state(id)) === "active");
  worker.signal("SIGINT");
  expect((await within(8000, "the worker to end", worker.ended)).code).toBe(0);
  for (const { id } of jobs) expect(await project.kinds(id)).toEqual(["completed"]);
});

test.skipIf(process.platform !== "linux")(
  "a child process does not outlive a worker that is killed",
  async () => {
    const project = setupProject({ redis, tasks: TASKS as never, queues: QUEUES });
    const worker = startWorker(project);
    await worker.printed(/worker started/);
    const warm = await project.enqueue(PROCESS, { do: "where" });
    const pid = Number(((await warm.result()) as string).split("/")[0]);
    expect(runs(pid)).toBe(true);
    const { id } = await project.enqueue(PROCESS, { do: "loop for ever" });
    await until("the start", async () => (await project.state(id)) === "active");
    process.kill(worker.pid, "SIGKILL");
    await until("the child's end", () => !runs(pid));
    // Another worker takes the job back, and it is out of the way of the audit.
    const next = startWorker(project);
    await until("the loss", async () => (await project.run(id)).crashes === 1);
    next.signal("SIGKILL");
    await next.ended;
  },
);
