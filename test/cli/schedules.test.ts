// Schedules in a project of a user: a worker declares them, the command line shows them, holds them back and runs them now.
import { appendFile, mkdtemp, realpath, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startRedis } from "../support/redis.js";
import { until } from "../support/signal.js";
import { inProcess, installInto, startWeft, weft, type WeftResult } from "./weft.js";

const DEADLINE_MS = 60_000;
const SCHEDULE = `{ task: hello:greet, cron: "0 2 * * *", timezone: Africa/Lagos, payload: { name: Ada } }`;
const RUNS = `{ workflow: hello:tour, cron: "0 3 * * *", timezone: UTC, input: { name: Eve } }`;
const WORKFLOW = `{ input: { name: string }, steps: { greet: { task: hello:greet, with: { name: "\${{ input.name }}" } } } }`;
const redis = await startRedis();
const env = { TASKWEFT_REDIS_URL: redis.url };
let folder: string;

const call = (...args: string[]): Promise<WeftResult> => inProcess(args, { cwd: folder, env });

beforeAll(async () => {
  folder = await realpath(await mkdtemp(join(tmpdir(), "weft-schedules-")));
  await call("init");
  await installInto(folder);
  await appendFile(
    join(folder, "tasks/hello.yaml"),
    `schedules:\n  nightly: ${SCHEDULE}\n  tour: ${RUNS}\nworkflows:\n  hello:tour: ${WORKFLOW}\n`,
  );
  const generated = await call("codegen");
  if (generated.code !== 0) throw new Error(generated.stderr);
  const worker = startWeft(["worker"], { cwd: folder, env });
  await worker.printed(/worker started/);
  const isDeclared = async (): Promise<boolean> => (await call("schedules", "show", "nightly")).code === 0;
  await until("the schedule to be declared", isDeclared);
  return async () => {
    worker.signal("SIGTERM");
    await worker.ended;
  };
}, DEADLINE_MS);

afterAll(() => rm(folder, { recursive: true, force: true }));

test("are shown with their next ticks, by their own clock and in UTC", async () => {
  const { stdout } = await call("schedules", "list");
  expect(stdout).toMatch(/^nightly +hello:greet +0 2 \* \* \* +Africa\/Lagos +in \d+/m);
  const shown = (await call("schedules", "show", "nightly")).stdout;
  expect(shown.match(/ 02:00 GMT\+1 {2}\d{4}-\d\d-\d\d 01:00:00\.000Z \(in /g)).toHaveLength(3);
});

test("are paused and resumed", async () => {
  expect((await call("schedules", "pause", "nightly", "typo")).code).toBe(4);
  expect((await call("schedules", "list")).stdout).not.toContain("paused");
  expect((await call("schedules", "pause", "nightly")).stdout).toBe("nightly  paused\n");
  expect((await call("schedules", "list")).stdout).toContain("paused");
  expect((await call("schedules", "resume", "nightly")).stdout).toBe("nightly  resumed\n");
  expect((await call("schedules", "list")).stdout).not.toContain("paused");
});

test(
  "are run now, with the payload of the definition",
  async () => {
    const id = (await weft(["schedules", "run", "nightly"], { cwd: folder, env })).stdout.trim();
    const show = async (): Promise<string> => (await call("jobs", "show", id)).stdout;
    await until("the job to run", async () => (await show()).includes("completed"));
    expect(await show()).toContain("Ada");
    expect((await call("schedules", "run", "nightli")).stderr).toContain("did you mean nightly?");
  },
  DEADLINE_MS,
);

test(
  "of a workflow say so, and start a run now, with the input of the definition",
  async () => {
    expect((await call("schedules", "list")).stdout).toMatch(/^tour +run of hello:tour +0 3 \* \* \* +UTC/m);
    const shown = (await call("schedules", "show", "tour")).stdout;
    expect(shown).toMatch(/^workflow +hello:tour$/m);
    expect(shown).not.toMatch(/^task /m);
    const { stdout, stderr } = await weft(["schedules", "run", "tour"], { cwd: folder, env });
    expect(stderr).toContain("started hello:tour");
    const show = async (): Promise<string> => (await call("runs", "show", stdout.trim())).stdout;
    await until("the run to end", async () => (await show()).includes("completed"));
    expect(await show()).toContain("Eve");
  },
  DEADLINE_MS,
);
