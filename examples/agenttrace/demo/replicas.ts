/**
 * Traces come in over HTTP, three replicas work on what follows from them, and one of the replicas is stopped in the
 * middle, as a deploy does. The account tells whether a job was lost and whether the stop has cost any an attempt.
 */
import { randomBytes } from "node:crypto";
import { appendFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { Fleet } from "../../support/fleet.js";
import { Operator } from "../../support/operator.js";
import { eventually, type Place } from "../../support/place.js";
import type { JobDetails } from "../../../runtime/inspect/index.js";
import { connect } from "../generated/index.js";
import { openApi, type Api, type Trace } from "../src/api.js";
import { readJournal } from "../src/journal.js";
import { PREFIX } from "../src/prefix.js";
import { Receivers } from "./receivers.js";

export interface ReplicaPlan {
  readonly traces: number;
  readonly replicas: number;
}

export interface ReplicaAccount {
  readonly traces: number;
  /** How long the API took to answer (ms). */
  readonly answerMs: { readonly median: number; readonly longest: number };
  /** Enqueues that failed. */
  readonly lost: number;
  readonly expected: number;
  readonly completed: number;
  /** Dead jobs by task and error. */
  readonly dead: Readonly<Record<string, number>>;
  /** Attempts that failed and were followed by another. */
  readonly retried: number;
  /** Jobs that the stopped replica had begun and gave back. */
  readonly handedBack: number;
  /** Jobs that count more attempts than have failed or completed, or that count a crash. */
  readonly overcharged: number;
  /** Exit codes: of the replica that was stopped first, then of the others. */
  readonly exits: readonly (number | NodeJS.Signals)[];
}

const STALLED_MS = 60_000;
const OPERATOR_EVERY_MS = 100;
/** Shorter than the judge thinks, so that the stopped replica has to give jobs back. */
const GRACE = "100ms";
const JUDGE_MS = "600";

export async function runReplicas(place: Place, plan: ReplicaPlan): Promise<ReplicaAccount> {
  const receivers = await new Receivers().open();
  const journal = join(place.logs, "journal.jsonl");
  await appendFile(journal, "");
  const fleet = new Fleet(place, {
    AGENTTRACE_COLLECTOR_URL: receivers.url,
    AGENTTRACE_JOURNAL: journal,
    AGENTTRACE_JUDGE_MS: JUDGE_MS,
    AGENTTRACE_NOTIFY_URL: receivers.url,
    TASKWEFT_PREFIX: PREFIX,
    TASKWEFT_WORKER_CONCURRENCY: "10",
    TASKWEFT_WORKER_GRACE: GRACE,
  });
  const operator = new Operator(place.redisUrl, PREFIX);
  const client = await connect({ url: place.redisUrl, prefix: PREFIX });
  const api = await openApi({
    report: ({ task, error }) => void process.stderr.write(`${task}: ${String(error)}\n`),
  });
  try {
    return await new ReplicaRun(plan, { api, fleet, journal, operator, receivers }).toTheEnd();
  } finally {
    await api.close();
    await fleet.stopAll();
    await client.close();
    operator.close();
    await receivers.close();
  }
}

interface Parts {
  readonly api: Api;
  readonly fleet: Fleet;
  readonly journal: string;
  readonly operator: Operator;
  readonly receivers: Receivers;
}

class ReplicaRun {
  readonly #plan: ReplicaPlan;
  readonly #parts: Parts;
  readonly #traces: readonly Trace[];
  /** Final jobs of earlier runs in this Redis. */
  #before: ReadonlySet<string> = new Set();

  constructor(plan: ReplicaPlan, parts: Parts) {
    this.#plan = plan;
    this.#parts = parts;
    this.#traces = Array.from({ length: plan.traces }, (_unused, index) =>
      traceOf(index + 1, parts.receivers.url),
    );
  }

  async toTheEnd(): Promise<ReplicaAccount> {
    const { fleet } = this.#parts;
    this.#before = new Set(await this.#finalIds());
    await fleet.start(this.#plan.replicas);
    const [answers, stopped] = await Promise.all([this.#sendTraces(), this.#stopOneInTheMiddle()]);
    await this.#operate();
    const others = await fleet.stopAll();
    return await this.#account(answers, stopped.pid, [stopped.exit, ...others]);
  }

  /** One after the other, as one instrumented program would; gives how long each answer took (ms). */
  async #sendTraces(): Promise<readonly number[]> {
    const answers: number[] = [];
    for (const trace of this.#traces) {
      const startedAt = performance.now();
      const response = await fetch(`${this.#parts.api.url}/traces`, {
        method: "POST",
        body: JSON.stringify(trace),
      });
      answers.push(performance.now() - startedAt);
      if (response.status !== 202) throw new Error(`expected 202, got ${response.status}`);
      await response.arrayBuffer();
    }
    await this.#parts.api.background.settled();
    return answers;
  }

  /** A replica that is judging: its jobs take longer than its grace. */
  async #stopOneInTheMiddle(): Promise<{ pid: number; exit: number | NodeJS.Signals }> {
    const { fleet, journal } = this.#parts;
    const isJudging = (pid: number): boolean => {
      const own = readJournal(journal).filter((line) => line.pid === pid && line.task === "eval:run");
      const started = own.filter((line) => line.what === "started").length;
      return 2 * started - own.length >= 3;
    };
    await eventually(() => fleet.workers.some((worker) => isJudging(worker.pid)), STALLED_MS);
    const busy = fleet.workers.find((worker) => isJudging(worker.pid)) ?? fleet.workers[0]!;
    return { pid: busy.pid, exit: await fleet.stop(busy) };
  }

  /** Lets backoff pass until every job has ended. */
  async #operate(): Promise<void> {
    const { operator } = this.#parts;
    let ended = 0;
    let progressAt = performance.now();
    while (ended < this.#expected() && performance.now() - progressAt < STALLED_MS) {
      await operator.sendAhead("retry");
      const now = (await this.#finalIds()).filter((id) => !this.#before.has(id)).length;
      if (now !== ended) progressAt = performance.now();
      ended = now;
      await pause(OPERATOR_EVERY_MS);
    }
  }

  /** Four jobs a trace, one for a webhook, one to tell of an unusual latency. */
  #expected(): number {
    const { lost } = this.#parts.api.background;
    const extra = this.#traces.filter((trace) => trace.webhook !== undefined).length;
    return 4 * this.#traces.length + extra + this.#traces.filter(isSlow).length - lost;
  }

  async #finalIds(): Promise<readonly string[]> {
    const { operator } = this.#parts;
    return [...(await operator.ids("completed")), ...(await operator.ids("dead"))];
  }

  async #account(
    answers: readonly number[],
    stoppedPid: number,
    exits: ReplicaAccount["exits"],
  ): Promise<ReplicaAccount> {
    const { api, journal, operator } = this.#parts;
    const ids = (await this.#finalIds()).filter((id) => !this.#before.has(id));
    const jobs = await Promise.all(ids.map((id) => operator.show(id)));
    const lines = readJournal(journal).filter((line) => line.pid === stoppedPid);
    const finished = new Set(lines.filter((line) => line.what === "finished").map((line) => line.job));
    const judged = lines.filter((line) => line.what === "started" && line.task === "eval:run");
    const sorted = answers.toSorted((a, b) => a - b);
    return {
      traces: this.#traces.length,
      answerMs: { median: sorted[Math.floor(sorted.length / 2)] ?? 0, longest: sorted.at(-1) ?? 0 },
      lost: api.background.lost,
      expected: this.#expected(),
      completed: jobs.filter((job) => job.state === "completed").length,
      dead: deadByReason(jobs),
      retried: jobs.reduce((sum, job) => sum + Math.max(0, job.attempts - 1), 0),
      handedBack: judged.filter((line) => !finished.has(line.job)).length,
      overcharged: jobs.filter(isOvercharged).length,
      exits,
    };
  }
}

