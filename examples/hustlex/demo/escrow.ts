/**
 * The escrow under everything that goes wrong at once: several producers ask for the same releases, workers are killed,
 * the bank fails. What the bank's ledger says at the end is the truth.
 */
import { randomUUID } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { startScript, type DemoProcess } from "../../../tools/demo/processes.js";
import { Fleet } from "../../support/fleet.js";
import { Operator } from "../../support/operator.js";
import { eventually, type Place } from "../../support/place.js";
import { createClient, enqueueGigEscrowRelease, type GigEscrowReleasePayload } from "../generated/index.js";
import { PREFIX } from "../src/prefix.js";
import type { ReleaseReport } from "../src/enqueue-releases.js";
import { OutsideWorld } from "./outside-world.js";

export interface EscrowPlan {
  readonly contracts: number;
  /** Share of the bank's calls that fail. */
  readonly failShare: number;
  /** Workers to kill at random. */
  readonly kills: number;
  readonly producers: number;
  /** Returns [0, 1). */
  readonly random: () => number;
  readonly workers: number;
}

export interface EscrowAccount {
  readonly contracts: number;
  /** Enqueues, and how many of them made a job. */
  readonly enqueues: number;
  readonly created: number;
  /** Contracts for which two producers got different jobs. */
  readonly split: number;
  readonly completed: number;
  /** Releases that failed for good and were asked for again. */
  readonly askedAgain: number;
  readonly kills: number;
  /** Attempts that ended with their worker. */
  readonly crashes: number;
  readonly calls: number;
  /** Calls that had no effect, because an earlier one had. */
  readonly repeated: number;
  readonly failed: number;
  /** Transfers in the bank's ledger. */
  readonly transfers: number;
  readonly workerExits: readonly (number | NodeJS.Signals)[];
}

/** Without any progress for so long the run gives up, and the account shows what is missing. */
const STALLED_MS = 60_000;
/** Instead of 15 s, so that nobody waits long for the jobs of a killed worker. */
const LEASE = "1s";
const OPERATOR_EVERY_MS = 100;
/** Longest time that a call to the bank takes. */
const BANK_LATENCY_MS = 300;

export async function releaseEscrows(place: Place, plan: EscrowPlan): Promise<EscrowAccount> {
  const world = await new OutsideWorld({ ...plan, latencyMs: BANK_LATENCY_MS }).open();
  const fleet = new Fleet(place, {
    HUSTLEX_OUTSIDE_URL: world.url,
    TASKWEFT_PREFIX: PREFIX,
    TASKWEFT_WORKER_CONCURRENCY: "5",
    TASKWEFT_WORKER_LEASE: LEASE,
  });
  const run = new EscrowRun(place, plan, world, fleet);
  try {
    return await run.toTheEnd();
  } finally {
    await fleet.stopAll();
    await run.close();
    await world.close();
  }
}

class EscrowRun {
  readonly #place: Place;
  readonly #plan: EscrowPlan;
  readonly #world: OutsideWorld;
  readonly #fleet: Fleet;
  readonly #operator: Operator;
  readonly #client: ReturnType<typeof createClient>;
  readonly #contracts: ReadonlyMap<string, GigEscrowReleasePayload>;
  readonly #askedAgain = new Set<string>();
  /** Final jobs of earlier runs in this Redis. */
  #before: ReadonlySet<string> = new Set();
  #completed = 0;

  constructor(place: Place, plan: EscrowPlan, world: OutsideWorld, fleet: Fleet) {
    this.#place = place;
    this.#plan = plan;
    this.#world = world;
    this.#fleet = fleet;
    this.#operator = new Operator(place.redisUrl, PREFIX);
    this.#client = createClient({ url: place.redisUrl, prefix: PREFIX });
    this.#contracts = new Map(contractsOf(plan.contracts).map((one) => [one.contractId, one]));
  }

