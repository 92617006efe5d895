// Random histories of jobs with dedupe keys, played on Redis and on a model. After every move both agree on every job's place, time
// and payload, fsck finds nothing, and of no key there are more jobs than its mode allows.
import fc from "fast-check";
import { expect, test } from "vitest";
import type { LimitedGroup } from "../../runtime/definition/index.js";
import { TOMBSTONE } from "../../runtime/protocol/index.js";
import { problemsOf } from "../support/fsck.js";
import type { Shard } from "../support/shard.js";
import { DedupeModel, isLive, type ModelEnqueue, type ModelJob } from "./dedupe-model.js";
import { HOUR_MS, item, runText, useShards, type ShardBench } from "./shard-bench.js";

const setup = useShards();

const RUNS = Number(process.env["DEDUPE_RUNS"] ?? 150);
const SEED = Number(process.env["DEDUPE_SEED"] ?? Date.now() % 2 ** 31);

const MINUTE_MS = 60_000;
// No sum of these is zero, so that what is due and what is not never depends on the milliseconds of a run.
const WAIT_MS = 40 * MINUTE_MS;
const MAX_WAIT_MS = 70 * MINUTE_MS;
const DELAY_MS = 50 * MINUTE_MS;
const AGE_MS = 30 * MINUTE_MS;
const RULES = [
  { key: "!a:task u", mode: "unfinished" },
  { key: "!a:task w", mode: "waiting" },
  { key: "!a:task@q r", mode: "replace" },
  { key: "!a:task@q d", mode: "debounce" },
  // With a limit: what is replaced may stand at the gate.
  { key: "!a:task wl", mode: "waiting", limited: true },
  { key: "!a:task@q rl\na:task l", mode: "replace", limited: true },
  { key: "!a:task@q dl\na:task l", mode: "debounce", limited: true },
] as const;

type Limits = Omit<LimitedGroup, "name">;
const LIMITS: readonly Limits[] = [{ limit: 1 }, { limit: 1, turns: true }, { turns: true }];
const LIMITED: ReadonlySet<string> = new Set(RULES.flatMap((rule) => ("limited" in rule ? [rule.key] : [])));

/** What the histories came upon, so that they do not agree about nothing. */
const reached = new Set<string>();

class History {
  readonly model = new DedupeModel();
  readonly bench: ShardBench;
  /** Of the jobs with a limit. */
  readonly group: LimitedGroup;
  worker = "A0";
  #counter = 0;

  constructor(bench: ShardBench, limits: Limits) {
    this.bench = bench;
    this.group = { name: "a:task l", ...limits };
  }

  next(): number {
    return ++this.#counter;
  }

  async now(): Promise<number> {
    return (await this.bench.shard()).nowMs;
  }

  one(n: number, accept: (job: ModelJob) => boolean): ModelJob | undefined {
    const jobs = [...this.model.jobs.values()].filter(accept);
    return jobs[n % Math.max(1, jobs.length)];
  }
}

const isActive = ({ place }: ModelJob): boolean => place === "active";
const isThere = ({ place }: ModelJob): boolean => place !== "gone";

type Numbers = readonly [number, number, number];
type Move = (history: History, numbers: Numbers) => Promise<void>;

