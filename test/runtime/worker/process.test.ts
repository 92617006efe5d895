// runWorker() as a process of its own: what its handlers may do, what its environment may say, how it ends.
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { workerOptionsFromEnv } from "../../../runtime/index.js";
import { compiled } from "../../support/compiled.js";
import { startProgram } from "../../support/process.js";
import { setupProject } from "../../support/project.js";
import { startRedis } from "../../support/redis.js";
import { until, within } from "../../support/signal.js";
import { FIRST, QUEUES, SECOND } from "./enqueuing-tasks.js";

const redis = await startRedis();
const ROOT = fileURLToPath(new URL("../../..", import.meta.url));
const ENTRY = await compiled(new URL("enqueuing-process.ts", import.meta.url));

test("handlers enqueue without connect(), and one signal ends the process although a timer goes on", async () => {
  const project = setupProject({ redis, tasks: [FIRST, SECOND] as never, queues: QUEUES });
  const worker = startProgram(
    process.execPath,
    [ENTRY],
    // Set to nothing, as compose files leave it, is not set.
    {
      cwd: ROOT,
      env: {
        TASKWEFT_REDIS_URL: redis.url,
        TASKWEFT_PREFIX: project.prefix,
        TASKWEFT_WORKER_QUEUES: "",
      },
    },
  );
  await worker.printed(/worker started/);
  const first = await project.enqueue(FIRST, { n: 1 });
  const second = (await first.result()) as string;
  await until("the second job to end", async () => (await project.state(second)) === "completed");
  process.kill(worker.pid, "SIGTERM");
  const { code } = await within(8000, "the process to end", worker.ended);
  expect(code).toBe(0);
  expect(worker.output()).toMatch(/worker stopped/);
  expect(await project.raw.zcard(project.keys.leases)).toBe(0);
});

test("variables that are set to nothing leave the defaults", () => {
  const names = ["REDIS_URL", "PREFIX", "WORKER_QUEUES", "WORKER_CONCURRENCY", "WORKER_GRACE", "LOG_LEVEL"];
  const env = Object.fromEntries(names.map((name) => [`TASKWEFT_${name}`, ""]));
  expect(Object.keys(workerOptionsFromEnv(env))).toEqual(["logger"]);
});
