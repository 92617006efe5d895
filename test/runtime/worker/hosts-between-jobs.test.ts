// The threads and processes of isolated tasks between their jobs: what is left behind, waits too long, logs without end, or has no
// reader.
import { spawn } from "node:child_process";
import { pathToFileURL } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import { createWorker } from "../../../runtime/index.js";
import { compiled } from "../../support/compiled.js";
import { setupProject } from "../../support/project.js";
import { startRedis } from "../../support/redis.js";
import { until, within } from "../../support/signal.js";
import { Execution } from "../../../runtime/worker/attempts/execution.js";
import { Notebook } from "../../../runtime/worker/attempts/notebook.js";
import { HostPool } from "../../../runtime/worker/hosts/host-pool.js";
import { RecordingLogger } from "../../support/project.js";
import { NORMAL, PROCESS, QUEUES, registry, SMALL_THREAD, TASKS, THREAD } from "./isolated-registry.js";

const redis = await startRedis();
const module = pathToFileURL(await compiled(new URL("isolated-registry.ts", import.meta.url))).href;
const served = (...contracts: unknown[]) =>
  ({ ...registry, contracts, isolated: { ...registry.isolated!, module } }) as never;

test("a stop while the first host starts ends the start", async () => {
  const project = setupProject({ redis, tasks: TASKS as never, queues: QUEUES });
  const worker = createWorker(served(THREAD), {
    url: redis.url,
    prefix: project.prefix,
    logger: project.logger,
    queues: ["default"],
  });
  const started = worker.start().then(
    () => "started",
    (error: Error) => error.message,
  );
  await worker.stop();
  expect(await within(5000, "the start to end", started)).toMatch(/stopped/);
});

test("a job that waits for a host beyond its startWithin does not run", async () => {
  const project = setupProject({ redis, tasks: TASKS as never, queues: QUEUES });
  const worker = createWorker(served(SMALL_THREAD), {
    url: redis.url,
    prefix: project.prefix,
    logger: project.logger,
    queues: ["small"],
    concurrency: 5,
  });
  onTestFinished(() => worker.stop());
  await worker.start();
  const first = await project.enqueue(SMALL_THREAD, { do: "rest", ms: 1500 });
  await until("it to run", async () => (await project.state(first.id)) === "active");
  const late = await project.enqueue(SMALL_THREAD, { do: "where" }, { startWithin: "300ms" } as never);
  await until(
    "the end",
    async () => ["completed", "dead"].includes((await project.run(late.id)).state as string),
    8000,
  );
  const run = await project.run(late.id);
  expect(run.state).toBe("dead");
});

test(
  "a step that an ended job left behind does not run a step of the next job",
  { timeout: 60_000 },
  async () => {
    let answerListen: (reply: unknown) => void = () => undefined;
    const logger = new RecordingLogger();
    const connection = {
      readSteps: async () => null,
      run: (script: { name: string; text: string }) =>
        script.text.includes("-- listen:")
          ? new Promise((resolve) => (answerListen = resolve))
          : Promise.resolve("SAVED"),
    };
    const ports = {
      connection,
      keys: new Proxy({}, { get: () => "k" }),
      logger,
      worker: () => "w",
      onLost: () => undefined,
      keepsLines: false,
      now: () => Date.now(),
    };
    const notebook = new Notebook(ports as never);
    const pool = new HostPool({
      rule: { in: "thread", most: 1 },
      module,
      connection: { url: redis.url },
      prefix: "none",
      logger,
    });
    onTestFinished(() => pool.close());
    const attempt = (id: string, work: string) => {
      const claim = {
        id,
        record: { task: THREAD.name, queue: "default", payload: { do: work }, options: {}, hash: "" },
        run: { attempts: 0, crashes: 0, events: [] },
      };
      const execution = new Execution(claim as never, THREAD as never, "w", logger, notebook);
      const job = {
        id,
        task: THREAD.name,
        queue: "default",
        payload: { do: work },
        attempt: 1,
        enqueuedAt: 0,
      };
      return pool.run(job as never, execution).finally(() => (execution.settled = true));
    };
    await attempt("a", "leaves a wait and a step behind");
    const counted = attempt("b", "counts its steps");
    await until("the second to run", () => logger.messages("info").includes("counts"));
    answerListen([String(Date.now() + 60_000), ""]);
    expect(await within(20_000, "the steps", counted)).toBe(1);
  },
);

test("after Redis has lost all its data, its queues are known again", { timeout: 30_000 }, async () => {
  const project = setupProject({ redis, tasks: TASKS as never, queues: QUEUES });
  const worker = createWorker(served(NORMAL), {
    url: redis.url,
    prefix: project.prefix,
    logger: project.logger,
    lease: "1s",
  });
  onTestFinished(() => worker.stop());
  await worker.start();
  const before = await project.raw.hgetall(project.keys.meta);
  await project.raw.del(...(await project.raw.keys(`*${project.prefix}*`)));
  await until("it to go on", () =>
    project.logger.messages("info").includes("worker goes on under a new name"),
  );
  await (await project.enqueue(NORMAL, { do: "where" })).result();
  const known = async () => Object.keys(await project.raw.hgetall(project.keys.meta)).length;
  await until("the queues to be known", async () => (await known()) >= Object.keys(before).length);
  expect(await project.raw.hgetall(project.keys.meta)).toEqual(before);
});

test(
  "a handler that logs in an endless loop is ended by its timeout as well",
  { timeout: 60_000 },
  async () => {
    const project = setupProject({ redis, tasks: TASKS as never, queues: QUEUES });
    const worker = createWorker(served(THREAD, NORMAL), {
      url: redis.url,
      prefix: project.prefix,
      logger: Object.assign(new RecordingLogger(), { debug: () => undefined }),
      queues: ["default"],
    });
    onTestFinished(() => worker.stop());
    await worker.start();
    // The thread has started by then, however long that takes.
    await (await project.enqueue(THREAD, { do: "where" })).result();
    const options = { timeout: "2s", maxRetries: 0 } as never;
    const { id } = await project.enqueue(THREAD, { do: "log for ever" }, options);
    const startedAt = performance.now();
    await until("the end", async () => (await project.run(id)).state === "dead", 50_000);
    expect(performance.now() - startedAt).toBeLessThan(6000);
    await (await project.enqueue(NORMAL, { do: "where" })).result();
  },
);

test(
  "a process that prints goes on where nobody reads its worker's output",
  { timeout: 60_000 },
  async () => {
    const project = setupProject({ redis, tasks: TASKS as never, queues: QUEUES });
    const entry = await compiled(new URL("isolated-process.ts", import.meta.url));
    const worker = spawn(process.execPath, [entry], {
      env: { ...process.env, TASKWEFT_REDIS_URL: redis.url, TASKWEFT_PREFIX: project.prefix },
      stdio: ["ignore", "pipe", "ignore"],
    });
    const ended = new Promise((resolve) => worker.once("exit", resolve));
    onTestFinished(async () => {
      worker.kill("SIGTERM");
      await ended;
    });
    worker.stdout.destroy();
    for (let i = 0; i < 2; i += 1) {
      const { id } = await project.enqueue(PROCESS, { do: "prints" });
      await until(
        "the end",
        async () => ["completed", "dead"].includes((await project.run(id)).state as string),
        20_000,
      );
      expect(await project.kinds(id)).toEqual(["completed"]);
    }
  },
);
