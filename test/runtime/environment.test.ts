// A program that does not name its prefix and shards: its environment does, as for workers and `weft`.
import { afterEach, expect, onTestFinished, test, vi } from "vitest";
import { createClient, createWorker } from "taskweft/generated-v1";
import { openInspector } from "../../runtime/inspect/index.js";
import { defineTask, rejection, setupProject } from "../support/project.js";
import { startRedis } from "../support/redis.js";

const redis = await startRedis();
const plain = defineTask("env:plain");
const tasks = [plain] as never;

afterEach(() => vi.unstubAllEnvs());

test("a client, a worker and an inspector meet where TASKWEFT_PREFIX and TASKWEFT_SHARDS say", async () => {
  const project = setupProject({ redis, tasks, shards: 3 });
  vi.stubEnv("TASKWEFT_REDIS_URL", redis.url);
  vi.stubEnv("TASKWEFT_PREFIX", project.prefix);
  vi.stubEnv("TASKWEFT_SHARDS", "3");
  const client = createClient();
  onTestFinished(() => client.close());
  const jobs = await project.many(plain, [{ n: 1 }, { n: 2 }, { n: 3 }, { n: 4 }], { client });
  expect(await Promise.all(jobs.map(({ id }) => project.state(id)))).not.toContain("gone");
  const handlers = { [plain.name]: async () => ({ name: plain.name, handler: async () => "done" }) };
  const registry = { contracts: tasks, queues: project.queues, schedules: [], handlers };
  const worker = createWorker(registry, { logger: project.logger });
  onTestFinished(() => worker.stop());
  await worker.start();
  await Promise.all(jobs.map((job) => job.result()));
  const inspector = openInspector();
  onTestFinished(() => inspector.close());
  expect((await inspector.listJobs({ state: "completed" })).jobs).toHaveLength(jobs.length);
});

test("what a program says itself comes first, and an empty variable says nothing", async () => {
  const project = setupProject({ redis, tasks });
  vi.stubEnv("TASKWEFT_PREFIX", "elsewhere");
  vi.stubEnv("TASKWEFT_SHARDS", "");
  await project.enqueue(plain, { n: 1 }, { client: project.newClient({ shards: undefined }) });
  expect(await project.raw.hlen(project.keys.jobs)).toBe(1);
});

test.each([
  ["TASKWEFT_PREFIX", "a b", "1 to 40 of A-Z a-z 0-9 . _ -, got 'a b'"],
  ["TASKWEFT_SHARDS", "two", "a whole number from 1 to 64, got 'two'"],
  ["TASKWEFT_SHARDS", "65", "a whole number from 1 to 64, got '65'"],
])("a wrong %s is refused under its name", async (name, text, told) => {
  vi.stubEnv(name, text);
  for (const make of [createClient, openInspector]) {
    const error = await rejection(Promise.resolve().then(() => void make()));
    expect(error).toMatchObject({
      code: "OptionInvalid",
      message: `OptionInvalid: ${name}: expected ${told}`,
    });
  }
});
