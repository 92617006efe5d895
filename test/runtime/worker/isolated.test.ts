// Handlers in threads and child processes: the same job and context as in the worker, and an end to what does not end by itself.
import { pathToFileURL } from "node:url";
import { describe, expect, onTestFinished, test } from "vitest";
import { Connection } from "../../../runtime/connection/index.js";
import { createWorker, type Worker, type WorkerOptions } from "../../../runtime/index.js";
import { logField, parseJobLog } from "../../../runtime/protocol/index.js";
import { cancel } from "../../../runtime/scripts/index.js";
import type { Registry } from "../../../runtime/worker/index.js";
import { compiled } from "../../support/compiled.js";
import { type Project, rejection, setupProject } from "../../support/project.js";
import { startRedis } from "../../support/redis.js";
import { until, within } from "../../support/signal.js";
import { approver, listening, rests } from "../../support/waits.js";
import {
  NORMAL,
  type Order,
  PROCESS,
  QUEUES,
  registry,
  SMALL_PROCESS,
  SMALL_THREAD,
  TASKS,
  THREAD,
} from "./isolated-registry.js";

const redis = await startRedis();
const TASK = { process: PROCESS, thread: THREAD };
const SMALL = { process: SMALL_PROCESS, thread: SMALL_THREAD };

const module = pathToFileURL(await compiled(new URL("isolated-registry.ts", import.meta.url))).href;

/** The registry with these tasks only, and hosts that load it compiled: a worker starts a host of each kind that it may need. */
const serving = (...contracts: Registry["contracts"]): Registry => ({
  ...registry,
  contracts,
  isolated: { ...registry.isolated!, module },
});

interface Bench {
  readonly project: Project;
  readonly worker: Worker;
}

async function setup(served: Registry, options: WorkerOptions = {}): Promise<Bench> {
  const project = setupProject({ redis, tasks: TASKS as never, queues: QUEUES });
  const worker = createWorker(served, {
    url: redis.url,
    prefix: project.prefix,
    logger: project.logger,
    grace: "0ms",
    queues: ["default"],
    ...options,
  });
  onTestFinished(() => worker.stop());
  await worker.start();
  return { project, worker };
}

async function hasProgress(project: Project, id: string): Promise<boolean> {
  return (await project.raw.hexists(project.keys.notes, `${id} progress`)) === 1;
}

async function cancelJob(project: Project, id: string): Promise<void> {
  const connection = new Connection({ url: redis.url }, "test");
  try {
    await cancel(connection, { keys: project.keys, id, queue: "default", keepMs: 60_000 });
  } finally {
    connection.disconnect();
  }
}

