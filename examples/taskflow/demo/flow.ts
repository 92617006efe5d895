/** Messages at full speed through a queue with a limit, and a worker killed in the middle. */
import { appendFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { Fleet } from "../../support/fleet.js";
import { Operator } from "../../support/operator.js";
import { eventually, type Place } from "../../support/place.js";
import { connect, enqueueMessageHandle } from "../generated/index.js";
import { type Handled, readJournal } from "../src/journal.js";
import { PREFIX } from "../src/prefix.js";
import { sendMessages } from "../src/sender.js";
import { Meter, type Gauges } from "./gauges.js";

export interface FlowPlan {
  readonly messages: number;
  readonly workers: number;
  /** Called about twice a second while messages flow. */
  readonly onLook: (gauges: Gauges & { readonly handled: number; readonly elapsedMs: number }) => unknown;
}

export interface FlowAccount {
  readonly messages: number;
  readonly handled: number;
  /** Messages that were handled more than once, and how many of these have a lost worker on record. */
  readonly repeated: number;
  readonly explained: number;
  readonly refused: number;
  readonly deepest: number;
  readonly memoryBytes: { readonly before: number; readonly most: number };
  /** From the enqueue to the handler, in an idle worker (ms). */
  readonly pickupMs: { readonly median: number; readonly longest: number };
  /** While messages flowed. */
  readonly perMinute: number;
  /** Jobs that had not ended at the end. */
  readonly left: number;
  readonly dead: number;
  /** Jobs in the hands of the worker that was killed. */
  readonly taken: number;
}

const STALLED_MS = 60_000;
const LOOK_EVERY_MS = 500;
const PROBES = 20;
/** Numbers of the probes lie above those of the messages. */
const PROBE_NUMBER = 1_000_000_000;

export async function runFlow(place: Place, plan: FlowPlan): Promise<FlowAccount> {
  const journal = join(place.logs, "journal.jsonl");
  await appendFile(journal, "");
  const fleet = new Fleet(place, {
    TASKFLOW_JOURNAL: journal,
    TASKWEFT_PREFIX: PREFIX,
    TASKWEFT_WORKER_CONCURRENCY: "10",
    // Instead of 15 s, so that nobody waits long for the jobs of the killed worker.
    TASKWEFT_WORKER_LEASE: "1s",
  });
  const client = await connect({ url: place.redisUrl, prefix: PREFIX });
  const operator = new Operator(place.redisUrl, PREFIX);
  const meter = new Meter(operator, place.redisUrl);
  try {
    return await new Flow(plan, { fleet, journal, meter, operator }).toTheEnd();
  } finally {
    await fleet.stopAll();
    await client.close();
    operator.close();
    meter.close();
  }
}

interface Parts {
  readonly fleet: Fleet;
  readonly journal: string;
  readonly meter: Meter;
  readonly operator: Operator;
}

class Flow {
  readonly #plan: FlowPlan;
  readonly #parts: Parts;
  #deepest = 0;
  #mostMemory = 0;
  #killed: number | undefined;
  #taken = 0;

  constructor(plan: FlowPlan, parts: Parts) {
    this.#plan = plan;
    this.#parts = parts;
  }

  async toTheEnd(): Promise<FlowAccount> {
    const { fleet, meter, operator } = this.#parts;
    const deadBefore = (await operator.ids("dead")).length;
    await fleet.start(this.#plan.workers);
    const pickups = await this.#probe();
    const before = (await meter.read()).memoryBytes;
    const startedAt = performance.now();
    const [{ refused }] = await Promise.all([
      sendMessages(messagesOf(this.#plan.messages)),
      this.#watch(startedAt),
      this.#killOneInTheMiddle(),
    ]);
    const elapsedMs = performance.now() - startedAt;
    await fleet.stopAll();
    const handled = this.#handled();
    const left = await Promise.all(
      (["active", "pending", "retry", "scheduled"] as const).map((state) => operator.ids(state)),
    );
    return {
      messages: this.#plan.messages,
      handled: handled.size,
      ...this.#repeats(handled),
      refused,
      deepest: this.#deepest,
      memoryBytes: { before, most: this.#mostMemory },
      pickupMs: { median: pickups[Math.floor(pickups.length / 2)] ?? 0, longest: pickups.at(-1) ?? 0 },
      perMinute: Math.round((this.#plan.messages * 60_000) / elapsedMs),
      left: left.flat().length,
      dead: (await operator.ids("dead")).length - deadBefore,
      taken: this.#taken,
    };
  }

  /** One message at a time to workers that have nothing to do; gives sorted delays (ms). */
  async #probe(): Promise<readonly number[]> {
    const delays: number[] = [];
    for (let probe = 0; probe < PROBES; probe++) {
      const number = PROBE_NUMBER + probe;
      const sentAt = Date.now();
      const job = await enqueueMessageHandle({ number, text: "probe" });
      await job.result({ timeout: "10s" });
      const handled = readJournal(this.#parts.journal).find((line) => line.number === number);
      delays.push(Math.max(0, (handled?.startedAt ?? Infinity) - sentAt));
    }
    return delays.toSorted((a, b) => a - b);
  }

  async #watch(startedAt: number): Promise<void> {
    const { meter } = this.#parts;
    let handled = 0;
    let progressAt = startedAt;
    while (handled < this.#plan.messages && performance.now() - progressAt < STALLED_MS) {
      await pause(LOOK_EVERY_MS);
      const now = this.#handled().size;
      if (now !== handled) progressAt = performance.now();
      handled = now;
      const gauges = await meter.read();
      this.#deepest = Math.max(this.#deepest, gauges.pending);
      this.#mostMemory = Math.max(this.#mostMemory, gauges.memoryBytes);
      await this.#plan.onLook({ ...gauges, handled, elapsedMs: performance.now() - startedAt });
    }
  }

  async #killOneInTheMiddle(): Promise<void> {
    const { fleet, operator } = this.#parts;
    await eventually(() => this.#handled().size > this.#plan.messages / 3, STALLED_MS);
    const victim = fleet.workers[0]!;
    // Frozen first, so that what is seen in its hands is still there when it dies.
    victim.kill("SIGSTOP");
    const workers = await operator.inspector.listWorkers();
    this.#taken = workers.find(({ about }) => about["pid"] === victim.pid)?.active ?? 0;
    this.#killed = victim.pid;
    await fleet.replace(victim);
  }

  /** Lines of each message, without the probes. */
  #handled(): ReadonlyMap<number, readonly Handled[]> {
    const byNumber = new Map<number, Handled[]>();
    for (const line of readJournal(this.#parts.journal)) {
      if (line.number < PROBE_NUMBER) byNumber.set(line.number, [...(byNumber.get(line.number) ?? []), line]);
    }
    return byNumber;
  }

  /** A message may be handled twice only if its first worker was the one that was killed. */
  #repeats(handled: ReadonlyMap<number, readonly Handled[]>): { repeated: number; explained: number } {
    const repeats = [...handled.values()].filter((lines) => lines.length > 1);
    const explained = repeats.filter(
      ([first, ...others]) => first?.pid === this.#killed && others.length === 1,
    );
    return { repeated: repeats.length, explained: explained.length };
  }
}

function messagesOf(count: number): readonly { number: number; text: string }[] {
  return Array.from({ length: count }, (_unused, number) => ({ number, text: `Message ${number}` }));
}