/** Every attempt that counts must have an end of its own on record. */
function isOvercharged(job: JobDetails): boolean {
  const failed = job.timeline.filter((event) => event.kind === "failed").length;
  return job.crashes > 0 || job.attempts > failed + (job.state === "completed" ? 1 : 0);
}

function deadByReason(jobs: readonly JobDetails[]): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const job of jobs) {
    if (job.state !== "dead") continue;
    const reason = `${job.task}: ${job.timeline.findLast((event) => event.kind === "failed")?.error ?? "unknown"}`;
    counts[reason] = (counts[reason] ?? 0) + 1;
  }
  return counts;
}

/** Every 20th trace is of a model without a price, every third has a webhook, every 30th of these is gone, every 25th is slow. */
function traceOf(number: number, receivers: string): Trace {
  const traceId = randomBytes(16).toString("hex");
  const webhook = number % 30 === 0 ? `${receivers}/gone` : `${receivers}/flaky/${traceId}`;
  return {
    traceId,
    projectId: "demo",
    model: number % 20 === 0 ? "unheard-of" : number % 2 === 0 ? "large" : "small",
    inputTokens: 100 + number,
    outputTokens: 10 + number,
    latencyMs: number % 25 === 0 ? 45_000 : 1200,
    ...(number % 3 === 0 ? { webhook } : {}),
  };
}

function isSlow(trace: Trace): boolean {
  return trace.latencyMs > 30_000;
}