describe.each(["thread", "process"] as const)("in a %s", (kind) => {
  const task = TASK[kind];
  const served = serving(task, SMALL[kind], NORMAL);
  const enqueue = async (project: Project, order: Order, options = {}): Promise<string> =>
    (await project.enqueue(task, order, options)).id;
  const ended = (project: Project, id: string): Promise<void> =>
    until("the end of the job", async () =>
      ["completed", "dead", "cancelled"].includes((await project.run(id)).state as string),
    );
  const outcome = async (project: Project, order: Order, options = {}, of = task) => {
    const { id } = await project.enqueue(of, order, options);
    await ended(project, id);
    const { state, detail, events, attempts } = await project.run(id);
    const failures = events
      .filter((event) => event[1] === "failed")
      .map((event) => `${event[3]}: ${event[4]}`);
    return { state, detail, attempts, failures };
  };

  test("a handler sees its job and the layers, and the next one finds the same place warm", async () => {
    const { project } = await setup(served);
    const first = await outcome(project, { do: "where" });
    expect(first.detail).toMatch(kind === "thread" ? new RegExp(`^${process.pid}/[1-9]`) : /^\d+\/main$/);
    expect(first.detail).not.toBe(`${process.pid}/main`);
    expect((await outcome(project, { do: "where" })).detail).toBe(first.detail);
    expect((await outcome(project, { do: "seen by layers" })).detail).toBe(task.name);
    const { detail } = await outcome(project, { do: "job", ms: 7 }, { id: "order-1" });
    expect(detail).toMatchObject({ id: "order-1", key: "order-1", task: task.name, attempt: 1 });
    expect(detail).toMatchObject({ payload: { do: "job", ms: 7 }, queue: "default" });
    expect((detail as { enqueuedAt: number }).enqueuedAt).toBeGreaterThan(Date.now() - 60_000);
  });

  test("a handler that computes holds up nobody else", async () => {
    const { project } = await setup(served, { lease: "1s", maxBlock: 0 });
    const heavy = await enqueue(project, { do: "compute", ms: 2000 });
    await until("the start", async () => (await project.state(heavy)) === "active");
    for (let i = 0; i < 5; i += 1) await (await project.enqueue(NORMAL, { do: "where" })).result();
    expect(await project.state(heavy)).toBe("active");
    await ended(project, heavy);
    // The lease of a second was kept over all the two.
    expect(await project.kinds(heavy)).toEqual(["completed"]);
    expect(project.logger.messages("error")).toEqual([]);
  });

  test("an endless loop is ended by its timeout, and what comes after it runs", async () => {
    const { project } = await setup(served, { concurrency: 1 });
    const { state, failures } = await outcome(project, { do: "loop for ever" }, { timeout: "200ms" });
    expect(state).toBe("dead");
    expect(failures).toEqual(
      Array(2).fill(`TimeoutExceeded: ${task.name} ran longer than its timeout of 200 ms`),
    );
    expect((await outcome(project, { do: "where" })).state).toBe("completed");
  });

  test("a handler that dies fails its attempt only", async () => {
    const { project, worker } = await setup(served);
    const beside = await enqueue(project, { do: "wait for a signal" });
    await until("the other to run", () => hasProgress(project, beside));
    const { state, detail, failures, attempts } = await outcome(project, { do: "exit at first" });
    expect({ state, detail, attempts }).toEqual({ state: "completed", detail: 2, attempts: 2 });
    expect(failures).toEqual([`HandlerCrashed: the ${kind} that ran ${task.name} ended (exit code 3)`]);
    expect(await project.state(beside)).toBe("active");
    await worker.stop();
    expect((await project.run(beside)).crashes).toBe(0);
  });

  test("an error that nobody catches is named", async () => {
    const { project } = await setup(served);
    const { failures } = await outcome(project, { do: "throw later" });
    expect(failures[0]).toBe(
      `HandlerCrashed: the ${kind} that ran ${task.name} ended (exit code 1): RangeError: from a timer`,
    );
  });

  test("one that is out of memory is ended by its limit, and its rule decides", async () => {
    const { project } = await setup(served, { queues: ["small"] });
    const { state, attempts, failures } = await outcome(project, { do: "fill the memory" }, {}, SMALL[kind]);
    expect({ state, attempts }).toEqual({ state: "dead", attempts: 1 });
    expect(failures[0]).toMatch(
      new RegExp(`^HandlerCrashed: the ${kind} that ran small:${kind} .*out of memory`),
    );
    expect((await outcome(project, { do: "where" }, {}, SMALL[kind])).state).toBe("completed");
  });

  test("errors keep their name, their rule and their stack", async () => {
    const { project } = await setup(registry);
    const declined = await outcome(project, { do: "declined" });
    expect(declined).toMatchObject({ state: "dead", attempts: 1, failures: ["CardDeclined: no money"] });
    const id = await enqueue(project, { do: "permanent" });
    await ended(project, id);
    const { attempts, events } = await project.run(id);
    expect(attempts).toBe(1);
    expect(events.at(-1)?.slice(3, 5)).toEqual(["Final", "never"]);
    expect(events.at(-1)?.[5]).toMatch(/isolated-registry\.ts/);
    const { state, failures } = await outcome(project, { do: "no JSON" });
    expect(state).toBe("dead");
    expect(failures[0]).toMatch(/BigInt/);
  });

  test("steps are run there and stored here, over attempts", async () => {
    const { project } = await setup(served);
    const { state, detail, failures } = await outcome(project, { do: "steps" });
    expect(state).toBe("completed");
    expect(failures).toEqual(["Error: again"]);
    const { first, caught, unfit } = detail as Record<string, never>;
    // Of the first attempt, without what JSON has no place for.
    expect(first).toEqual({ pid: expect.any(Number), at: 1 });
    expect(caught).toBe(true);
    expect(unfit).toMatch(/the result of the step "unfit" has no JSON/);
  });

  test("log lines arrive without what is sensitive, also when the handler has ended", async () => {
    const { project } = await setup(served);
    const { id } = await project.enqueue(task, { do: "logs later", secret: "4111-1111" });
    await until("both lines", () => project.logger.messages("warn").includes("later"));
    const lines = project.logger.lines.filter(({ level }) => level === "warn");
    expect(lines.map(({ message, fields }) => [message, fields])).toEqual([
      ["at once ***", { job: id, task: task.name, attempt: 1 }],
      ["later", { job: id, task: task.name, attempt: 1, secret: "***" }],
    ]);
  });

  test("log lines and progress arrive", async () => {
    const { project } = await setup(served);
    const id = await enqueue(project, { do: "notes" });
    await until("progress", () => hasProgress(project, id));
    const { fields } = project.logger.lines.find(({ message }) => message === "look") ?? {};
    expect(fields).toMatchObject({ job: id, task: task.name, attempt: 1, object: { n: 1 } });
    expect(fields?.["error"]).toBeInstanceOf(Error);
    expect(String(fields?.["error"])).toBe("RangeError: here");
    expect(fields?.["text"]).toBe("Symbol(s)");
    const kept = (): Promise<string | null> => project.raw.hget(project.keys.notes, logField(id));
    await until("the line to be kept", async () => (await kept()) !== null);
    expect(parseJobLog((await kept()) ?? "").lines).toMatchObject([
      { level: "warn", text: String.raw`look error="RangeError: here" object="{\"n\":1}" text=Symbol(s)` },
    ]);
  });

  test("sleeps end the attempt and pass the next time; children are stored", async () => {
    const { project } = await setup(served);
    const slept = await outcome(project, { do: "sleeps" });
    expect(slept).toMatchObject({ state: "completed", failures: [], detail: { attempt: 1 } });
    const { detail } = await outcome(project, { do: "spawns" });
    await ended(project, detail as string);
    expect((await project.run(detail as string)).state).toBe("completed");
  });

  test("a step that was started beside a sleep ends before the attempt does", async () => {
    const { project } = await setup(served);
    expect(await outcome(project, { do: "sleeps beside a step" })).toMatchObject({ failures: [], detail: 1 });
  });

  test("waits for events end the attempt and are heard of there", async () => {
    const { project } = await setup(served);
    const id = await enqueue(project, { do: "waits" });
    await rests(project, id);
    await until("the second wait", async () => (await listening(project, id)).length === 1);
    await approver(project)({ orderId: id, by: "Ada" });
    await ended(project, id);
    const { state, detail, attempts } = await project.run(id);
    expect([state, attempts]).toEqual(["completed", 1]);
    expect(detail).toEqual({ asked: expect.any(String), by: "Ada", vain: "none came" });
    const refused = await outcome(project, { do: "waits for what is none" });
    expect(refused.failures[0]).toMatch(/OptionInvalid: where: expected text/);
    const unsent = await outcome(project, { do: "what cannot be sent" });
    expect(unsent.detail).toEqual([
      expect.stringMatching(/^the name of a step: expected text of 1 to 128 characters/),
      expect.stringMatching(/^OptionInvalid: sleep: expected/),
      expect.stringMatching(/^OptionInvalid: where: expected text/),
      expect.stringMatching(/^the name of a step: expected text of 1 to 128 characters/),
    ]);
  });

  test("a cancel reaches the signal with its reason, and is enforced where nobody listens", async () => {
    const { project } = await setup(served, { lease: "1s" });
    const listens = await enqueue(project, { do: "wait for a signal" });
    const loops = await enqueue(project, { do: "loop when told to stop" });
    for (const id of [listens, loops]) await until("its start", () => hasProgress(project, id));
    for (const id of [listens, loops]) await cancelJob(project, id);
    await ended(project, listens);
    // It ended well before it could be stopped.
    expect((await project.run(listens)).detail).toEqual({ name: "Cancelled", cancelled: true });
    await ended(project, loops);
    expect((await project.run(loops)).state).toBe("cancelled");
    expect((await outcome(project, { do: "where" })).state).toBe("completed");
  });

  test("a shutdown hands the job back unspent, also out of a loop", async () => {
    const { project, worker } = await setup(served);
    const id = await enqueue(project, { do: "loop for ever" });
    await until("its start", async () => (await project.state(id)) === "active");
    await within(8000, "the worker to stop", worker.stop());
    expect(await project.state(id)).toBe("pending");
    expect((await project.run(id)).attempts).toBe(0);
  });

  test("what a handler does after its end is not taken for the next job's", async () => {
    const { project } = await setup(served);
    const before = await enqueue(project, { do: "goes on after its end" });
    await ended(project, before);
    const id = await enqueue(project, { do: "rest", ms: 400 });
    await ended(project, id);
    expect(await project.kinds(id)).toEqual(["completed"]);
    expect(await hasProgress(project, id)).toBe(false);
  });
});

