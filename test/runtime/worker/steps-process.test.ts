// Steps over the death of a process: what it had stored is not done again by the next one.
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { compiled } from "../../support/compiled.js";
import { type RunningProgram, startCompiled } from "../../support/process.js";
import { type Project, setupProject } from "../../support/project.js";
import { startRedis } from "../../support/redis.js";
import { until, within } from "../../support/signal.js";
import { QUEUES, STEPPING } from "./stepping-task.js";

const redis = await startRedis();
const ENTRY = await compiled(new URL("stepping-process.ts", import.meta.url));

function startWorker(project: Project, effects: string, waits: boolean): RunningProgram {
  return startCompiled(ENTRY, {
    TASKWEFT_REDIS_URL: redis.url,
    TASKWEFT_PREFIX: project.prefix,
    TASKWEFT_WORKER_LEASE: "1s",
    EFFECTS: effects,
    WAIT_BETWEEN_STEPS: waits ? "1" : "",
  });
}

test("a process killed between two steps: the next one goes on after the first", async () => {
  const project = setupProject({ redis, tasks: [STEPPING] as never, queues: QUEUES });
  const folder = mkdtempSync(join(tmpdir(), "weft-steps-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const effects = join(folder, "effects");
  writeFileSync(effects, "");
  const job = await project.enqueue(STEPPING, { n: 1 });
  // Twice, so that the third attempt reads what the first one has left over two crashes.
  const first = startWorker(project, effects, true);
  await first.printed(/between the steps/);
  const progress = () => project.raw.hget(project.keys.notes, `${job.id} progress`);
  await until("the progress to be written", async () => (await progress()) === "50");
  first.signal("SIGKILL");
  await first.ended;
  expect(await progress()).toBe("50");
  const second = startWorker(project, effects, true);
  await within(15_000, "the second to come as far", second.printed(/between the steps/));
  second.signal("SIGKILL");
  await second.ended;
  startWorker(project, effects, false);
  expect(await job.result({ timeout: "20s" })).toBe(first.pid);
  expect(readFileSync(effects, "utf8")).toBe("charge\nship\n");
  expect(await project.kinds(job.id)).toEqual(["crashed", "crashed", "alone", "completed"]);
  expect(await project.raw.exists(project.keys.notes)).toBe(0);
}, 60_000);
