// The moves of the property test: each is played on the model and on Redis, and everything that can be seen is compared.
import fc from "fast-check";
import { expect } from "vitest";
import type { EnqueueItem, EnqueueReply } from "../../runtime/scripts/index.js";
import { problemsOf } from "../support/fsck.js";
import { HOUR_MS, item, runText, type ShardBench } from "./shard-bench.js";
import { MAX_CRASHES, QUEUES, ShardModel, type ModelItem, type ModelRun } from "./shard-model.js";
import { purge, PURGES } from "./shard-purge.js";
import { modelTell } from "./shard-waits.js";
import { seenInModel, seenInRedis } from "./shard-view.js";
import { emit, listenTo } from "./wait-moves.js";

/** The keys of the history: one that lasts, one that ends at once, one that its dead job holds; and one of each dedupe mode. */
const KEYS: readonly Pick<ModelItem, "key" | "hold" | "expired" | "dedupe">[] = [
  { key: "", hold: false, expired: false },
  { key: "a:task lasts", hold: false, expired: false },
  { key: "a:task ends", hold: false, expired: true },
  { key: "a:task held", hold: true, expired: false },
  { key: "!a:task u", hold: false, expired: false, dedupe: "unfinished" },
  { key: "!a:task u-asked-soon", hold: false, expired: true, dedupe: "unfinished" },
  { key: "!a:task w", hold: false, expired: false, dedupe: "waiting" },
  { key: "!a:task@QUEUE r", hold: false, expired: false, dedupe: "replace" },
  { key: "!a:task@QUEUE d", hold: false, expired: false, dedupe: "debounce" },
];

/** One history: what both sides have seen so far. */
export class History {
  readonly model = new ShardModel();
  readonly bench: ShardBench;
  /** Current names of two worker processes; a name is never used again. */
  readonly workers = ["A0", "B0"];
  #counter = 0;
  /** The last enqueue, to be sent again. */
  last: { items: readonly EnqueueItem[]; call: number; known: unknown } | undefined;

  constructor(bench: ShardBench) {
    this.bench = bench;
  }

  /** Grows with each use: ids, names, and due times in the past whose order is known. */
  next(): number {
    return ++this.#counter;
  }
}

async function enqueueAll(history: History, items: readonly ModelItem[]): Promise<void> {
  const call = history.next();
  const sent = items.map((one) => toItem(history, one));
  const reply = await history.bench.send(sent, call);
  const known = answersOf(reply);
  expect(known).toEqual(history.model.enqueue(items));
  history.last = { items: sent, call, known };
}

async function resendLast({ bench, last }: History): Promise<void> {
  if (last === undefined) return;
  const reply = await bench.send(last.items, last.call);
  expect(answersOf(reply)).toEqual(last.known);
}

function answersOf({ known }: EnqueueReply): [id: string, answer: string | undefined][] {
  return known.map((entry) => [
    entry.item.id,
    entry.existing === undefined ? undefined : `${entry.existing}${entry.replaced ? " replaced" : ""}`,
  ]);
}

async function compare({ bench, model }: History): Promise<void> {
  const shard = await bench.shard();
  expect(problemsOf(shard)).toEqual([]);
  expect(seenInRedis(shard)).toEqual(seenInModel(model));
  for (const unique of ["a:task lasts", "!a:task u", "!a:task u-asked-soon"]) {
    const holders = [...model.jobs.values()].filter(
      ({ item: { key }, run }) => key === unique && (run === undefined || isLive(run)),
    );
    expect(holders.length, `live jobs of ${unique}`).toBeLessThanOrEqual(1);
  }
}

function toItem(
  history: History,
  { id, queue, key, hold, expired, dedupe, payload, ownId, due }: ModelItem,
): EnqueueItem {
  return item(id, {
    queue,
    key,
    payload,
    ownId,
    keyTtlMs: expired ? 0 : HOUR_MS,
    dedupe: dedupe === undefined ? undefined : { mode: dedupe, keepCancelledMs: HOUR_MS },
    due: due === undefined ? "" : due === Infinity ? `+${HOUR_MS}` : String(due),
    options: { at: history.next(), ...(hold ? { hold: 1 } : {}) },
  });
}

type Numbers = readonly [number, number, number, number];
type Move = (history: History, numbers: Numbers) => Promise<void>;

