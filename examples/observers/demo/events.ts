/** Events through the rules of this project, with workers that are much slower than what happens. */
import { randomUUID } from "node:crypto";
import { Fleet } from "../../support/fleet.js";
import { Operator } from "../../support/operator.js";
import { eventually, type Place } from "../../support/place.js";
import { freePort, scrape, total } from "../../support/scrape.js";
import { connect, emitOrderCreated, emitUserSignedUp } from "../generated/index.js";
import { PREFIX } from "../src/prefix.js";
import { OutsideWorld } from "./outside-world.js";

export interface EventPlan {
  readonly events: number;
  /** How long everything outside takes to answer (ms). */
  readonly slowMs: number;
}

export interface EventAccount {
  readonly events: number;
  readonly jobs: number;
  /** What each emit took (ms). */
  readonly emitMs: { readonly median: number; readonly p99: number; readonly longest: number };
  /** Jobs that had not ended when the last event was emitted. */
  readonly open: number;
  readonly completed: number;
  /** Jobs that were answered with an error first and completed. */
  readonly retried: number;
  /** Attempts of each dead job. */
  readonly dead: readonly number[];
  /** Jobs that nothing answers: to the partner that is gone. */
  readonly toPartner: number;
  /** Jobs that wait for tomorrow. */
  readonly tomorrow: number;
  /** Most handlers that ran at one time. */
  readonly most: number;
  /** Jobs that a second emit of the same event made. */
  readonly doubled: number;
  /** Calls that the world outside answered with an error that passes. */
  readonly refusals: number;
  /** The same as the worker's metrics have it. */
  readonly metrics: {
    readonly completed: number;
    readonly dead: number;
    readonly retried: number;
    readonly gone: number;
  };
}

const STALLED_MS = 60_000;

export async function runEvents(place: Place, { events, slowMs }: EventPlan): Promise<EventAccount> {
  const outside = await new OutsideWorld(slowMs).open();
  outside.gone.add("/partner");
  outside.failsFirst.set("/crm", 2);
  const port = await freePort();
  const fleet = new Fleet(place, {
    OBSERVERS_OUTSIDE_URL: outside.url,
    TASKWEFT_METRICS_PORT: String(port),
  });
  const client = await connect({ url: place.redisUrl, prefix: PREFIX });
  const operator = new Operator(place.redisUrl, PREFIX);
  try {
    await fleet.start(1);
    const before = new Set([...(await operator.ids("dead")), ...(await operator.ids("scheduled"))]);
    const emitted = await emitAll(events);
    const ids = emitted.jobs.map(({ id }) => id);
    const openJobs = async (): Promise<number> => {
      const resting = await restingIds(operator);
      return ids.filter((id) => !resting.has(id)).length;
    };
    const open = await openJobs();
    await eventually(async () => (await openJobs()) === 0, STALLED_MS + (events * slowMs) / 2);
    const isNew = (id: string): boolean => !before.has(id);
    const dead = (await operator.ids("dead")).filter(isNew);
    const completed = new Set(await operator.ids("completed"));
    return {
      events: events + 1,
      jobs: ids.length,
      emitMs: emitted.emitMs,
      open,
      completed: ids.filter((id) => completed.has(id)).length,
      retried: new Set(outside.calls.filter(({ status }) => status === 503).map(({ key }) => key)).size,
      dead: await Promise.all(dead.map(async (id) => (await operator.show(id)).attempts)),
      toPartner: emitted.jobs.filter(({ observer }) => observer === "partner-feed").length,
      tomorrow: (await operator.ids("scheduled")).filter(isNew).length,
      most: outside.most,
      doubled: emitted.doubled,
      refusals: outside.calls.filter(({ status }) => status === 503).length,
      metrics: metricsOf(await scrape(port)),
    };
  } finally {
    await fleet.stopAll();
    await client.close();
    operator.close();
    await outside.close();
  }
}

function metricsOf(text: string): EventAccount["metrics"] {
  const executed = (outcome: string): number =>
    total(text, "taskweft_job_executed_total", `outcome="${outcome}"`);
  return {
    completed: executed("completed"),
    dead: executed("dead"),
    retried: executed("retry"),
    gone: total(text, "taskweft_job_failed_total", 'error_type="Refused"'),
  };
}

interface Emitted {
  readonly jobs: readonly { readonly id: string; readonly observer: string }[];
  readonly emitMs: EventAccount["emitMs"];
  readonly doubled: number;
}

async function emitAll(events: number): Promise<Emitted> {
  const times: number[] = [];
  const jobs: { readonly id: string; readonly observer: string }[] = [];
  const last = { userId: randomUUID(), email: "ada@example.com", plan: "pro" } as const;
  // The first call of a connection is no measure of the others.
  const first = await emitUserSignedUp(last, { id: `signed-up-${last.userId}` });
  jobs.push(...first.jobs);
  for (let n = 0; n < events; n++) {
    const from = performance.now();
    const result = await emitOrderCreated({
      orderId: randomUUID(),
      email: `customer-${n}@example.com`,
      total: (n % 10) * 200,
      currency: n % 2 === 0 ? "EUR" : "NGN",
      country: n % 5 === 0 ? "NG" : "DE",
      ...(n % 4 === 0 ? { coupon: "SPRING" } : {}),
    });
    times.push(performance.now() - from);
    jobs.push(...result.jobs);
  }
  const again = await emitUserSignedUp(last, { id: first.id });
  times.sort((a, b) => a - b);
  const at = (share: number): number =>
    times[Math.min(times.length - 1, Math.floor(times.length * share))] ?? 0;
  return {
    jobs,
    emitMs: { median: at(0.5), p99: at(0.99), longest: at(1) },
    doubled: again.jobs.filter(({ deduplicated }) => !deduplicated).length,
  };
}

/** Jobs that have ended, or wait for their day. The others move between lists while they are looked for, and may be seen in none. */
async function restingIds(operator: Operator): Promise<ReadonlySet<string>> {
  const states = ["completed", "dead", "scheduled"] as const;
  return new Set((await Promise.all(states.map((state) => operator.ids(state)))).flat());
}