const MOVES: Readonly<Record<string, Move>> = {
  enqueue: async (history, [a, b, c]) => {
    const enqueues = Array.from({ length: 1 + (a % 3) }, (_unused, i): ModelEnqueue => {
      const { key, mode } = RULES[(b + (c % 2) * i) % RULES.length]!;
      const payload = history.next();
      const delay = mode === "debounce" ? WAIT_MS : (c + i) % 3 === 0 ? DELAY_MS : 0;
      return { id: `j${payload}`, key, mode, payload, delay };
    });
    const items = enqueues.map(({ id, key, mode, payload, delay }) =>
      item(id, {
        key,
        payload: { n: payload },
        due: delay === 0 ? "" : `+${delay}`,
        keyTtlMs: MAX_WAIT_MS,
        dedupe: { mode, keepCancelledMs: HOUR_MS },
        options: { at: payload },
        ...(LIMITED.has(key) ? { group: history.group } : {}),
      }),
    );
    const call = history.next();
    const reply = await history.bench.send(items, call);
    const told = new Map(
      reply.known.map((one) => [one.item.id, `${one.existing}${one.replaced ? " replaced" : ""}`]),
    );
    for (const one of enqueues)
      expect(told.get(one.id)).toBe(history.model.enqueue(one, reply.nowMs, MAX_WAIT_MS));
    for (const { mode, id } of enqueues)
      reached.add(
        `${mode} ${told.has(id) ? (told.get(id)!.endsWith(" replaced") ? "replaced" : "existing") : "stored"}`,
      );
    if (c % 5 === 0) expect(await history.bench.send(items, call)).toEqual(reply);
  },
  claim: async (history, [a]) => {
    const { bench, model, worker } = history;
    await bench.register(worker);
    const reply = await bench.advance(worker, { want: 1 + (a % 4) });
    if (reply === "LOST") throw new Error("expected a lease");
    model.promote(await history.now());
    const { jobs, runs } = await bench.shard();
    for (const id of reply.ids) {
      if (jobs[id] === TOMBSTONE || runs[id]?.includes('"cancelled",1') === true)
        await bench.discard(worker, [id]);
      else {
        expect(model.jobs.get(id)?.place).toBe("pending");
        model.start(model.jobs.get(id)!);
      }
    }
  },
  complete: async (history, [a, b]) => {
    const job = history.one(a, isActive);
    if (job === undefined) return;
    const { id } = job;
    const kept =
      b % 2 === 0 ? [{ id, run: runText({ attempts: 1, state: "completed" }), keepMs: HOUR_MS }] : [];
    const reply = await history.bench.advance(history.worker, {
      kept,
      dropped: kept.length === 0 ? [id] : [],
    });
    expect(reply).not.toBe("LOST");
    history.model.promote(await history.now());
    history.model.end(job, "completed");
    if (kept.length === 0) job.place = "gone";
  },
  fail: async (history, [a, b]) => {
    const job = history.one(a, isActive);
    if (job === undefined) return;
    const kind = (["retry", "retry", "sleep", "dead"] as const)[b % 4]!;
    const outcome = kind === "sleep" ? "retry" : kind;
    const at = history.next();
    const events = [
      kind === "sleep" ? ([at, "slept", at + 1] as const) : ([at, "failed", 1, "E", "m", "s"] as const),
    ];
    const run = runText({ attempts: 1, state: kind === "sleep" ? "pending" : kind, events });
    const reply = await history.bench.fail(history.worker, job.id, outcome, { run, ms: DELAY_MS });
    expect(reply).toBe(history.model.fail(job, kind, await dueOf(history, job.id)));
  },
  crash: async (history, [a]) => {
    const { bench, model } = history;
    const held = [...model.jobs.values()].filter(isActive);
    const crashed = a % 2 === 0;
    await bench.register(history.worker);
    if (crashed) await bench.endLease(history.worker);
    const call = { reason: crashed ? "crashed" : "handed-back", maxCrashes: 99 } as const;
    await bench.reclaim(
      history.worker,
      held.map(({ id }) => id),
      call,
    );
    for (const job of held) model.takeBack(job, crashed);
    if (!crashed) return;
    await bench.reclaim(history.worker, [], call);
    history.worker = `A${history.next()}`;
  },
  cancel: async ({ bench, model }, [a, b]) => {
    const job = [...model.jobs.values()].filter((one) => isLive(one) && !isActive(one))[a % 7];
    if (job === undefined) return;
    expect(await bench.cancel(job.id, b % 3 === 0 ? 0 : HOUR_MS)).toBe("CANCELLED");
    model.end(job, "cancelled");
    if (b % 3 === 0) job.place = "gone";
  },
  remove: async (history, [a]) => {
    const job = history.one(a, (one) => isThere(one) && !isActive(one));
    if (job === undefined) return;
    expect(await history.bench.remove(job.id)).toBe("REMOVED");
    history.model.remove(job);
  },
  retry: async (history, [a]) => {
    const job = history.one(a, isThere);
    if (job === undefined) return;
    const reply = await history.bench.retry(job.id);
    const text =
      typeof reply === "string"
        ? reply
        : "state" in reply
          ? `STATE ${reply.state}`
          : `KEY ${"keyOwner" in reply && reply.keyOwner}`;
    expect(text).toBe(history.model.retry(job, await history.now()));
  },
  age: async ({ bench, model }) => {
    for (const set of [bench.keys.queue("q").due, bench.keys.keysExpiry])
      for (const member of await bench.redis.zrange(set, 0, "-1"))
        await bench.redis.zincrby(set, -AGE_MS, member);
    for (const job of model.jobs.values()) job.due -= AGE_MS;
    for (const [key, end] of model.ends) model.ends.set(key, end - AGE_MS);
  },
  sweep: async ({ bench, model }) => {
    await bench.sweep();
    const shard = await bench.shard();
    for (const [key, end] of model.ends) {
      if (end > shard.nowMs) continue;
      const job = model.jobs.get(model.keys.get(key) ?? "");
      if (job !== undefined && isLive(job)) model.ends.set(key, shard.keysExpiry[key]!);
      else [model.keys, model.ends].forEach((map) => map.delete(key));
    }
  },
};

