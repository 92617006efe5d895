// A storm of operators: people cancel, retry, delete, pause, drain and purge at random, several at once, beside workers and producers.
// Every job ends, or was deleted by somebody; none runs twice or beside more than its limit allows; and weft fsck never finds anything.
import { expect, onTestFinished, test } from "vitest";
import { TaskweftError } from "taskweft/generated-v1";
import { openInspector, PURGE_STATES, type Inspector } from "../../runtime/inspect/index.js";
import { JOB_STATES, type JobState } from "../../runtime/protocol/index.js";
import { type Project, setupProject } from "../support/project.js";
import { startProxy } from "../support/proxy.js";
import { startRedis } from "../support/redis.js";
import { seededRandom, until } from "../support/signal.js";
import { start } from "../support/workflow.js";
import { FLOW, Ledger, QUEUES, SKIPPABLE, STEP_TASKS, TASKS } from "./operator-tasks.js";

const redis = await startRedis();
const CALLS = Number(process.env["CHAOS_OPERATOR_CALLS"] ?? 600);
const PEOPLE = 5;
const KEYS = ["x", "y", "z"];
/** What may be said to a person who comes too late, or to a producer while a queue or task is drained. */
const EXPECTED = new Set(["StateConflict", "JobNotFound", "RunNotFound", "Draining"]);

class Storm {
  readonly jobs = new Set<string>();
  readonly runs: string[] = [];
  readonly deleted = new Set<string>();
  readonly found: unknown[] = [];
  purged = 0;
  readonly #project: Project;
  readonly #inspector: Inspector;
  readonly #random: () => number;
  readonly #restart: () => Promise<void>;
  readonly #cut: () => Promise<void>;

  constructor(
    project: Project,
    inspector: Inspector,
    random: () => number,
    restart: () => Promise<void>,
    cut: () => Promise<void>,
  ) {
    this.#project = project;
    this.#inspector = inspector;
    this.#random = random;
    this.#restart = restart;
    this.#cut = cut;
  }

  async act(): Promise<void> {
    const { what, act } = this.#pick(this.#acts);
    try {
      await act();
    } catch (error) {
      if (!(error instanceof TaskweftError) || !EXPECTED.has(error.code))
        throw new Error(`${what} failed`, { cause: error });
    }
  }

  /** Takes back what would keep jobs from ending. */
  async release(): Promise<void> {
    for (const { name } of QUEUES) {
      await this.#inspector.acceptQueue(name);
      await this.#inspector.resumeQueue(name);
    }
    for (const { name } of [...TASKS, ...STEP_TASKS]) {
      await this.#inspector.acceptTask(name);
      await this.#inspector.resumeTask(name);
    }
  }

  async audit(repair: boolean): Promise<void> {
    const { findings } = await this.#inspector.audit({ repair });
    this.found.push(...findings);
  }

