// Random histories of jobs with limits. After every move: no more than the limit of a group holds a slot, the slots are those
// of the jobs that hold them (fsck), no window of time has more starts than a rate, nobody gets a job twice, and first starts under a
// limit of one are in order. In the end everything drains.
import fc from "fast-check";
import { expect, test } from "vitest";
import { parseSlots, TOMBSTONE } from "../../runtime/protocol/index.js";
import { problemsOf } from "../support/fsck.js";
import type { Script, ScriptArgument, ScriptRunner } from "../../runtime/scripts/index.js";
import type { Shard } from "../support/shard.js";
import { HOUR_MS, runText, ShardBench, useShards, type NewJob } from "./shard-bench.js";
import { timePasses } from "./shard-time.js";

const setup = useShards();

const RUNS = Number(process.env["GATE_RUNS"] ?? 150);
const SEED = Number(process.env["GATE_SEED"] ?? Date.now() % 2 ** 31);

const QUEUES = ["q", "other"] as const;
const LIMITS: Readonly<Record<string, number>> = {
  "a:task": 1,
  "b:task": 2,
  "@q": 2,
  "c:task": 5,
  "d:task": 4,
};
/** Jobs of these tasks stand in both queues. */
const RATES: Readonly<Record<string, number | undefined>> = { "c:task": undefined, "d:task": 6 };
const GROUPS = [
  "a:task k",
  "c:task k",
  "a:task l",
  "c:task k",
  "b:task k",
  "d:task k",
  "b:task ",
  "c:task k",
  undefined,
  "@q ",
];
const TASKS = ["a:task", "b:task", "c:task", "d:task"] as const;
/** The queues that a claim serves, in their order. */
const SERVED = [QUEUES, ["other", "q"], ["other"], ["q"], []] as const;
const WINDOW = 3;
const ENDED = new Set(["completed", "dead", "cancelled"]);

class History {
  readonly bench: ShardBench;
  readonly #workers = ["A0", "B0"];
  /** Ids in the order in which they came, with their group and queue. */
  readonly made = new Map<string, { readonly group: string | undefined; readonly queue: string }>();
  readonly started: string[] = [];
  /** When jobs with a rate have started, in parts of the window. */
  readonly #starts: { readonly task: string; readonly at: number }[] = [];
  #now = 0;
  /** Groups in whose order a due time, another queue, a crash or a retry by a person has meddled. */
  readonly unordered = new Set<string>();
  #counter = 0;

  constructor(bench: ShardBench) {
    this.bench = bench;
  }

  next(): number {
    return ++this.#counter;
  }

  async worker(n: number): Promise<string> {
    const name = this.#workers[n % 2]!;
    if ((await this.bench.redis.zscore(this.bench.keys.leases, name)) === null)
      await this.bench.register(name);
    return name;
  }

  lose(worker: string): void {
    const slot = this.#workers.indexOf(worker);
    this.#workers[slot] = `${worker[0]}${this.next()}`;
  }

  any(n: number): string {
    return [...this.made.keys(), "never"][n % (this.made.size + 1)]!;
  }

  queueOf(id: string): string {
    return this.made.get(id)?.queue ?? "q";
  }

  async pass(): Promise<void> {
    this.#now += 1;
    await timePasses(this.bench, HOUR_MS / WINDOW);
  }

