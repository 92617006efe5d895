/** The account at the end: every job of every order, and what the ledger says against what Redis says. */
import type { JobOutcome, ShopView } from "./shop-view.js";
import type { JobTally, RunTally, Tally } from "./tally.js";

export interface Account {
  readonly orders: number;
  readonly jobs: number;
  readonly states: ReadonlyMap<string, number>;
  /** Dead jobs by task and reason. */
  readonly deadReasons: ReadonlyMap<string, number>;
  readonly crashes: number;
  readonly checkouts: Checkouts;
  /** Lines that must be empty: jobs without an end, jobs executed more often than Redis has ends on record for. */
  readonly problems: readonly string[];
}

/** Orders that are runs of the checkout. */
export interface Checkouts {
  readonly completed: number;
  readonly failed: number;
  /** How often the stock of one of them was put back. */
  readonly released: number;
}

const FINAL = new Set(["completed", "dead", "cancelled"]);
const READ_AT_ONCE = 100;
const SHOWN_PROBLEMS = 10;

/** `mayRepeat`: a worker was killed, so that what it had done may have been done again. */
export async function takeAccount(tally: Tally, view: ShopView, mayRepeat: boolean): Promise<Account> {
  const states = new Map<string, number>();
  const deadReasons = new Map<string, number>();
  const problems: string[] = [];
  let crashes = 0;
  for await (const { id, job, outcome } of readOutcomes(tally, view)) {
    const state = stateOf(job, outcome);
    count(states, state);
    crashes += outcome?.crashes ?? 0;
    if (state === "dead") count(deadReasons, `${job.task}: ${outcome?.lastError ?? "no error on record"}`);
    const problem = problemOf(job, state, outcome);
    if (problem !== undefined) problems.push(`${job.task} ${id} of order ${job.orderNumber}: ${problem}`);
  }
  const checkouts = { completed: 0, failed: 0, released: 0 };
  for (const [id, run] of tally.runs) {
    const released = run.finished.get("inventory:release") ?? 0;
    const state = (await view.run(id)) ?? (released > 0 ? "failed" : "completed");
    if (state === "completed" || state === "failed") checkouts[state]++;
    checkouts.released += released;
    const problem = runProblem(run, state, mayRepeat);
    if (problem !== undefined) problems.push(`order:checkout ${id} of order ${run.orderNumber}: ${problem}`);
  }
  const { ordersPlaced: orders, jobs } = tally;
  return { orders, jobs: jobs.size, states, deadReasons, crashes, checkouts, problems };
}

/** What was laid aside for an order that failed is put back, once; and for no other. */
function runProblem({ finished }: RunTally, state: string, mayRepeat: boolean): string | undefined {
  if (!FINAL.has(state) && state !== "failed") return `is ${state}`;
  const count = (task: string): number => finished.get(task) ?? 0;
  const most = mayRepeat ? Number.POSITIVE_INFINITY : 1;
  const isWithin = (times: number): boolean => times >= 1 && times <= most;
  const [reserved, released] = [count("inventory:reserve"), count("inventory:release")];
  const isRight = isWithin(reserved) && (state === "completed" ? released === 0 : isWithin(released));
  return isRight
    ? undefined
    : `is ${state}, with goods laid aside ${reserved} and put back ${released} times`;
}

/** Some at a time: one by one the account of a long demo takes longer than the demo. */
async function* readOutcomes(
  tally: Tally,
  view: ShopView,
): AsyncGenerator<{ id: string; job: JobTally; outcome: JobOutcome | undefined }> {
  const jobs = [...tally.jobs];
  for (let at = 0; at < jobs.length; at += READ_AT_ONCE) {
    const reads = jobs
      .slice(at, at + READ_AT_ONCE)
      .map(async ([id, job]) => ({ id, job, outcome: await view.job(id) }));
    yield* await Promise.all(reads);
  }
}

/** A job that Redis no longer holds has completed when its handler has, and retention removed it. */
function stateOf(job: JobTally, outcome: JobOutcome | undefined): string {
  if (outcome !== undefined) return outcome.state;
  return job.finished > 0 ? "completed" : "lost";
}

function problemOf(job: JobTally, state: string, outcome: JobOutcome | undefined): string | undefined {
  if (!FINAL.has(state)) return `is ${state}`;
  if (state === "completed" && job.finished === 0) return "is completed, but no handler has finished it";
  if (outcome !== undefined && job.started > outcome.endsOnRecord) {
    return `was started ${job.started} times, with ${outcome.endsOnRecord} ends or lease expiries on record`;
  }
  return undefined;
}

export function summaryText(account: Account, tally: Tally, elapsedMs: number): string {
  const state = (name: string): number => account.states.get(name) ?? 0;
  const { completed, failed, released } = account.checkouts;
  const total = tally.finished + tally.steps || 1;
  const lines = [
    `Orders    ${account.orders} placed, ${account.problems.length === 0 ? "all" : "NOT all"} accounted for`,
    `Jobs      ${account.jobs}: ${state("completed")} completed, ${state("dead")} dead, ${state("cancelled")} cancelled`,
    `Attempts  ${tally.started}: ${tally.failed} failed, ${tally.retried} retries, ${account.crashes} lost with their worker`,
    `Checkouts ${tally.runs.size} runs: ${completed} completed, ${failed} failed, and their goods were put back ${released} times`,
    `Clicks    ${tally.deduplicated} double clicks gave the payment or run that was already there`,
    ...[...account.deadReasons]
      .toSorted(byName)
      .map(([reason, jobs]) => `Dead      ${String(jobs).padStart(3)} ${reason}`),
    ...[...tally.finishedByPid].map(
      ([pid, jobs]) => `Worker    ${pid} finished ${jobs} (${Math.round((100 * jobs) / total)} %)`,
    ),
    `Time      ${(elapsedMs / 1000).toFixed(1)} s`,
    ...account.problems.slice(0, SHOWN_PROBLEMS).map((problem) => `PROBLEM   ${problem}`),
  ];
  const hidden = account.problems.length - SHOWN_PROBLEMS;
  return (hidden > 0 ? [...lines, `PROBLEM   and ${hidden} more`] : lines).join("\n");
}

function byName([left]: [string, number], [right]: [string, number]): number {
  return left < right ? -1 : Number(left > right);
}

function count(counts: Map<string, number>, key: string): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}
