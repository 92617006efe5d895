// What the operators' storm acts on: tasks with each kind of limit and key, a workflow, and handlers that end in every way.
import { PermanentError } from "taskweft/generated-v1";
import type { TestHandlers } from "../support/project.js";
import { defineTask } from "../support/task.js";
import { itemsOf, jobOf, stored, workflow } from "../support/workflow.js";

const HOUR_MS = 3_600_000;

interface Work {
  readonly k: string;
}

const parts = {
  retry: { maxRetries: 1, backoff: { type: "fixed", delayMs: 20, jitter: "none" } },
  retention: { completedMs: HOUR_MS, deadMs: HOUR_MS },
} as const;
const keyOf = ({ k }: Work): string => k;

export const LIMIT = 2;
export const QUEUES = [
  { name: "default", weight: 1 },
  { name: "tight", weight: 1, concurrency: LIMIT },
] as const;

/** Their jobs are enqueued by producers, and may be deleted. */
export const TASKS = [
  defineTask<Work>("plain:work", parts),
  defineTask<Work>("keyed:work", { ...parts, concurrency: { limit: LIMIT }, concurrencyKey: keyOf }),
  defineTask<Work>("turns:work", { ...parts, fairnessKey: keyOf }),
  defineTask<Work>("rated:work", { ...parts, rateLimit: { limit: 20, perMs: 200 }, rateLimitKey: keyOf }),
  defineTask<Work>("tight:work", { ...parts, queue: "tight" }),
  defineTask<Work>("once:work", {
    ...parts,
    idempotency: { ttlMs: HOUR_MS, onDead: "release" },
    idempotencyKey: keyOf,
  }),
  defineTask<Work>("last:work", { ...parts, dedupe: { mode: "replace" }, dedupeKey: keyOf }),
];
const step = defineTask<Work>("flow:step", { ...parts, concurrency: { limit: LIMIT } });
const tight = defineTask<Work>("flow:tight", { ...parts, queue: "tight" });
const undo = defineTask<Work>("flow:undo", parts);
export const STEP_TASKS = [step, tight, undo];

const stepJob = { ...jobOf(step as never), limit: { name: "flow:step ", limit: LIMIT } };
const tightJob = { ...jobOf(tight as never), limit: { name: "@tight ", limit: LIMIT } };
const compensate = jobOf(undo as never);
const ITEMS = stored([1, 2, 3, 4]);

export const FLOW = workflow(
  [
    { name: "a", needs: [], job: stepJob, compensate },
    { name: "list", needs: ["a"], forEach: ITEMS, job: tightJob, compensate },
    { name: "pause", needs: ["a"], delayMs: 200 },
    { name: "b", needs: ["list", "pause"], job: stepJob },
  ],
  { keepMs: HOUR_MS },
);
export const SKIPPABLE = ["a", "b", ...itemsOf(ITEMS).map((_item, i) => `list.${i}`)];

/** What the handlers have seen of jobs. */
export class Ledger {
  /** From now on every attempt succeeds. */
  isCalm = false;
  readonly completed = new Map<string, number>();
  readonly late = new Set<string>();
  readonly violations: string[] = [];
  readonly #random: () => number;
  readonly #running = new Map<string, string>();

  constructor(random: () => number) {
    this.#random = random;
  }

  /** @param groupOf the group of a limit in which the job counts, if there is one. */
  handlers(groupOf: (task: string, payload: Work) => string | undefined): TestHandlers {
    const names = [...TASKS, ...STEP_TASKS].map(({ name }) => name);
    const handlerOf = (name: string) => async (job: { id: string; payload: Work }, ctx: Context) => {
      const group = groupOf(name, job.payload) ?? job.id;
      this.#begin(job.id, group);
      const end = (): void => void this.#running.delete(job.id);
      ctx.signal.addEventListener("abort", end);
      try {
        await this.#work(ctx);
        // The completion of an attempt that has been aborted may come in time, or too late.
        if (ctx.signal.aborted) this.late.add(job.id);
        else this.completed.set(job.id, (this.completed.get(job.id) ?? 0) + 1);
      } finally {
        if (!ctx.signal.aborted) end();
      }
    };
    return Object.fromEntries(names.map((name) => [name, handlerOf(name)])) as never;
  }

  #begin(id: string, group: string): void {
    if (this.#running.has(id)) this.violations.push(`${id} ran twice at once`);
    this.#running.set(id, group);
    const inGroup = [...this.#running.values()].filter((one) => one === group).length;
    if (inGroup > LIMIT) this.violations.push(`${inGroup} jobs of ${group} ran at once`);
  }

  async #work(ctx: Context): Promise<void> {
    const chance = this.#random();
    await ctx.step("noted", () => 1);
    if (this.isCalm) return;
    if (chance < 0.15) throw new Error("no");
    if (chance < 0.2) throw new PermanentError("never");
    if (chance < 0.3) await ctx.sleep("nap", 30);
    if (chance < 0.7) await rest(chance < 0.35 ? 300 : 5, ctx.signal);
  }
}

interface Context {
  readonly signal: AbortSignal;
  step(name: string, fn: () => unknown): Promise<unknown>;
  sleep(name: string, ms: number): Promise<void>;
}

function rest(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((done, failed) => {
    const timer = setTimeout(done, ms);
    const stop = (): void => {
      clearTimeout(timer);
      failed(signal.reason as Error);
    };
    if (signal.aborted) stop();
    else signal.addEventListener("abort", stop);
  });
}