  async claim(worker: string, want: number, dropped: readonly string[], order = 0): Promise<void> {
    const quotas = SERVED[order % SERVED.length]!.map((queue) => ({ queue, quota: Math.ceil(want / 2) }));
    const reply = await this.bench.advance(worker, { want, dropped, quotas });
    if (reply === "LOST") throw new Error(`expected ${worker} to have its lease`);
    if (new Set(reply.ids).size < reply.ids.length)
      throw new Error(`claimed twice in one call: ${reply.ids.join(", ")}`);
    const { jobs, runs, groups } = await this.bench.shard();
    const holes = reply.ids.filter((id) => jobs[id] === TOMBSTONE || isHole(runs[id]));
    for (const id of holes) await this.bench.discard(worker, [id], this.queueOf(id));
    // None of a task that was paused before the call.
    const closed = TASKS.filter((task) => groups[`!${task}`] !== undefined);
    const taskOf = (id: string): string => /^\[1,"([^"]*)"/.exec(jobs[id] ?? "")?.[1] ?? "";
    const wrong = reply.ids.filter((id) => !holes.includes(id) && closed.some((task) => task === taskOf(id)));
    if (wrong.length > 0) throw new Error(`claimed of a paused task: ${wrong.join(", ")}`);
    this.#countStarts(reply.ids.filter((id) => !holes.includes(id)));
    this.started.push(...reply.ids.filter((id) => !holes.includes(id) && !this.started.includes(id)));
  }

  #countStarts(ids: readonly string[]): void {
    for (const id of ids) {
      const task = this.made.get(id)?.group?.split(" ")[0] ?? "";
      const most = RATES[task];
      if (most === undefined) continue;
      this.#starts.push({ task, at: this.#now });
      const recent = this.#starts.filter((one) => one.task === task && one.at > this.#now - WINDOW);
      if (recent.length > most) throw new Error(`${recent.length} starts of ${task} in a window`);
    }
  }
}

function isHole(run: string | undefined): boolean {
  return run?.includes('"cancelled",1') === true;
}

function heldBy(shard: Shard, worker: string): string[] {
  return Object.keys(shard.active).filter((id) => shard.active[id] === worker);
}

type Numbers = readonly [number, number, number];
type Move = (history: History, numbers: Numbers) => Promise<void>;

