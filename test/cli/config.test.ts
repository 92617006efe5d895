// weft.config.yaml in a project of a user: commands and a worker without the command line honour it.
import { mkdtemp, realpath, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startProgram } from "../support/process.js";
import { startRedis } from "../support/redis.js";
import { until } from "../support/signal.js";
import { inProcess, installInto, weft, type WeftResult } from "./weft.js";

const DEADLINE_MS = 60_000;
const redis = await startRedis();
let folder: string;

const call = (args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<WeftResult> =>
  inProcess(args, { cwd: folder, env });

beforeAll(async () => {
  folder = await realpath(await mkdtemp(join(tmpdir(), "weft-config-")));
  await call(["init"]);
  await installInto(folder);
  const url = redis.url.replace("redis://", "redis://:@");
  const text = `redis: { url: "${url}", prefix: shop }\nworker: { concurrency: 7, claimAhead: 1ms }\n`;
  await writeFile(join(folder, "weft.config.yaml"), text);
  const generated = await call(["codegen"]);
  if (generated.code !== 0) throw new Error(generated.stderr);
}, DEADLINE_MS);

afterAll(() => rm(folder, { recursive: true, force: true }));

test("weft config prints each setting and who has set it, without passwords", async () => {
  const { stdout, code } = await call(["config"], {
    TASKWEFT_PROFILE: "latency",
    TASKWEFT_LOG_LEVEL: "warn",
  });
  expect(code).toBe(0);
  expect(stdout).toMatch(
    /^redis\.url +redis:\/\/\*\*\*@127\.0\.0\.1:\d+ +weft\.config\.yaml:1 +TASKWEFT_REDIS_URL$/m,
  );
  expect(stdout).toMatch(/^worker\.concurrency +7 +weft\.config\.yaml:2/m);
  expect(stdout).toMatch(/^worker\.queues +by the definitions +default/m);
  expect((await call(["config"])).stdout).toMatch(/^profile +none +default/m);
  expect(stdout).toMatch(/^log\.level +warn +env TASKWEFT_LOG_LEVEL/m);
  const json = JSON.parse((await call(["config", "--json"])).stdout) as { data: { settings: object[] } };
  expect(json.data.settings).toContainEqual({
    name: "worker.claimAhead",
    value: "1ms",
    source: "weft.config.yaml:2",
    env: "TASKWEFT_WORKER_CLAIM_AHEAD",
  });
});

test(
  "a generated worker without the command line, and the commands, meet at the Redis and the prefix of the file",
  { timeout: DEADLINE_MS },
  async () => {
    const args = ["--import", import.meta.resolve("tsx"), "generated/worker.ts"];
    const env = { PATH: process.env["PATH"], HOME: process.env["HOME"] };
    const worker = startProgram(process.execPath, args, { cwd: folder, env });
    await worker.printed(/worker started/);
    const enqueued = await weft(["enqueue", "hello:greet", '{"name":"Ada"}'], { cwd: folder });
    const show = async (): Promise<string> => (await call(["jobs", "show", enqueued.stdout.trim()])).stdout;
    await until("the job to run", async () => (await show()).includes("completed"));
    worker.signal("SIGTERM");
    await worker.ended;
    expect(await redis.client().keys("{weft:0}:*")).toEqual([]);
  },
);

test(
  "a mistake in the file ends a command, and a worker, at its line",
  { timeout: DEADLINE_MS },
  async () => {
    await writeFile(join(folder, "broken.yaml"), "worker:\n  concurency: 5\n");
    const env = { TASKWEFT_CONFIG: "broken.yaml" };
    const message = 'broken.yaml:2:3 unknown key "concurency" in worker; did you mean "concurrency"?';
    const listed = await call(["jobs", "list"], env);
    expect([listed.code, listed.stderr]).toEqual([2, expect.stringContaining(message)]);
    const worker = await weft(["worker"], { cwd: folder, env: { ...env, TASKWEFT_REDIS_URL: redis.url } });
    expect([worker.code, worker.stderr]).toEqual([2, expect.stringContaining(message)]);
  },
);
