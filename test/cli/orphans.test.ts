// Workers whose supervisor is killed while they start.
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import { isAlive } from "../../cli/redis/dev-state.js";
import { compiled } from "../support/compiled.js";
import type { RunningProgram } from "../support/process.js";
import { type Project, setupProject } from "../support/project.js";
import { startRedis } from "../support/redis.js";
import { until } from "../support/signal.js";
import { HELD, QUEUES } from "./held-task.js";
import { startWeft } from "./weft.js";

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
  onTestFinished(() => {
    for (const pid of pids(program).filter(isAlive)) process.kill(pid, "SIGKILL");
  });
  return program;
}

/** Of all workers that were started. */
function pids(program: RunningProgram): number[] {
  return [...program.output().matchAll(/starts, pid (\d+)/g)].map((match) => Number(match[1]));
}

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