function pick<Value>(list: readonly Value[], n: number): Value {
  return list[n % list.length]!;
}

function anyId({ model }: History, n: number): string {
  return pick([...model.jobs.keys(), ...model.tombstones, "never"], n);
}

/** A worker that holds a lease in the eyes of the model, registered first when it has none. */
async function workerOf(history: History, n: number): Promise<string> {
  const slot = n % history.workers.length;
  const { model, bench } = history;
  if (model.isLost(history.workers[slot]!) && model.held(history.workers[slot]!, "all").length === 0) {
    history.workers[slot] = `${"AB"[slot]}${history.next()}`;
    model.leases.set(history.workers[slot], "held");
    await bench.register(history.workers[slot]);
  }
  return history.workers[slot]!;
}

const enqueueMove: Move = async (history, [a, b, c, d]) => {
  const items = Array.from({ length: 1 + (a % 3) }, (_unused, i): ModelItem => {
    const ownId = (b + i) % 2 === 0;
    const queue = pick(QUEUES, d + i);
    const key = pick(KEYS, b + c + i * (a % 2));
    return {
      id: ownId ? `own${(c + i) % 3}` : `new${history.next()}`,
      queue,
      ...key,
      key: key.key.replace("QUEUE", queue),
      payload: ownId ? Number((a + d) % 5 === 0) : history.next(),
      ownId,
      due:
        key.dedupe === "debounce"
          ? Infinity
          : pick([undefined, undefined, history.next(), Infinity], c + d + i),
    };
  });
  await enqueueAll(history, items);
};

const advanceMove: Move = async (history, [a, b, c, d]) => {
  const { model, bench } = history;
  const worker = await workerOf(history, a);
  // Now and then it acknowledges what the other one holds, which must change nothing.
  const runnable = model.held(d % 5 === 0 ? history.workers[(a + 1) % 2]! : worker, "runnable");
  const dropped = runnable.slice(0, b % 3);
  const kept = runnable.slice(b % 3, (b % 3) + (c % 3));
  const want = d % 6;
  const quotas = { x: Math.floor(want / 2), y: want - Math.floor(want / 2) };
  const reply = await bench.advance(worker, {
    leaseMs: HOUR_MS,
    want,
    dropped,
    kept: kept.map((id) => ({
      id,
      run: nextRun(model.runOf(id), "completed", "completed"),
      keepMs: HOUR_MS,
    })),
    quotas: QUEUES.map((queue) => ({ queue, quota: quotas[queue] })),
  });
  if (model.isLost(worker)) {
    expect(reply).toBe("LOST");
    return;
  }
  model.leases.set(worker, "held");
  model.acknowledge(worker, dropped, kept);
  model.promote();
  const ids = model.claim(worker, want, quotas);
  const more =
    ids.length === want &&
    want > 0 &&
    QUEUES.some((q) => !model.paused.has(q) && model.pending[q]!.length > 0);
  expect(reply).toMatchObject({ ids, more });
};

const failMove: Move = async (history, [a, b, c, d]) => {
  const { model, bench } = history;
  const worker = pick(history.workers, a);
  const id = pick(
    [...model.held(worker, "runnable"), ...(d % 4 === 0 ? [...model.jobs.keys()] : []), "never"],
    b,
  );
  if (model.held(worker, "holes").includes(id)) return;
  const outcome = pick(["retry", "retry", "dead", "cancelled"] as const, c);
  const dueAt = d % 2 === 0 ? Infinity : history.next();
  const queue = model.jobs.get(id)?.item.queue ?? "x";
  const run = nextRun(model.runOf(id), outcome, "failed");
  const reply = await bench.fail(worker, id, outcome, { queue, run, ms: HOUR_MS });
  expect(reply).toEqual(model.fail(worker, id, outcome, dueAt));
  // Time passes until it is due, so that the order in which jobs fall due is known.
  if (reply === "retry" && dueAt !== Infinity)
    await bench.redis.zadd(bench.keys.queue(queue).due, "XX", dueAt, id);
};

