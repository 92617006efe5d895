// Random histories of batches with every other feature of a job, played by real workers: in the end each job has ended as its payload
// says, and meanwhile no batch was larger than it may be and no limit was exceeded. fsck looks at what is left.
import { createEnqueueFunction, createWorker } from "taskweft/generated-v1";
import { expect, onTestFinished, test } from "vitest";
import type { TaskContract } from "../../../runtime/definition/index.js";
import { PermanentError, TaskweftError } from "../../../runtime/index.js";
import { openInspector, type Inspector } from "../../../runtime/inspect/index.js";
import type { AnyHandler, BatchContext, Job, Worker } from "../../../runtime/worker/index.js";
import { bury, Life, SILENT } from "../../support/mortal-worker.js";
import { defineTask, type Project, setupProject } from "../../support/project.js";
import { startRedis } from "../../support/redis.js";
import { seededRandom, until, within } from "../../support/signal.js";

const redis = await startRedis();
const RUNS = Number(process.env["BATCH_RUNS"] ?? 4);
const SEED = Number(process.env["BATCH_SEED"] ?? Date.now() % 2 ** 31);
const MOVES_EACH = 50;

interface Payload {
  readonly n: number;
  readonly k: number;
  /** The outcome of each attempt; the last one repeats. */
  readonly plan: readonly ("ok" | "fail" | "dead")[];
}
type Contract = TaskContract<Payload, unknown>;

const retry = { maxRetries: 2, backoff: { type: "fixed", delayMs: 20, jitter: "none" } } as const;
const byKey = ({ k }: Payload): string => `k${k}`;
const batch = (size: number) => ({ retry, batch: { size, withinMs: 40 } });
const limit = (most: number) => ({ concurrency: { limit: most }, concurrencyKey: byKey });
const dedupe = (mode: "debounce" | "replace" | "unfinished" | "waiting") => ({
  dedupe: { mode, waitMs: 50, maxWaitMs: 120 },
  dedupeKey: byKey,
});
const task = (name: string, parts: object): Contract => defineTask<Payload>(name, parts);

/** Two deploys, which differ in limits, rates and modes. */
const DEPLOYS: readonly (readonly Contract[])[] = [
  { more: 0, rate: 20, modes: ["unfinished", "waiting", "replace", "debounce"] as const },
  { more: -1, rate: 50, modes: ["waiting", "unfinished", "debounce", "replace"] as const },
].map(({ more, rate, modes }) => [
  task("plain:batch", batch(5)),
  task("keyed:batch", { ...batch(3), batchKey: byKey }),
  task("limited:batch", { ...batch(3), ...limit(4 + more), batchKey: byKey }),
  task("crossed:batch", { ...batch(3), ...limit(2 + more) }),
  task("rated:batch", { ...batch(4), rateLimit: { limit: rate, perMs: 400 } }),
  task("fair:batch", { ...batch(4), fairnessKey: byKey }),
  task("queued:batch", { ...batch(3), queue: "limited" }),
  ...modes.map((mode, i) => task(`deduped:batch${i}`, { ...batch(3), ...dedupe(mode) })),
  task("both:batch", { ...batch(2), ...dedupe("replace"), ...limit(2) }),
  task("single:work", { retry }),
  task("ordered:work", limit(1)),
  task("queued:work", { queue: "limited", retry }),
]);
const [TASKS = []] = DEPLOYS;
const QUEUES = [
  { name: "default", weight: 2 },
  { name: "limited", weight: 1, concurrency: 4 },
];
const PLANS: readonly Payload["plan"][] = [["ok"], ["ok"], ["fail", "ok"], ["fail"], ["dead"]];

/** How a job ends that nobody touches. */
function endOf(plan: Payload["plan"]): string {
  for (let attempt = 1; attempt <= 1 + retry.maxRetries; attempt++) {
    const outcome = plan[Math.min(attempt, plan.length) - 1];
    if (outcome !== "fail") return `${outcome === "ok" ? "completed" : "dead"} ${attempt}`;
  }
  return `dead ${1 + retry.maxRetries}`;
}

interface LivingWorker {
  readonly worker: Worker;
  readonly life: Life;
  /** What its handlers run now, by group. */
  readonly running: Map<string, number>;
}

