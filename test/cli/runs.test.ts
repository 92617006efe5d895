// Workflow runs on the command line: a list, and one run with what became of its steps.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { PermanentError } from "taskweft/generated-v1";
import { defineTask, type Project, setupProject } from "../support/project.js";
import { startRedis } from "../support/redis.js";
import { endOf, jobOf, start, value, workflow } from "../support/workflow.js";
import { inProcess, type WeftResult } from "./weft.js";

const redis = await startRedis();
const add = defineTask("math:add", { retry: { maxRetries: 0 } as never });
let folder: string;

beforeAll(async () => void (folder = await mkdtemp(join(tmpdir(), "weft-runs-"))));
afterAll(() => rm(folder, { recursive: true, force: true }));

const job = (n = 1) => jobOf(add as never, value(n));

function setup(): { project: Project; call: (...args: string[]) => Promise<WeftResult> } {
  const project = setupProject({ redis, tasks: [add] as never });
  const env = { TASKWEFT_REDIS_URL: redis.url, TASKWEFT_PREFIX: project.prefix };
  return { project, call: (...args) => inProcess(args, { cwd: folder, env }) };
}

function failsBelowZero({ payload: { n } }: { payload: { n: number } }): number {
  if (n < 0) throw new PermanentError("no");
  return n;
}

test("are listed with why they failed, and shown with their steps", async () => {
  const { project, call } = setup();
  await project.worker({ "math:add": failsBelowZero } as never);
  const steps = [
    { name: "a", needs: [], job: job() },
    { name: "b", needs: ["a"], job: job(-1) },
    { name: "c", needs: ["b"], job: job() },
  ];
  await endOf(await start(project, workflow(steps), { n: 1 }, "order-7"));
  const { stdout } = await call("runs", "list");
  expect(stdout).toMatch(/^order-7 +test:flow +failed .* step b failed: PermanentError$/m);
  const shown = (await call("runs", "show", "order-7")).stdout;
  expect(shown).toMatch(/^error +step b failed: PermanentError: .*no$/m);
  expect(shown).toMatch(/^ {2}a {2}completed in \d+ ms at /m);
  expect(shown).toMatch(/^ {2}c {2}not-begun$/m);
  expect(shown).toContain("hidden: no generated/manifest.json here knows test:flow");
  const json = JSON.parse((await call("runs", "show", "order-7", "--json")).stdout) as { data: object };
  expect(json.data).toMatchObject({ id: "order-7", input: "***", steps: [{ result: "***" }, {}, {}] });
  expect((await call("runs", "list", "--state", "completed")).stderr).toBe("no runs\n");
});