describe("a worker", () => {
  test("with more jobs than processors lets them wait without spending their time", async () => {
    const { project } = await setup(serving(THREAD));
    const orders = Array.from({ length: 12 }, () => ({ do: "compute", ms: 300 }));
    const jobs = await project.many(THREAD, orders, { timeout: "1s" });
    await Promise.all(jobs.map((job) => job.result({ timeout: "50s" })));
    for (const { id } of jobs) expect(await project.kinds(id)).toEqual(["completed"]);
  });

  test("says which signal has ended a child process", async () => {
    const { project } = await setup(serving(PROCESS));
    const { id } = await project.enqueue(PROCESS, { do: "segmentation fault" });
    await until("the end", async () => (await project.run(id)).state === "dead");
    expect((await project.run(id)).events.at(-1)?.[4]).toMatch(/ended \(signal SIGSEGV\)$/);
  });

  test("cancels a job that waits for its turn", async () => {
    const { project } = await setup(serving(SMALL_THREAD), { queues: ["small"], lease: "1s" });
    const before = await project.enqueue(SMALL_THREAD, { do: "wait for a signal" });
    await until("the one before to run", () => hasProgress(project, before.id));
    const waiting = await project.enqueue(SMALL_THREAD, { do: "where" });
    await until("the other to be claimed", async () => (await project.state(waiting.id)) === "active");
    await cancelJob(project, waiting.id);
    await until("its end", async () => (await project.run(waiting.id)).state === "cancelled");
    expect(await project.state(before.id)).toBe("active");
  });

  test("does not start when its threads cannot load their handlers", async () => {
    const module = "data:text/javascript,throw new RangeError('no licence')";
    const { handlers, middleware } = registry.isolated ?? {};
    const broken = { ...registry, isolated: { module, handlers, middleware } } as typeof registry;
    const error = await rejection(setup(broken));
    expect(error).toMatchObject({ name: "RangeError", message: "no licence" });
  });

  test("runs a handler that was put into its registry by hand itself", async () => {
    const handler = (): number => process.pid;
    const handlers = { ...registry.handlers, [THREAD.name]: async () => ({ name: THREAD.name, handler }) };
    const { project } = await setup({ ...serving(...TASKS), handlers });
    expect(await (await project.enqueue(THREAD, { do: "where" })).result()).toBe(process.pid);
  });

  test("refuses middleware that its threads cannot have", () => {
    const other = { ...registry, middleware: async () => ({ layers: [] }) };
    expect(() => createWorker(other, { url: redis.url })).toThrow(
      /OptionInvalid: the middleware of this worker: expected that of tasks\/middleware.ts, because some:thread runs in a thread/,
    );
  });
});
