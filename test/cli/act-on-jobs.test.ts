// One thing done to many jobs: what the report says when it cannot be done to all.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { actOnIds } from "../../cli/act-on-jobs.js";
import type { Session } from "../../cli/session.js";
import { TaskweftError } from "../../runtime/errors.js";
import { openInspector } from "../../runtime/inspect/index.js";
import { encodeRun, NEW_RUN } from "../../runtime/protocol/index.js";
import { defineTask, setupProject } from "../support/project.js";
import { startRedis } from "../support/redis.js";
import { until } from "../support/signal.js";
import { inProcess } from "./weft.js";

const redis = await startRedis();
const work = defineTask("some:work");

test("where Redis is lost in between, each job is told of, and the rest is not tried", async () => {
  const tried: string[] = [];
  const lines: string[] = [];
  const session = {
    result: (_data: unknown, text: () => string) => lines.push(...text().split("\n")),
  } as unknown as Session;
  const act = async (id: string): Promise<string> => {
    tried.push(id);
    await Promise.resolve();
    if (id === "job-20") throw new TaskweftError("JobNotFound", "no job job-20", { operation: "retry" });
    if (id === "job-30") throw new TaskweftError("RedisUnavailable", "Redis is away", { operation: "retry" });
    return "pending";
  };
  const ids = Array.from({ length: 120 }, (_unused, n) => `job-${n}`);
  expect(await actOnIds("jobs", ids, act, session)).toBe(6);
  expect(tried).toHaveLength(50);
  expect(lines).toHaveLength(120);
  expect(lines[19]).toBe("job-19  pending");
  expect(lines[20]).toBe("job-20  JobNotFound: no job job-20");
  expect(lines[30]).toBe("job-30  RedisUnavailable: Redis is away");
  expect(lines[119]).toBe("job-119  RedisUnavailable: not tried: Redis is away");
});

test("of the jobs that match, those are counted and taken to which it can be done", async () => {
  const project = setupProject({ redis, tasks: [work] as never });
  const [, , dead] = await project.many(work, [{ n: 1 }, { n: 2 }, { n: 3 }]);
  const { raw, keys } = project;
  await raw.lrem(keys.queue("default").pending, 1, dead!.id);
  await raw.hset(keys.runs, dead!.id, encodeRun({ ...NEW_RUN, state: "dead" }));
  await raw.zadd(keys.dead, 8e15, dead!.id);
  const env = { TASKWEFT_REDIS_URL: redis.url, TASKWEFT_PREFIX: project.prefix };
  const weft = (...args: string[]) =>
    inProcess(["jobs", ...args, "--task", "some:work"], { cwd: tmpdir(), env });
  expect((await weft("retry")).stderr).toContain("this would retry 1 jobs");
  expect((await weft("cancel")).stderr).toContain("this would cancel 2 jobs");
  expect((await weft("delete")).stderr).toContain("this would delete 3 jobs");
  const { code, stdout } = await weft("retry", "--yes");
  expect({ code, stdout }).toEqual({ code: 0, stdout: `${dead!.id}  pending\n` });
});

test("steps of workflow runs are left out, and counted", async () => {
  const project = setupProject({ redis, tasks: [work] as never });
  const jobs = await project.many(work, [{ n: 1 }, { n: 2 }]);
  const { raw, keys } = project;
  await raw.del(keys.queue("default").pending);
  for (const { id } of jobs) {
    await raw.hset(keys.runs, id, encodeRun({ ...NEW_RUN, state: "dead" }));
    await raw.zadd(keys.dead, 8e15, id);
  }
  const record = JSON.parse((await raw.hget(keys.jobs, jobs[1]!.id))!) as unknown[];
  await raw.hset(keys.jobs, jobs[1]!.id, JSON.stringify(record.with(4, { run: "run-1" })));
  const env = { TASKWEFT_REDIS_URL: redis.url, TASKWEFT_PREFIX: project.prefix };
  const weft = (...args: string[]) => inProcess(["jobs", ...args, "--state", "dead"], { cwd: tmpdir(), env });
  expect((await weft("delete")).stderr).toContain("this would delete 2 jobs");
  const { code, stdout, stderr } = await weft("retry", "--yes");
  expect({ code, stdout }).toEqual({ code: 0, stdout: `${jobs[0]!.id}  pending\n` });
  expect(stderr).toContain("left out: 1 steps of workflow runs that match");
  expect(stderr).toContain("weft runs retry");
});

test.each([
  ["cancel", "scheduled", "pending"],
  ["delete", "dead", "pending"],
  ["retry", "dead", "scheduled"],
] as const)(
  "jobs %s leaves alone what has left the state %s since it was found",
  async (verb, state, now) => {
    const project = setupProject({ redis, tasks: [work] as never });
    const [job] = await project.many(work, [{ n: 1 }]);
    const { raw, keys } = project;
    const { pending, due } = keys.queue("default");
    const placed = async (is: string): Promise<unknown> => {
      const transaction = raw.multi().del(pending, due, keys.dead).hdel(keys.runs, job!.id);
      if (is === "dead") transaction.hset(keys.runs, job!.id, encodeRun({ ...NEW_RUN, state: "dead" }));
      if (is === "pending") return await transaction.rpush(pending, job!.id).exec();
      return await transaction.zadd(is === "dead" ? keys.dead : due, 8e15, job!.id).exec();
    };
    await placed(state);
    // Redis puts off writes, reads go on; then it takes them in the order in which they came.
    const control = raw.duplicate();
    onTestFinished(() => control.disconnect());
    await control.client("PAUSE", 20_000, "WRITE");
    const moving = placed(now);
    const blocked = async (count: number) =>
      /^blocked_clients:(\d+)/m.exec(await control.info("clients"))?.[1] === String(count);
    await until("the move waits", () => blocked(1));
    const env = { TASKWEFT_REDIS_URL: redis.url, TASKWEFT_PREFIX: project.prefix };
    const running = inProcess(["jobs", verb, "--state", state, "--yes"], { cwd: tmpdir(), env });
    await until("the command waits", () => blocked(2));
    await control.client("UNPAUSE");
    await moving;
    const { code, stdout } = await running;
    expect({ code, stdout }).toEqual({
      code: 5,
      stdout: `${job!.id}  StateConflict: job ${job!.id} is ${now} by now, no longer ${state}: it was left as it is\n`,
    });
  },
);

