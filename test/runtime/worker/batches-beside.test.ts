// Batches that are not full beside jobs that start as soon as they are claimed: long single jobs, and full batches.
import { expect, test } from "vitest";
import { type Project, defineTask, setupProject } from "../../support/project.js";
import { startRedis } from "../../support/redis.js";
import { type Signal, signal, until } from "../../support/signal.js";

const redis = await startRedis();

const retry = { maxRetries: 1, backoff: { type: "fixed", delayMs: 0, jitter: "none" } } as const;
const few = defineTask("few:work", { batch: { size: 10, withinMs: 500 }, retry });
const full = defineTask("full:work", { batch: { size: 2, withinMs: 60_000 }, timeoutMs: 60_000 });
const single = defineTask("single:work", { timeoutMs: 60_000 });
const setup = (): Project => setupProject({ redis, tasks: [few, full, single] as never });
/** Times that the batch may find no slot. */
const MOST_ROUNDS = 20;

/** A handler that runs until the test lets it go. */
class Held {
  readonly #ends: Signal[] = [];
  #free = false;

  get started(): number {
    return this.#ends.length;
  }

  readonly run = async (): Promise<void> => {
    const end = signal();
    this.#ends.push(end);
    if (!this.#free) await end.promise;
  };

  end(): void {
    this.#ends.at(-1)!.send();
  }

  endAll(): void {
    this.#free = true;
    for (const end of this.#ends) end.send();
  }
}

const numbers = (count: number): { n: number }[] => Array.from({ length: count }, (_unused, n) => ({ n }));

/**
 * The others have the only slot one after the other; each ends when the batch has gone back because it found none.
 * Returns how often that was.
 */
async function roundsUntil(
  hasRun: () => boolean,
  { project, id, others }: { project: Project; id: string; others: Held },
): Promise<number> {
  const is = (state: string) => async (): Promise<boolean> => hasRun() || (await project.state(id)) === state;
  let rounds = 0;
  for (;;) {
    await until("the batch to go back", is("pending"));
    if (hasRun()) return rounds;
    if (++rounds > MOST_ROUNDS) return rounds;
    others.end();
    await until("the batch to be claimed again", is("active"));
  }
}

test.each(["attempt", "retry"])(
  "the %s of a batch that found no slot for long comes first, however many single jobs there are",
  async (which) => {
    const project = setup();
    const others = new Held();
    let calls = 0;
    const call = (): void => {
      calls += 1;
      if (which === "retry" && calls === 1) throw new Error("tried again");
    };
    await project.worker({ "single:work": others.run }, { batches: { "few:work": call }, concurrency: 1 });
    const job = await project.enqueue(few, { n: 1 });
    if (which === "retry")
      await until("the failure", async () => (await project.kinds(job.id)).includes("failed"));
    await until("it to gather", async () => (await project.state(job.id)) === "active");
    const singles = await project.many(single, numbers(2 * MOST_ROUNDS));
    const hasRun = (): boolean => calls === (which === "retry" ? 2 : 1);
    expect(await roundsUntil(hasRun, { project, id: job.id, others })).toBeLessThanOrEqual(MOST_ROUNDS);
    others.endAll();
    await Promise.all([job, ...singles].map((one) => one.result()));
  },
);

test("a batch that found no slot for long comes first, however many full batches there are", async () => {
  const project = setup();
  const others = new Held();
  let hasRun = false;
  await project.worker(
    {},
    { batches: { "full:work": others.run, "few:work": () => void (hasRun = true) }, concurrency: 1 },
  );
  const job = await project.enqueue(few, { n: 1 });
  await until("it to gather", async () => (await project.state(job.id)) === "active");
  const batches = await project.many(full, numbers(4 * MOST_ROUNDS));
  const rounds = await roundsUntil(() => hasRun, { project, id: job.id, others });
  expect(rounds).toBeLessThanOrEqual(MOST_ROUNDS);
  others.endAll();
  await Promise.all([job, ...batches].map((one) => one.result()));
});