class History {
  readonly project: Project = setupProject({ redis, tasks: TASKS as never, queues: QUEUES });
  readonly inspector: Inspector;
  readonly random: () => number;
  /** Jobs that end as their payload says, unless somebody has touched them. */
  readonly jobs = new Map<string, { readonly task: string; readonly plan: Payload["plan"] }>();
  readonly touched = new Set<string>();
  readonly paused = new Set<string>();
  readonly workers: LivingWorker[] = [];
  readonly problems: string[] = [];
  /** Key -> numbers in the order of their first starts, of the task whose jobs run one at a time. */
  readonly order = new Map<number, number[]>();
  #counter = 0;

  constructor(seed: number) {
    this.random = seededRandom(seed);
    const inspector = openInspector({
      url: redis.url,
      prefix: this.project.prefix,
      tasks: TASKS.map(({ name }) => name),
    });
    onTestFinished(() => inspector.close());
    this.inspector = inspector;
  }

  below(most: number): number {
    return Math.floor(this.random() * most);
  }

  one<Value>(list: readonly Value[]): Value {
    return list[this.below(list.length)]!;
  }

  async enqueue(count: number): Promise<void> {
    const contract = this.one(this.one(DEPLOYS));
    const { name, dedupe: rule } = contract;
    const payloads = Array.from({ length: count }, (): Payload => {
      const plan = name === "ordered:work" ? PLANS[0]! : this.one(PLANS);
      return { n: this.#counter++, k: this.below(3), plan };
    });
    const mayDelay = rule?.mode !== "debounce" && name !== "ordered:work" && this.below(5) === 0;
    const handles = await createEnqueueFunction(contract, QUEUES).many(payloads, {
      client: this.project.client,
      ...(mayDelay ? { delay: `${this.below(150)}ms` } : {}),
    });
    for (const [i, { id }] of handles.entries()) {
      this.jobs.set(id, { task: name, plan: payloads[i]!.plan });
      // A newer enqueue may change its payload, or take its place.
      if (rule !== undefined) this.touched.add(id);
    }
  }

  /** Does something to a job that somebody has enqueued, whatever has become of it; most are refused. */
  async touch(act: (id: string) => Promise<unknown>): Promise<void> {
    if (this.jobs.size === 0) return;
    const id = this.one([...this.jobs.keys()]);
    this.touched.add(id);
    await act(id).catch((error: unknown) => {
      if (!(error instanceof TaskweftError)) throw error;
    });
  }

  async toggle(kind: "Queue" | "Task", name: string): Promise<void> {
    if (this.paused.delete(`${kind} ${name}`)) await this.inspector[`resume${kind}`](name);
    else {
      this.paused.add(`${kind} ${name}`);
      await this.inspector[`pause${kind}`](name);
    }
  }

  async addWorker(): Promise<void> {
    const life = new Life();
    const running = new Map<string, number>();
    const entries = TASKS.map((contract) => {
      const { name } = contract;
      const own =
        contract.batch === undefined
          ? { name, handler: ((job) => this.#run(contract, [job], running)) as AnyHandler }
          : {
              name,
              batchHandler: (jobs: readonly Job[], ctx: BatchContext) =>
                this.#run(contract, jobs, running, ctx),
            };
      return [name, async () => own] as const;
    });
    const worker = createWorker(
      {
        contracts: this.one(DEPLOYS) as never,
        queues: QUEUES,
        schedules: [],
        handlers: Object.fromEntries(entries) as never,
      },
      {
        url: redis.url,
        prefix: this.project.prefix,
        concurrency: 1 + this.below(4),
        grace: this.one(["0ms", "5s"]),
        lease: "2s",
        logger: SILENT,
        redis: { connectionName: life.connectionName },
      },
    );
    onTestFinished(() => worker.stop());
    life.worker = worker;
    this.workers.push({ worker, life, running });
    await worker.start();
  }

  async removeWorker(isKilled: boolean): Promise<void> {
    const [one] = this.workers.splice(this.below(this.workers.length), 1);
    if (one === undefined) return;
    if (!isKilled) return await within(15_000, "a worker to stop", one.worker.stop());
    one.life.endAt(1 + this.below(4), this.one(["unsent", "unanswered"]));
    await within(15_000, "a worker to die", one.life.ended.promise);
    // A process that is killed runs nothing any more.
    one.running.clear();
    await bury(this.project, one.worker, redis.url);
  }

  async #run(
    { batch: rule, batchKey, name, queue }: Contract,
    jobs: readonly Job[],
    running: LivingWorker["running"],
    ctx?: BatchContext,
  ): Promise<void> {
    const payloads = jobs.map(({ payload }) => payload as Payload);
    if (jobs.length > (rule?.size ?? 1)) this.problems.push(`${jobs.length} jobs in a batch of ${name}`);
    if (new Set(jobs.map(({ id }) => id)).size < jobs.length) this.problems.push(`a job twice in ${name}`);
    if (batchKey !== undefined && new Set(payloads.map(byKey)).size > 1)
      this.problems.push(`several keys in a batch of ${name}`);
    const groups = payloads.map(({ k }) => (queue === "limited" ? "@limited" : `${name} ${k}`));
    for (const group of groups) running.set(group, (running.get(group) ?? 0) + 1);
    for (const group of groups) this.#assertLimit(name, group);
    if (name === "ordered:work") this.#start(payloads[0]!);
    // Some batches end in the turn in which they began, most do not.
    for (let turn = this.below(20); turn > 0; turn--) await new Promise((done) => setImmediate(done));
    for (const group of groups) running.set(group, (running.get(group) ?? 1) - 1);
    for (const [i, job] of jobs.entries()) {
      const outcome = payloads[i]!.plan[Math.min(job.attempt, payloads[i]!.plan.length) - 1];
      if (outcome === "ok") continue;
      const error = outcome === "dead" ? new PermanentError("planned") : new Error("planned");
      if (ctx === undefined) throw error;
      ctx.fail(job, error);
    }
  }

  #assertLimit(name: string, group: string): void {
    const most = group === "@limited" ? 4 : TASKS.find((one) => one.name === name)!.concurrency?.limit;
    const sum = this.workers.reduce((all, { running }) => all + (running.get(group) ?? 0), 0);
    if (sum > (most ?? Infinity)) this.problems.push(`${sum} jobs of ${group} ran at a time`);
  }

  #start({ n, k }: Payload): void {
    const started = this.order.get(k) ?? [];
    // One that comes back from a worker that was killed starts again.
    if (!started.includes(n)) this.order.set(k, [...started, n]);
  }
}