async function dueOf({ bench }: History, id: string): Promise<number> {
  return (await bench.shard()).due["q"]?.[id] ?? 0;
}

function seen(shard: Shard): Record<string, unknown> {
  const at = new Map<string, string>();
  for (const id of shard.pending["q"] ?? []) at.set(id, "pending");
  for (const member of shard.waiting) at.set(member.split(" ").at(-1)!, "pending");
  for (const [id, due] of Object.entries(shard.due["q"] ?? {})) at.set(id, `due ${due}`);
  for (const id of Object.keys(shard.active)) at.set(id, "active");
  const live = Object.entries(shard.jobs).filter(([id, record]) => {
    const state = /^\[\d+,\d+,"(\w+)"/.exec(shard.runs[id] ?? "")?.[1] ?? "pending";
    return record !== TOMBSTONE && (state === "pending" || state === "retry");
  });
  return Object.fromEntries(
    live.map(([id, record]) => [id, [at.get(id), Number(/"n":(\d+)/.exec(record)?.[1])]]),
  );
}

async function check({ bench, model }: History): Promise<void> {
  const shard = await bench.shard();
  expect(problemsOf(shard)).toEqual([]);
  const expected = model
    .live()
    .map((job) => [job.id, [job.place === "due" ? `due ${job.due}` : job.place, job.payload]]);
  expect(seen(shard)).toEqual(Object.fromEntries(expected));
  expect(shard.keys).toEqual(Object.fromEntries(model.keys));
  for (const { key, mode } of RULES) {
    // One that a worker hands back waits again beside the one that came after it; only where the latest wins, it is cancelled.
    if (mode === "waiting" || (mode !== "unfinished" && model.freed.has(key))) continue;
    const jobs = model.live().filter((job) => job.key === key && (mode === "unfinished" || isUnbegun(job)));
    expect(jobs.length, `jobs of ${key}`).toBeLessThanOrEqual(1);
  }
}

function isUnbegun({ begun, place }: ModelJob): boolean {
  return !begun && place !== "active";
}

const small = fc.nat({ max: 60 });
const oneMove = fc.record({
  move: fc.oneof(
    { weight: 5, arbitrary: fc.constantFrom("enqueue", "enqueue", "claim") },
    { weight: 4, arbitrary: fc.constantFrom(...Object.keys(MOVES)) },
  ),
  numbers: fc.tuple(small, small, small),
});
const histories = fc.array(oneMove, { maxLength: 40, size: "max" });

test(`${RUNS} histories from seed ${SEED} agree with the model`, { timeout: 300_000 }, async () => {
  const bench = setup();
  const property = fc.asyncProperty(histories, fc.constantFrom(...LIMITS), async (moves, limits) => {
    await bench.redis.flushdb();
    const history = new History(bench, limits);
    for (const { move, numbers } of moves) {
      await MOVES[move]!(history, numbers);
      await check(history);
    }
  });
  await fc.assert(property, { numRuns: RUNS, seed: SEED });
  expect([...reached].toSorted()).toEqual([
    "debounce replaced",
    "debounce stored",
    "replace replaced",
    "replace stored",
    "unfinished existing",
    "unfinished stored",
    "waiting existing",
    "waiting stored",
  ]);
});