const reclaimMove: Move = async (history, [a, b, c]) => {
  const { model, bench } = history;
  const worker = pick(history.workers, a);
  const ids = [
    ...model.held(worker, "all"),
    ...model.held(pick(history.workers, a + 1), "all").slice(0, 1),
    "never",
  ];
  const call = { queues: [...QUEUES], maxCrashes: MAX_CRASHES };
  if (model.leases.get(worker) === "held") {
    const crash = await bench.reclaim(worker, ids, call);
    expect(crash).toBe("ALIVE");
  }
  if (b % 3 === 0) {
    const part = ids.slice(0, 1 + (c % 2));
    const taken = model.reclaim(worker, part, false);
    expect(await bench.reclaim(worker, part, { ...call, reason: "handed-back" })).toMatchObject({ taken });
    return;
  }
  if (!model.leases.has(worker)) return;
  model.leases.set(worker, "ended");
  await bench.endLease(worker);
  if (b % 3 === 1) return; // nobody reaps it yet
  expect(await bench.reclaim(worker, ids, call)).toEqual({
    taken: model.reclaim(worker, ids, true),
    unknownQueues: [],
  });
  if (c % 2 === 0) return; // the reaper dies before it is done
  model.leases.delete(worker);
  expect(await bench.reclaim(worker, [], call)).toMatchObject({ taken: 0 });
};

const queued = (model: ShardModel, id: string) => model.jobs.get(id)?.item.queue ?? "x";

const MOVES: Readonly<Record<string, Move>> = {
  enqueue: enqueueMove,
  resend: resendLast,
  advance: advanceMove,
  work: (history, [a, b, c]) => advanceMove(history, [a, b, c, 5 + 6 * c]),
  fail: failMove,
  reclaim: reclaimMove,
  runAlone: async ({ model, bench, workers }, [a, b, c]) => {
    const worker = pick(workers, a);
    // Now and then one that another worker holds.
    const held = model.held(c % 5 === 0 ? pick(workers, a + 1) : worker, "runnable");
    const id = pick([...held, "never"], b);
    const reply = await bench.runAlone(worker, id);
    expect(reply.startsWith("[") ? "noted" : reply).toBe(model.runAlone(worker, id));
  },
  cancel: async (history, [a, b]) => {
    const id = anyId(history, a);
    const keep = b % 4 !== 0;
    const queue = queued(history.model, id);
    expect(await history.bench.cancel(id, keep ? HOUR_MS : 0, queue)).toEqual(history.model.cancel(id, keep));
  },
  retry: async (history, [a]) => {
    const id = anyId(history, a);
    const queue = queued(history.model, id);
    expect(await history.bench.retry(id, queue)).toEqual(history.model.retry(id));
  },
  remove: async (history, [a]) => {
    const id = anyId(history, a);
    const queue = queued(history.model, id);
    expect(await history.bench.remove(id, queue)).toEqual(history.model.remove(id));
  },
  purge: async ({ model, bench }, [a, b]) => {
    const queue = pick(QUEUES, a);
    const what = pick(PURGES, b);
    // Seldom all that waits: other histories have to go on.
    if (what[0] === "pending" && b % 2 === 0) return;
    const reply = await bench.purge(what[0], what[1], { queue });
    expect(reply).toMatchObject({ removed: purge(model, queue, what), steps: 0 });
  },
  discard: async (history, [a, b]) => {
    const { model, bench } = history;
    const worker = pick(history.workers, a);
    const runnable = model.held(worker, "runnable").filter((id) => !model.cancels.has(id));
    for (const id of [...model.held(worker, "holes"), ...runnable.slice(0, b % 2)]) {
      const queue = queued(model, id);
      expect(await bench.discard(worker, [id], queue)).toBe(model.discard(worker, [id]));
    }
  },
  await: async (history, [a, b]) => {
    const id = anyId(history, a);
    const client = pick(["one", "two"], b);
    const reply = await history.bench.await(id, client);
    expect(typeof reply === "string" ? reply : "ended").toBe(history.model.await(id, client));
  },
  beat: async ({ model, bench, workers }, [a]) => {
    const worker = pick(workers, a);
    const reply = await bench.beat(worker);
    if (model.isLost(worker)) expect(reply).toBe("LOST");
    else {
      model.leases.set(worker, "held");
      const cancels = expect.toSatisfy((ids: string[]) =>
        model.held(worker, "all").every((id) => model.cancels.has(id) === ids.includes(id)),
      ) as string[];
      expect(reply).toMatchObject({ cancels });
    }
  },
  saveStep: async ({ model, bench, workers }, [a, b, c, d]) => {
    const worker = pick(workers, a);
    const id = pick(
      [...model.held(worker, "runnable"), ...(d % 4 === 0 ? model.jobs.keys() : []), "never"],
      b,
    );
    // Results that hold what a careless search would take for a name.
    const result = pick([c, 'x\n["one"', [["two", 1]], null], c);
    const name = pick(["one", "two"], d);
    expect(await bench.saveStep(worker, id, name, result)).toBe(model.saveStep(worker, id, name, result));
  },
  listen: async ({ model, bench, workers }, [a, b, c, d]) => {
    const worker = pick(workers, a);
    const id = pick([...model.held(worker, "runnable"), ...(d % 4 === 0 ? model.jobs.keys() : [])], b);
    const [name, queue] = [pick(["one", "two", "three"], c), model.jobs.get(id)?.item.queue];
    if (queue === undefined) return;
    const reply = await listenTo(bench, worker, id, { name, queue });
    const seen = typeof reply === "string" ? reply : "until" in reply ? "until" : "event";
    expect(seen).toBe(model.listen(worker, id, name));
  },
  tell: async ({ model, bench }, [a]) => {
    const event = pick(["e1", "e2", "e3"], a);
    const { jobs } = await emit(bench, event, { queues: QUEUES });
    expect([...new Set(jobs)].toSorted()).toEqual(modelTell(model, event));
  },
  note: async (history, [a, b, c, d]) => {
    const { model, bench, workers } = history;
    const worker = pick(workers, a);
    const held = model.held(d % 4 === 0 ? pick(workers, a + 1) : worker, "runnable").slice(0, b % 3);
    const ids = [...held, "never"];
    const progress = Object.fromEntries(ids.map((id) => [id, c]));
    expect(await bench.note(worker, progress)).toBe(model.note(worker, ids, c));
  },
  pause: async ({ model, bench }, [a]) => {
    model.paused.add(pick(QUEUES, a));
    await bench.redis.hset(bench.keys.paused, pick(QUEUES, a), 1);
  },
  resume: async ({ model, bench }, [a]) => {
    model.paused.delete(pick(QUEUES, a));
    await bench.redis.hdel(bench.keys.paused, pick(QUEUES, a));
  },
  sweep: async ({ model, bench }, [a]) => {
    if (a % 2 === 0) {
      for (const [index, key] of [
        [model.done, bench.keys.done] as const,
        [model.dead, bench.keys.dead] as const,
      ]) {
        for (const id of index) {
          model.faded.add(id);
          await bench.redis.zadd(key, "XX", 1, id);
        }
      }
    }
    expect(await bench.sweep()).toMatchObject(model.sweep());
  },
  timePasses: async (history) => {
    for (const queue of QUEUES) {
      for (const id of history.model.due[queue]!.keys()) {
        const at = history.next();
        history.model.due[queue]!.set(id, at);
        await history.bench.redis.zadd(history.bench.keys.queue(queue).due, "XX", at, id);
      }
    }
  },
};