test("a state in which it can be done to no job is an error of the call", async () => {
  const env = { TASKWEFT_REDIS_URL: redis.url };
  const { code, stderr } = await inProcess(["jobs", "retry", "--state", "pending", "--yes"], {
    cwd: tmpdir(),
    env,
  });
  expect(code).toBe(2);
  expect(stderr).toContain("takes jobs that are dead, cancelled, scheduled or retry, got --state pending");
});

test("many steps of runs are not looked for beyond the jobs that are taken", async () => {
  const project = setupProject({ redis, tasks: [work] as never });
  const jobs = await project.many(
    work,
    Array.from({ length: 300 }, (_unused, n) => ({ n })),
  );
  const { raw, keys } = project;
  for (const { id } of jobs.slice(100)) {
    const record = JSON.parse((await raw.hget(keys.jobs, id))!) as unknown[];
    await raw.hset(keys.jobs, id, JSON.stringify(record.with(4, { run: "run-1" })));
  }
  const inspector = openInspector({ url: redis.url, prefix: project.prefix });
  onTestFinished(() => inspector.close());
  const filter = { state: "pending", steps: false } as const;
  const all = await inspector.collectIds(filter);
  expect([all.ids.length, all.steps]).toEqual([100, 200]);
  const some = await inspector.collectIds(filter, 10);
  expect([some.ids.length, some.steps]).toEqual([10, 10]);
});

test("jobs that died first are retried first", async () => {
  const { raw, keys, prefix } = setupProject({ redis, tasks: [work] as never });
  const ids = Array.from({ length: 450 }, (_unused, n) => `late-${n}`);
  const run = encodeRun({ ...NEW_RUN, state: "dead" });
  await raw.hset(keys.jobs, ...ids.flatMap((id) => [id, '[1,"some:work","default","00000000",0,{}]']));
  await raw.hset(keys.runs, ...ids.flatMap((id) => [id, run]));
  await raw.zadd(keys.dead, ...ids.flatMap((id, n) => [8e15 + 10 * n, id]));
  const env = { TASKWEFT_REDIS_URL: redis.url, TASKWEFT_PREFIX: prefix };
  const { code } = await inProcess(["jobs", "retry", "--state", "dead", "--yes"], { cwd: tmpdir(), env });
  expect(code).toBe(0);
  expect(await raw.lrange(keys.queue("default").pending, 0, -1)).toEqual(ids);
});

test("where more match than one call takes, that is told", { timeout: 60_000 }, async () => {
  const { raw, keys, prefix } = setupProject({ redis, tasks: [work] as never });
  const ids = Array.from({ length: 10_001 }, (_unused, n) => `dead-${n}`);
  const record = '[1,"some:work","default","00000000",0,{}]';
  const run = encodeRun({ ...NEW_RUN, state: "dead" });
  await raw.hset(keys.jobs, ...ids.flatMap((id) => [id, record]));
  await raw.hset(keys.runs, ...ids.flatMap((id) => [id, run]));
  await raw.zadd(keys.dead, ...ids.flatMap((id, n) => [8e15 + 10 * n, id]));
  const env = { TASKWEFT_REDIS_URL: redis.url, TASKWEFT_PREFIX: prefix };
  const weft = (...args: string[]) =>
    inProcess(["jobs", "delete", "--state", "dead", ...args], { cwd: tmpdir(), env });
  const asked = await weft();
  expect(asked.code).toBe(2);
  expect(asked.stderr).toContain("this would delete the newest 10000 of the jobs that match");
  const { code, stdout } = await weft("--yes", "--json");
  const { data, warnings } = JSON.parse(stdout) as { data: { jobs: object[] }; warnings: string[] };
  expect([code, data.jobs.length]).toEqual([0, 10_000]);
  expect(warnings).toEqual(["more jobs match than the 10000 of one call: run it again"]);
  expect(await weft("--yes")).toEqual({ code: 0, stdout: "dead-0  deleted\n", stderr: "" });
});

test("where nothing is found, a task that no definition has is told", async () => {
  const root = mkdtempSync(path.join(tmpdir(), "weft-names-"));
  onTestFinished(() => rmSync(root, { recursive: true }));
  writeFileSync(path.join(root, "package.json"), "{}");
  mkdirSync(path.join(root, "generated"));
  writeFileSync(
    path.join(root, "generated/manifest.json"),
    JSON.stringify({ tasks: [{ name: "some:work" }] }),
  );
  const { prefix } = setupProject({ redis, tasks: [] });
  const env = { TASKWEFT_REDIS_URL: redis.url, TASKWEFT_PREFIX: prefix };
  const weft = async (...args: string[]) => {
    const { code, stderr } = await inProcess(["jobs", ...args], { cwd: root, env });
    return { code, stderr };
  };
  const misspelt = {
    code: 0,
    stderr: 'no jobs\nno task "some:wrok" in the definitions: did you mean "some:work"?\n',
  };
  expect(await weft("list", "--task", "some:wrok")).toEqual(misspelt);
  expect(await weft("retry", "--task", "some:wrok")).toEqual(misspelt);
  expect((await weft("list", "--task", "some:work")).stderr).toBe("no jobs\n");
});