const MOVES: Readonly<Record<string, Move>> = {
  enqueue: async (history, [a, b, c]) => {
    const jobs: Record<string, NewJob> = {};
    for (let i = 0; i <= a % 5; i += 1) {
      const id = `j${history.next()}`;
      const name = GROUPS[(b + i) % GROUPS.length];
      const owner = name?.split(" ")[0] ?? "";
      const isOther = c % 11 === 0 || owner in RATES;
      const queue = QUEUES[isOther && name !== "@q " ? (a + i) % 2 : 0]!;
      const task = TASKS.find((one) => one === owner) ?? TASKS[name === "@q " ? (a + 1) % 2 : 0]!;
      const due = c % 7 === 3 ? ["", "1", `+${HOUR_MS}`][i % 3]! : "";
      const most = RATES[owner];
      const rate = most === undefined ? {} : { rate: { limit: most, perMs: HOUR_MS } };
      const group = name === undefined ? undefined : { name, limit: LIMITS[owner]!, ...rate };
      jobs[id] = { task, queue, due, ...(group === undefined ? {} : { group }) };
      history.made.set(id, { group: name, queue });
      if (due !== "" || queue !== "q") history.unordered.add(name ?? "");
    }
    await history.bench.put(jobs);
  },
  work: async (history, [a, b, c]) => {
    const worker = await history.worker(a);
    await history.claim(worker, a % 6, heldBy(await history.bench.shard(), worker).slice(0, b % 5), c);
  },
  fail: async (history, [a, b, c]) => {
    const worker = await history.worker(a);
    const held = heldBy(await history.bench.shard(), worker);
    const id = held[b % Math.max(1, held.length)];
    if (id === undefined) return;
    const outcome = (["retry", "unserved", "dead", "cancelled"] as const)[c % 4]!;
    const retries = c % 4 < 2;
    const run = runText({ attempts: history.next(), state: outcome === "unserved" ? "retry" : outcome });
    const ms = retries ? (c >> 2) % 2 : c % 3 === 0 ? 0 : HOUR_MS;
    await history.bench.fail(worker, id, outcome, { queue: history.queueOf(id), run, ms });
  },
  /** Jobs of one group in both queues, more than it has slots: the next of it is now of this queue, now of that. */
  crowd: async (history, [a, b]) => {
    const name = b % 4 === 0 ? "d:task k" : "c:task k";
    const task = name.split(" ")[0]!;
    const most = RATES[task];
    const rate = most === undefined ? {} : { rate: { limit: most, perMs: HOUR_MS } };
    const jobs: Record<string, NewJob> = {};
    for (let i = 0; i <= 2 + (a % 5); i += 1) {
      const id = `j${history.next()}`;
      const queue = QUEUES[((a * 7 + b) >> i) % 2]!;
      jobs[id] = { task, queue, group: { name, limit: LIMITS[task]!, ...rate } };
      history.made.set(id, { group: name, queue });
    }
    history.unordered.add(name);
    await history.bench.put(jobs);
  },
  /** Several at once: when they are due, they are before those that wait. */
  retryLater: async (history, [a, b]) => {
    const worker = await history.worker(a);
    for (const id of heldBy(await history.bench.shard(), worker).slice(0, 1 + (b % 3))) {
      const run = runText({ attempts: history.next(), state: "retry" });
      await history.bench.fail(worker, id, "retry", { queue: history.queueOf(id), run, ms: HOUR_MS });
    }
  },
  /** What waits for a time in a queue is due, and no time passes for rates. */
  fallDue: async (history, [a]) => {
    const { bench } = history;
    const { due } = bench.keys.queue(QUEUES[a % 2]!);
    for (const id of await bench.redis.zrange(due, 0, "-1")) await bench.redis.zadd(due, "XX", 1, id);
    for (const { group } of history.made.values()) history.unordered.add(group ?? "");
  },
  crash: async (history, [a, b]) => {
    const worker = await history.worker(a);
    await history.bench.endLease(worker);
    const held = heldBy(await history.bench.shard(), worker);
    const call = { queues: [...QUEUES], maxCrashes: 2 + (b % 2) };
    await history.bench.reclaim(worker, held, call);
    await history.bench.reclaim(worker, [], call);
    history.lose(worker);
    for (const id of held) history.unordered.add(history.made.get(id)?.group ?? "");
  },
  handBack: async (history, [a, b]) => {
    const worker = await history.worker(a);
    const held = heldBy(await history.bench.shard(), worker).slice(0, 1 + (b % 3));
    await history.bench.reclaim(worker, held, { queues: [...QUEUES], reason: "handed-back" });
  },
  cancel: async (history, [a, b]) => {
    const id = history.any(a);
    await history.bench.cancel(id, b % 3 === 0 ? 0 : HOUR_MS, history.queueOf(id));
  },
  remove: async (history, [a]) => {
    const id = history.any(a);
    await history.bench.remove(id, history.queueOf(id));
  },
  purge: async ({ bench }, [a, b]) => {
    const places = [
      ["waiting", "pending"],
      ["pending", "pending"],
      ["due", "retry"],
      ["done", "cancelled"],
    ] as const;
    const more = { queue: QUEUES[a % 2], task: b % 3 === 0 ? TASKS[b % 4] : "" };
    if (a % 3 === 0) await bench.purge(places[b % 4]![0], places[b % 4]![1], more);
  },
  retry: async (history, [a]) => {
    const id = history.any(a);
    history.unordered.add(history.made.get(id)?.group ?? "");
    await history.bench.retry(id, history.queueOf(id));
  },
  pause: async ({ bench }, [a]) => {
    await bench.pause(TASKS[a % 4]);
  },
  resume: async ({ bench }, [a]) => {
    await bench.resume(TASKS[a % 4], QUEUES);
  },
  timePasses: async (history) => {
    const { bench } = history;
    await history.pass();
    for (const queue of QUEUES) {
      const [savings, { groups }] = [`&${queue}`, bench.keys];
      if ((await bench.redis.hexists(groups, savings)) === 1) await bench.redis.hset(groups, savings, "0 ");
      const { due } = bench.keys.queue(queue);
      for (const id of await bench.redis.zrange(due, 0, "-1")) await bench.redis.zadd(due, "XX", 1, id);
    }
  },
  sweep: async ({ bench }, [a]) => {
    for (const id of a % 2 === 0 ? await bench.redis.zrange(bench.keys.done, 0, "-1") : []) {
      await bench.redis.zadd(bench.keys.done, "XX", 1, id);
    }
    await bench.sweep();
  },
};