/** A move as it is printed when a history fails. */
export interface PlannedMove {
  readonly move: string;
  readonly numbers: Numbers;
}

const small = fc.nat({ max: 30 });
const oneMove = fc.record({
  move: fc.oneof(
    { weight: 3, arbitrary: fc.constantFrom("enqueue", "work") },
    { weight: 5, arbitrary: fc.constantFrom(...Object.keys(MOVES)) },
  ),
  numbers: fc.tuple(small, small, small, small),
});

/** Histories of up to 30 moves. */
export const histories: fc.Arbitrary<PlannedMove[]> = fc.array(oneMove, { maxLength: 30, size: "max" });

export async function play(bench: ShardBench, moves: readonly PlannedMove[]): Promise<void> {
  const history = new History(bench);
  for (const { move, numbers } of moves) {
    await MOVES[move]!(history, numbers);
    await compare(history);
  }
}

function isLive(run: ModelRun): boolean {
  return run.state === "pending" || run.state === "retry";
}

function nextRun(run: ModelRun, state: ModelRun["state"], kind: string): string {
  const events = [...run.kinds, kind].map((name) => [1, name] as unknown as [1, "cancelled"]);
  const detail = state === "completed" ? { list: [], map: {}, text: "\ud83d" } : null;
  return runText({ attempts: run.attempts + 1, crashes: run.crashes, state, detail, events });
}