type Move = (history: History) => Promise<unknown>;
const enqueues: readonly Move[] = Array.from(
  { length: 10 },
  (_unused, i) => (history) => history.enqueue(i < 4 ? 1 : 2 + history.below(12)),
);
const MOVES: readonly Move[] = [
  ...enqueues,
  (history) => history.touch((id) => history.inspector.cancel(id)),
  (history) => history.touch((id) => history.inspector.retry(id)),
  (history) => history.touch((id) => history.inspector.remove(id)),
  (history) => history.toggle("Task", history.one(TASKS).name),
  (history) => history.toggle("Queue", history.one(QUEUES).name),
  async (history) => {
    if (history.workers.length < 3) await history.addWorker();
  },
  (history) => history.removeWorker(false),
  (history) => history.removeWorker(true),
];

async function nothingIsLeft({ project: { keys, raw } }: History): Promise<boolean> {
  // The field `#` of `active` belongs to no job.
  const counts = [raw.hlen(keys.limited), raw.hlen(keys.active).then((n) => Math.max(0, n - 1))];
  for (const { name } of QUEUES) {
    const { pending, due } = keys.queue(name);
    counts.push(raw.llen(pending), raw.zcard(due));
  }
  return (await Promise.all(counts)).every((n) => n === 0);
}

const seeds = Array.from({ length: RUNS }, (_unused, i) => SEED + i);
test.each(seeds)("every job ends as its payload says, seed %i", { timeout: 90_000 }, async (seed) => {
  const history = new History(seed);
  await history.addWorker();
  // Pauses of queues need their names.
  await history.project.enqueue(
    TASKS.find(({ name }) => name === "queued:work")!,
    { n: -1, k: 0, plan: ["ok"] },
  );
  for (let i = 0; i < MOVES_EACH; i++) await history.one(MOVES)(history);
  for (const one of history.paused) await history.toggle(...(one.split(" ") as ["Task", string]));
  await history.addWorker();
  await until("everything to have ended", () => nothingIsLeft(history));
  for (const [id, { task: name, plan }] of history.jobs) {
    const { state, attempts, crashes } = await history.project.run(id);
    if (history.touched.has(id) || (state === "dead" && crashes >= 3)) continue;
    if (`${state} ${attempts}` !== endOf(plan))
      history.problems.push(`${name} ${plan.join()}: ${state} ${attempts}`);
  }
  for (const started of history.order.values())
    expect(started).toEqual(started.toSorted((one, other) => one - other));
  expect(history.problems).toEqual([]);
});