  async toTheEnd(): Promise<EscrowAccount> {
    this.#before = new Set([
      ...(await this.#operator.ids("completed")),
      ...(await this.#operator.ids("dead")),
    ]);
    const [reports] = await Promise.all([this.#produce(), this.#work()]);
    const workerExits = await this.#fleet.stopAll();
    return await this.#account(reports, workerExits);
  }

  async close(): Promise<void> {
    this.#operator.close();
    await this.#client.close();
  }

  async #produce(): Promise<readonly ReleaseReport[]> {
    const file = join(this.#place.logs, "contracts.json");
    await writeFile(file, JSON.stringify([...this.#contracts.values()]));
    const producers = Array.from({ length: this.#plan.producers }, (_unused, index) =>
      this.#startProducer(file, index),
    );
    return await Promise.all(producers.map(readReport));
  }

  #startProducer(file: string, index: number): DemoProcess {
    const { root, logs, redisUrl } = this.#place;
    return startScript(
      { root, logs },
      `producer-${index + 1}`,
      ["src/enqueue-releases.ts", file, String(index)],
      { ...process.env, TASKWEFT_REDIS_URL: redisUrl },
    );
  }

  async #work(): Promise<void> {
    await this.#fleet.start(this.#plan.workers);
    await eventually(() => this.#world.calls.length > 0, STALLED_MS);
    await Promise.all([this.#killAtRandom(), this.#operate()]);
  }

  /** Spread over the work, so that each kill meets workers with calls under way. */
  async #killAtRandom(): Promise<void> {
    const { contracts, kills, random } = this.#plan;
    for (let kill = 1; kill <= kills; kill++) {
      const paid = (contracts * (kill - random())) / (kills + 1);
      await eventually(() => this.#world.effects.size >= paid, STALLED_MS);
      const victim = this.#fleet.workers[Math.floor(random() * this.#fleet.workers.length)];
      if (victim === undefined) continue;
      // A kill between two calls would show nothing.
      await eventually(async () => this.#isDone() || (await this.#operator.hasJobs(victim.pid)), STALLED_MS);
      await this.#fleet.replace(victim);
    }
  }

  /** Lets backoff pass, and asks again for what has failed for good, until all is released. */
  async #operate(): Promise<void> {
    let progressAt = performance.now();
    while (!this.#isDone() && performance.now() - progressAt < STALLED_MS) {
      await this.#operator.sendAhead("retry");
      await this.#askAgain();
      const completed = (await this.#operator.ids("completed")).filter((id) => !this.#before.has(id)).length;
      if (completed !== this.#completed) progressAt = performance.now();
      this.#completed = completed;
      await pause(OPERATOR_EVERY_MS);
    }
  }

  /** A dead release has freed its key: the same contract makes a new job. */
  async #askAgain(): Promise<void> {
    for (const id of await this.#operator.ids("dead")) {
      if (this.#before.has(id) || this.#askedAgain.has(id)) continue;
      this.#askedAgain.add(id);
      const { payload } = await this.#operator.show(id);
      await enqueueGigEscrowRelease(payload as GigEscrowReleasePayload, { client: this.#client });
    }
  }

  #isDone(): boolean {
    return this.#completed >= this.#plan.contracts;
  }

  async #account(
    reports: readonly ReleaseReport[],
    workerExits: EscrowAccount["workerExits"],
  ): Promise<EscrowAccount> {
    const { calls } = this.#world;
    const jobs = new Map<string, Set<string>>();
    for (const [contract, job] of reports.flatMap((report) => report.jobs)) {
      jobs.set(contract, (jobs.get(contract) ?? new Set()).add(job));
    }
    const crashes = await Promise.all(
      [...jobs.values()]
        .flatMap((ids) => [...ids])
        .map(async (id) => (await this.#operator.show(id)).crashes),
    );
    const count = (...outcomes: readonly string[]) =>
      calls.filter((call) => outcomes.includes(call.outcome)).length;
    return {
      contracts: this.#contracts.size,
      enqueues: sum(reports.map((report) => report.jobs.length)),
      created: sum(reports.map((report) => report.created)),
      split: [...jobs.values()].filter((ids) => ids.size > 1).length,
      completed: this.#completed,
      askedAgain: this.#askedAgain.size,
      kills: this.#fleet.kills,
      crashes: sum(crashes),
      calls: calls.length,
      repeated: count("known"),
      failed: count("lost", "unavailable"),
      transfers: this.#world.effectsOf("/transfers").length,
      workerExits,
    };
  }
}

function contractsOf(count: number): readonly GigEscrowReleasePayload[] {
  return Array.from({ length: count }, (_unused, index) => ({
    contractId: randomUUID(),
    workerId: `worker-${index % 97}`,
    amount: 1000 + index,
  }));
}

async function readReport(producer: DemoProcess): Promise<ReleaseReport> {
  const code = await producer.ended;
  const text = await readFile(producer.log, "utf8");
  if (code !== 0) throw new Error(`${producer.name} ended with ${code}:\n${text}`);
  return JSON.parse(text) as ReleaseReport;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