const small = fc.nat({ max: 60 });
const oneMove = fc.record({
  move: fc.oneof(
    { weight: 4, arbitrary: fc.constantFrom("enqueue", "work") },
    { weight: 3, arbitrary: fc.constantFrom(...Object.keys(MOVES)) },
  ),
  numbers: fc.tuple(small, small, small),
});
const histories = fc.array(oneMove, { maxLength: 40, size: "max" });

async function check({ bench }: History): Promise<Shard> {
  const shard = await bench.shard();
  expect(problemsOf(shard)).toEqual([]);
  expect(Object.keys(shard.groups).filter((field) => /^!.* /.test(field))).toEqual([]);
  for (const [group, held] of Object.entries(shard.groups).filter(([field]) => /^[^%]* /.test(field))) {
    const { held: slots } = parseSlots(held);
    expect({ group, slots }).toSatisfy(() => slots <= LIMITS[group.split(" ")[0]!]!);
  }
  return shard;
}

async function drain(history: History): Promise<void> {
  for (const task of TASKS) await history.bench.resume(task, QUEUES);
  for (let round = 0; ; round += 1) {
    const shard = await check(history);
    const left = Object.keys(shard.jobs).filter((id) => {
      const state = /^\[\d+,\d+,"(\w+)"/.exec(shard.runs[id] ?? "")?.[1] ?? "pending";
      return !ENDED.has(state);
    });
    // Holes hold slots too, until the claim has passed them.
    const listed = [...Object.values(shard.pending).flat(), ...Object.keys(shard.active)];
    if (left.length === 0 && listed.length === 0) break;
    expect(round, `jobs that never ran: ${left.join(", ")}`).toBeLessThan(300);
    await MOVES["timePasses"]!(history, [0, 0, 0]);
    for (const n of [0, 1]) {
      const worker = await history.worker(n);
      await history.claim(worker, 3, heldBy(await history.bench.shard(), worker), round % 2);
    }
  }
  // The next call finds that nothing of the tasks is left to let go.
  await history.claim(await history.worker(0), 1, []);
  const { limited, paused } = await history.bench.shard();
  expect({ limited, paused }).toEqual({ limited: {}, paused: {} });
}

/** Runs the scripts as if a list of two were long already: groups save up slots. */
class ShortLists implements ScriptRunner {
  readonly #bench: ShardBench;

  constructor(bench: ShardBench) {
    this.#bench = bench;
  }

  async run(script: Script, keys: readonly string[], args: readonly ScriptArgument[]): Promise<unknown> {
    // Saved slots are given out when a move lets time pass, and at no other time.
    const text = script.text.replace(
      "LONG_LIST, SAVING_MS = 1000, 1000",
      `LONG_LIST, SAVING_MS = 2, ${HOUR_MS}`,
    );
    return await this.#bench.redis.eval(text, keys.length, ...keys, ...args);
  }
}

test.each([
  ["in short lists", (bench: ShardBench) => bench],
  [
    "in long lists",
    (bench: ShardBench) => new ShardBench(bench.connection, bench.keys, new ShortLists(bench)),
  ],
] as const)(
  `${RUNS} histories from seed ${SEED} hold every limit, lose no slot and no job, and keep the order: %s`,
  { timeout: 300_000 },
  async (_name, benchOf) => {
    const bench = benchOf(setup());
    const property = fc.asyncProperty(histories, async (moves) => {
      await bench.redis.flushdb();
      const history = new History(bench);
      for (const { move, numbers } of moves) {
        await MOVES[move]!(history, numbers);
        await check(history);
      }
      await drain(history);
      for (const group of ["a:task k", "a:task l"].filter((name) => !history.unordered.has(name))) {
        const mine = history.started.filter((id) => history.made.get(id)?.group === group);
        const order = [...history.made.keys()].filter((id) => mine.includes(id));
        expect(mine, `starts of ${group}`).toEqual(order);
      }
    });
    await fc.assert(property, { numRuns: RUNS, seed: SEED });
  },
);
