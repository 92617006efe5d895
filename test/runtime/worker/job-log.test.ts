// What handlers log is kept with their jobs, for people who look at one.
import { expect, onTestFinished, test } from "vitest";
import type { TaskContext } from "taskweft/generated-v1";
import { createRedactor, HIDDEN, openInspector, type Inspector } from "../../../runtime/inspect/index.js";
import { logScript } from "../../../runtime/scripts/index.js";
import { monitor } from "../../support/monitor.js";
import { defineTask, setupProject, type Project, type TestWorkerOptions } from "../../support/project.js";
import { startRedis } from "../../support/redis.js";
import { until } from "../../support/signal.js";

const redis = await startRedis();
const report = defineTask<{ n: number; secret?: string }>("report:work", {
  retry: { maxRetries: 1, backoff: { type: "fixed", delayMs: 0, jitter: "none" } },
});

function setup(): { project: Project; inspector: Inspector } {
  const project = setupProject({ redis, tasks: [report] as never });
  const schema = { type: "object", properties: { secret: { type: "string", "x-sensitive": true } } };
  const redactor = createRedactor(new Map([["report:work", { payload: schema }]]));
  const inspector = openInspector({ url: redis.url, prefix: project.prefix, redactor });
  onTestFinished(() => inspector.close());
  return { project, inspector };
}

const work = (handler: (ctx: TaskContext, n: number) => unknown, options: TestWorkerOptions = {}) =>
  [
    {
      "report:work": (job: { payload: { n: number } }, ctx: TaskContext) => handler(ctx, job.payload.n),
    } as never,
    options,
  ] as const;

test("lines of all attempts are kept with the job, without those for debugging and without what is sensitive", async () => {
  const { project, inspector } = setup();
  await project.worker(
    ...work((ctx) => {
      ctx.log.debug("not kept");
      ctx.log.info("charging", { amount: 5, to: "tom.cat" });
      ctx.log.warn("two\nlines");
      throw new Error("refused");
    }),
  );
  const { id } = await project.enqueue(report, { n: 1, secret: "tom.cat" });
  const lines = async () => (await inspector.showJob(id)).log?.lines ?? [];
  await until("the lines of both attempts", async () => (await lines()).length === 4);
  expect((await lines()).map(({ level, text }) => `${level}: ${text}`)).toEqual([
    `info: charging amount=5 to=${HIDDEN}`,
    "warn: two | lines",
    `info: charging amount=5 to=${HIDDEN}`,
    "warn: two | lines",
  ]);
  expect(project.logger.lines.find(({ message }) => message === "charging")?.fields).toMatchObject({
    job: id,
    amount: 5,
  });
});

test("jobs that log nothing cost nothing, and many that log share a few writes", async () => {
  const { project } = setup();
  let writes = 0;
  const watching = await monitor(redis.port, (args) => {
    if (args[1] === logScript.sha && args.includes(project.keys.notes)) writes += 1;
  });
  let done = 0;
  await project.worker(
    ...work((ctx, n) => {
      if (n >= 300) ctx.log.info("done", { n });
      done += 1;
    }),
  );
  await project.many(
    report,
    Array.from({ length: 300 }, (_unused, n) => ({ n })),
  );
  await until("the quiet ones to be done", () => done === 300);
  expect(await project.raw.exists(project.keys.notes)).toBe(0);
  expect(writes).toBe(0);
  await project.many(
    report,
    Array.from({ length: 200 }, (_unused, n) => ({ n: 300 + n })),
  );
  await until("their lines to be kept", async () => (await project.raw.hlen(project.keys.notes)) === 200);
  watching.close();
  expect(writes).toBeLessThanOrEqual(6);
});

test("a handler that logs without end keeps its newest lines", async () => {
  const { project, inspector } = setup();
  await project.worker(
    ...work((ctx) => {
      for (let n = 0; n < 1000; n += 1) ctx.log.info(`line ${n}`, { long: "x".repeat(n === 999 ? 5000 : 1) });
    }),
  );
  const { id } = await project.enqueue(report, { n: 1 });
  await until("the lines to be kept", async () => (await inspector.showJob(id)).log !== undefined);
  const { lines = [], dropped } = (await inspector.showJob(id)).log ?? {};
  expect([lines.length, dropped]).toEqual([200, 800]);
  expect(lines[0]?.text).toBe("line 800 long=x");
  expect(lines.at(-1)?.text).toMatch(/^line 999 long=x{986}… \(4014 characters cut\)$/);
});

test("a worker that stops writes what waits, and with `jobLog: off` keeps nothing", async () => {
  const { project, inspector } = setup();
  const worker = await project.worker(...work((ctx) => ctx.log.info("at the end")));
  const job = await project.enqueue(report, { n: 1 });
  await job.result();
  await worker.stop();
  expect((await inspector.showJob(job.id)).log?.lines).toHaveLength(1);
  const quiet = await project.worker(...work((ctx) => ctx.log.info("not kept"), { jobLog: "off" }));
  const other = await project.enqueue(report, { n: 2 });
  await other.result();
  await quiet.stop();
  expect((await inspector.showJob(other.id)).log).toBeUndefined();
});

test("lines are written as fast as short jobs log them", async () => {
  const { project } = setup();
  await project.worker(...work((ctx, n) => ctx.log.info("done", { n }), { concurrency: 100 }));
  const many = Array.from({ length: 1000 }, (_unused, n) => ({ n }));
  for (let batch = 0; batch < 5; batch += 1) await project.many(report, many);
  await until("the jobs to be done", async () => (await project.raw.zcard(project.keys.done)) === 5000);
  const kept = () => project.raw.hlen(project.keys.notes);
  await until("most lines to be kept", async () => (await kept()) > 4500, 5000);
  await until("all lines to be kept", async () => (await kept()) === 5000);
  expect(project.logger.messages("warn")).toEqual([]);
});

test("lines that a full Redis refuses do not pile up while jobs go on", async () => {
  const { project } = setup();
  const many = Array.from({ length: 1000 }, (_unused, n) => ({ n }));
  for (let batch = 0; batch < 11; batch += 1) await project.many(report, many);
  await project.raw.config("SET", "maxmemory", 1);
  onTestFinished(async () => void (await project.raw.config("SET", "maxmemory", 0)));
  const worker = await project.worker(...work((ctx, n) => ctx.log.info("done", { n }), { concurrency: 100 }));
  await until("the jobs to be done", async () => (await project.raw.zcard(project.keys.done)) === 11_000);
  await project.raw.config("SET", "maxmemory", 0);
  await worker.stop();
  expect(await project.raw.hlen(project.keys.notes)).toBeLessThanOrEqual(10_000);
});