  get #acts(): readonly { readonly what: string; readonly act: () => Promise<unknown> }[] {
    const inspector = this.#inspector;
    const [job, run] = [
      () =>
        this.#pick(this.#random() < 0.1 ? [...this.jobs, "nobody"] : [...this.jobs, "nobody"].slice(-100)),
      () => this.#pick([...this.runs, "nobody"]),
    ];
    const [queue, task] = [() => this.#pick(QUEUES).name, () => this.#pick([...TASKS, ...STEP_TASKS]).name];
    const acts: readonly (readonly [number, string, () => Promise<unknown>])[] = [
      [12, "enqueue", () => this.#enqueue()],
      [3, "start", async () => this.runs.push((await start(this.#project, FLOW)).id)],
      [6, "cancel", () => inspector.cancel(job())],
      [6, "retry", () => inspector.retry(job())],
      [2, "remove", () => this.#remove(job())],
      [4, "many", () => this.#many()],
      [2, "purge", () => this.#purge()],
      [2, "cancelRun", () => inspector.cancelRun(run())],
      [3, "retryRun", () => inspector.retryRun(run())],
      [2, "skipStep", () => inspector.skipStep(run(), this.#pick(SKIPPABLE), 7)],
      [1, "pauseQueue", () => inspector.pauseQueue(queue())],
      [2, "resumeQueue", () => inspector.resumeQueue(queue())],
      [2, "pauseTask", () => inspector.pauseTask(task())],
      [3, "resumeTask", () => inspector.resumeTask(task())],
      [1, "drainQueue", () => inspector.drainQueue(queue())],
      [2, "acceptQueue", () => inspector.acceptQueue(queue())],
      [1, "drainTask", () => inspector.drainTask(task())],
      [2, "acceptTask", () => inspector.acceptTask(task())],
      [1, "audit", () => this.audit(this.#random() < 0.5)],
      [1, "restart", this.#restart],
      [1, "cut", this.#cut],
    ];
    return acts.flatMap(([weight, what, act]) => Array.from({ length: weight }, () => ({ what, act })));
  }

  async #enqueue(): Promise<void> {
    const task = this.#pick(TASKS);
    const payloads = Array.from({ length: 1 + Math.floor(20 * this.#random()) }, () => ({
      k: this.#pick(KEYS),
    }));
    const later = this.#random() < 0.3 ? { delay: Math.floor(300 * this.#random()) } : {};
    for (const { id } of await this.#project.many(task, payloads, later as never)) this.jobs.add(id);
  }

  async #remove(id: string, state?: JobState): Promise<void> {
    await this.#inspector.remove(id, state);
    this.deleted.add(id);
  }

  /** As `weft jobs cancel|retry|delete --state` does. */
  async #many(): Promise<void> {
    const inspector = this.#inspector;
    const state = this.#pick(JOB_STATES);
    const filter = { state, task: this.#pick(TASKS).name, steps: false };
    const { ids } = await inspector.collectIds(filter, Math.ceil(20 * this.#random()));
    const acts: readonly ((id: string) => Promise<unknown>)[] = [
      (id) => inspector.cancel(id, state),
      (id) => inspector.retry(id, state),
      (id) => this.#remove(id, state),
    ];
    const act = this.#pick(state === "dead" ? acts.slice(1, 2) : acts);
    const done = await Promise.allSettled(ids.map(act));
    for (const one of done)
      if (one.status === "rejected" && !EXPECTED.has((one.reason as TaskweftError).code)) throw one.reason;
  }

  async #purge(): Promise<void> {
    const state = this.#pick(PURGE_STATES);
    const { name: task, queue } = this.#pick(TASKS);
    const { removed } = await this.#inspector.purgeQueue(queue, { state, task });
    this.purged += removed;
  }

  #pick<Item>(items: readonly Item[]): Item {
    return items[Math.floor(this.#random() * items.length)]!;
  }
}

test.each([
  ["over one shard", 1, false],
  ["over three shards", 3, false],
  ["over connections that break", 1, true],
])("%s", { timeout: 120_000 + 200 * CALLS }, async (_where, shards, breaks) => {
  const seed = Number(process.env["OPERATORS_SEED"] ?? Date.now() % 2 ** 31);
  const random = seededRandom(seed);
  const proxy = breaks ? await startProxy(redis.port) : undefined;
  // Those of workers and producers.
  const url = proxy?.url ?? redis.url;
  const project = setupProject({
    redis: { client: () => redis.client(), url },
    tasks: [...TASKS, ...STEP_TASKS] as never,
    queues: QUEUES,
    shards,
  });
  const inspector = openInspector({
    url: redis.url,
    prefix: project.prefix,
    shards,
    queues: QUEUES.map(({ name }) => name),
    tasks: [...TASKS, ...STEP_TASKS].map(({ name }) => name),
  });
  onTestFinished(() => inspector.close());
  const ledger = new Ledger(random);
  const handlers = ledger.handlers((task, { k }) =>
    // Limits without a key count in each shard.
    task === "keyed:work" ? `${task} ${k}` : shards > 1 ? undefined : GROUPS[task],
  );
  const worker = () => project.worker(handlers, { concurrency: 3, lease: "15s" });
  let others = [await worker(), await worker()];
  const restart = async (): Promise<void> => {
    const [first, ...rest] = others;
    others = rest;
    await first?.stop();
    others.push(await worker());
  };
  const storm = new Storm(project, inspector, random, restart, async () => proxy?.cutAll());
  let left = CALLS;
  const person = async (): Promise<void> => {
    while (left-- > 0) await storm.act();
  };
  await Promise.all(Array.from({ length: PEOPLE }, person));
  ledger.isCalm = true;
  await storm.release();
  const isQuiet = async (): Promise<boolean> => {
    const empty = await Promise.all(QUEUES.map(({ name }) => inspector.isQueueEmpty(name)));
    const running = await Promise.all(project.shards.map(({ raw, keys }) => raw.zcard(keys.running)));
    return !empty.includes(false) && running.every((n) => n === 0);
  };
  await until(`all has ended, with seed ${seed}`, isQuiet, 60_000);
  await storm.audit(false);
  const states = await statesOf(project, storm.jobs);
  const gone = [...storm.jobs].filter((id) => !states.has(id));
  const wrong = [...states].filter(([id, state]) => {
    const isKnown = ledger.completed.get(id) === 1;
    return state === "completed" ? !isKnown && !ledger.late.has(id) : isKnown;
  });
  const twice = [...ledger.completed].filter(([id, n]) => storm.jobs.has(id) && n > 1);
  const lost = gone.filter((id) => !storm.deleted.has(id)).length - storm.purged;
  expect({
    seed,
    found: storm.found,
    violations: ledger.violations,
    wrong,
    twice,
    lost: Math.max(0, lost),
  }).toEqual({
    seed,
    found: [],
    violations: [],
    wrong: [],
    twice: [],
    lost: 0,
  });
});

const GROUPS: Readonly<Record<string, string>> = {
  "flow:step": "flow:step",
  "flow:tight": "@tight",
  "tight:work": "@tight",
};

/** The states of those that are still there: all of them have ended. */
async function statesOf(project: Project, ids: ReadonlySet<string>): Promise<ReadonlyMap<string, string>> {
  const states = new Map<string, string>();
  for (const id of ids) {
    const state = await project.state(id);
    if (state !== "gone") states.set(id, state);
  }
  return states;
}
