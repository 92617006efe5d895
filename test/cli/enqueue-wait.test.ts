// What `weft enqueue --wait` prints of a job that has ended: nothing that the definitions mark as sensitive.
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { defineTask, setupProject } from "../support/project.js";
import { startRedis } from "../support/redis.js";
import { inProcess, installInto, weft } from "./weft.js";

const CARD = "4111-1111";
const redis = await startRedis();
const pay = defineTask<{ card: string; fail?: boolean }>("card:pay");
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "weft-wait-"));
  await mkdir(join(folder, "tasks"));
  await installInto(folder);
  await writeFile(join(folder, "package.json"), '{ "type": "module" }');
  const secret = "{ type: string, x-sensitive: true }";
  const schemas = `payload: { card: ${secret}, fail?: boolean }, result: { token: ${secret}, sum: integer }`;
  const gone = "card:gone: { retention: { dead: 0 }, payload: {} }";
  const once = 'card:once: { payload: { a: string }, idempotency: { key: "${{ payload.a }}", ttl: 1h } }';
  await writeFile(
    join(folder, "tasks", "card.yaml"),
    `version: 1\ntasks:\n  card:pay: { ${schemas} }\n  ${gone}\n  ${once}\n`,
  );
  await inProcess(["codegen"], { cwd: folder });
});
afterAll(() => rm(folder, { recursive: true, force: true }));

test("of a result and of an error only what is not sensitive is printed", { timeout: 60_000 }, async () => {
  const project = setupProject({ redis, tasks: [pay] as never });
  await project.worker({
    "card:pay": ({ payload }: { payload: { card: string; fail?: boolean } }) => {
      if (payload.fail === true) throw new Error(`card ${payload.card} was refused`);
      return { token: `token of ${payload.card}`, sum: 3 };
    },
  } as never);
  const env = { TASKWEFT_REDIS_URL: redis.url, TASKWEFT_PREFIX: project.prefix };
  const wait = (fail: boolean, ...more: string[]) =>
    weft(["enqueue", "card:pay", JSON.stringify({ card: CARD, fail }), "--wait", ...more], {
      cwd: folder,
      env,
    });
  const [text, json, failed, failedJson] = await Promise.all([
    wait(false),
    wait(false, "--json"),
    wait(true),
    wait(true, "--json"),
  ]);
  expect(text).toMatchObject({ code: 0, stdout: expect.stringContaining('"token": "***"') });
  expect(JSON.parse(json.stdout)).toMatchObject({ data: { result: { token: "***", sum: 3 } } });
  const message = expect.stringMatching(
    /card:pay job \S+ is dead: attempt 1 failed with Error: card \*{3} was refused/,
  );
  expect(failed).toMatchObject({ code: 7, stderr: message });
  expect(failedJson.code).toBe(7);
  expect(JSON.parse(failedJson.stdout)).toMatchObject({ error: { code: "JobDead", message } });
  expect(JSON.stringify([text, json, failed, failedJson])).not.toContain(CARD);
});

test("a job of which nothing is kept when it fails has failed", { timeout: 60_000 }, async () => {
  const gone = defineTask("card:gone", { retention: { completedMs: 1000, deadMs: 0 } } as never);
  const project = setupProject({ redis, tasks: [gone] as never });
  await project.worker({
    "card:gone": () => {
      throw new Error("no");
    },
  } as never);
  const env = { TASKWEFT_REDIS_URL: redis.url, TASKWEFT_PREFIX: project.prefix };
  const { code, stderr } = await weft(["enqueue", "card:gone", "--wait"], { cwd: folder, env });
  expect(stderr).toMatch(
    /card:gone job \S+ is over, and nothing is kept of it: it failed where retention.dead is 0/,
  );
  expect(code).toBe(7);
});

test(
  "of a job that was there already, and is gone, nobody says that it failed",
  { timeout: 60_000 },
  async () => {
    const gone = defineTask("card:once", { retention: { completedMs: 0, deadMs: 0 } } as never);
    const project = setupProject({ redis, tasks: [gone] as never });
    const env = { TASKWEFT_REDIS_URL: redis.url, TASKWEFT_PREFIX: project.prefix };
    const first = await weft(["enqueue", "card:once", '{"a":"k"}'], { cwd: folder, env });
    const id = first.stdout.trim();
    const { raw, keys } = project;
    await raw.hdel(keys.jobs, id);
    await raw.del(keys.queue("default").pending);
    const again = await weft(["enqueue", "card:once", '{"a":"k"}', "--wait"], { cwd: folder, env });
    expect(again.stderr).toMatch(/is over, and nothing is kept of it: whether it completed is not known/);
    expect(again.code).toBe(4);
  },
);
