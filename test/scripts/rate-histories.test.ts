// Random histories of jobs with rates, beside a small model: of each group, how many are ready, and when the latest have started.
// Time passes in steps of a sixth of the window. After each claim as many have started as the model says, and no window
// holds more than the rate; the check of every step counts reserved places and notes.
import fc from "fast-check";
import { expect, test } from "vitest";
import type { LimitedGroup } from "../../runtime/definition/index.js";
import { TOMBSTONE } from "../../runtime/protocol/index.js";
import { problemsOf } from "../support/fsck.js";
import { HOUR_MS, runText, useShards, type NewJob, type ShardBench } from "./shard-bench.js";
import { timePasses } from "./shard-time.js";

const setup = useShards();

const RUNS = Number(process.env["RATE_RUNS"] ?? 100);
const SEED = Number(process.env["RATE_SEED"] ?? Date.now() % 2 ** 31);

const WINDOW = 6;
const STEP_MS = HOUR_MS / WINDOW;
interface Group extends Omit<LimitedGroup, "rate"> {
  readonly most: number;
}

const GROUPS: readonly Group[] = [
  { name: "a:task k", most: 1 },
  { name: "a:task l", most: 1 },
  { name: "b:task ", most: 4 },
  { name: "c:task k", limit: 2, most: 3 },
  { name: "d:task k", most: 3, turns: true },
  { name: "e:task k", limit: 2, most: 3, turns: true },
];

class History {
  readonly bench: ShardBench;
  readonly problems: string[] = [];
  /** Group by id, of jobs that have not ended. */
  readonly #groups = new Map<string, number>();
  readonly #active = new Set<string>();
  readonly #starts: number[][] = GROUPS.map(() => []);
  #step = 0;
  #counter = 0;
  #worker = "A0";

  constructor(bench: ShardBench) {
    this.bench = bench;
  }

  #ready(group: number): string[] {
    return [...this.#groups].filter(([id, of]) => of === group && !this.#active.has(id)).map(([id]) => id);
  }

  #pick(ids: readonly string[], n: number): string | undefined {
    return ids[n % Math.max(1, ids.length)];
  }

  async enqueue(n: number, count: number): Promise<void> {
    const jobs: Record<string, NewJob> = {};
    for (let i = 0; i <= count % 6; i += 1) {
      const id = `j${++this.#counter}`;
      const index = (n + i) % GROUPS.length;
      const { most, ...group } = GROUPS[index]!;
      jobs[id] = {
        due: i % 5 === 4 ? "1" : "",
        group: { ...group, rate: { limit: most, perMs: HOUR_MS } },
      };
      this.#groups.set(id, index);
    }
    await this.bench.put(jobs);
  }

  async pass(n: number): Promise<void> {
    const steps = 1 + (n % 3);
    this.#step += steps;
    await timePasses(this.bench, steps * STEP_MS);
  }

  async claim(): Promise<void> {
    await this.bench.register(this.#worker);
    const before = this.#starts.map((starts) => starts.length);
    const running = GROUPS.map((_group, index) => this.#running(index));
    const ready = GROUPS.map((_group, index) => this.#ready(index).length);
    let next = -1;
    for (;;) {
      const reply = await this.bench.advance(this.#worker, { want: 100 });
      if (reply === "LOST") throw new Error("expected a lease");
      next = reply.nextDueMs;
      const { jobs } = await this.bench.shard();
      const holes = reply.ids.filter((id) => !this.#groups.has(id) || jobs[id] === TOMBSTONE);
      await this.bench.discard(this.#worker, holes);
      for (const id of reply.ids.filter((one) => !holes.includes(one))) {
        this.#active.add(id);
        this.#starts[this.#groups.get(id)!]!.push(this.#step);
      }
      if (holes.length === 0) break;
    }
    for (const [index, { name, limit = Infinity, most }] of GROUPS.entries()) {
      const starts = this.#starts[index]!;
      const recent = starts.slice(0, before[index]).filter((step) => step > this.#step - WINDOW).length;
      const expected = Math.min(ready[index]!, most - recent, limit - running[index]!);
      const started = starts.length - before[index]!;
      if (started !== expected) this.problems.push(`${started} of ${name} have started, not ${expected}`);
    }
    this.#checkNext(next);
  }

  /** The nearest time at which a group that waits for a time may go on. */
  #checkNext(next: number): void {
    const times = GROUPS.flatMap(({ limit = Infinity, most }, index) => {
      const recent = this.#starts[index]!.filter((step) => step > this.#step - WINDOW);
      const waits = this.#ready(index).length > 0 && this.#running(index) < limit && recent.length >= most;
      return waits ? [(recent[recent.length - most]! + WINDOW - this.#step) * STEP_MS] : [];
    });
    // A note may stand for a time at which nobody waits any more, so it may be nearer, never further.
    if (times.length === 0 || (next >= 0 && next <= Math.min(...times))) return;
    this.problems.push(`the next may start in ${Math.min(...times)} ms, not in ${next}`);
  }

  #running(group: number): number {
    return [...this.#active].filter((id) => this.#groups.get(id) === group).length;
  }

  async end(n: number, how: number): Promise<void> {
    const id = this.#pick([...this.#active], n);
    if (id === undefined) return;
    const retries = how % 3 === 0;
    if (how % 3 === 2) await this.bench.advance(this.#worker, { dropped: [id] });
    else {
      const run = runText({ attempts: ++this.#counter, state: retries ? "retry" : "dead" });
      // The start of a job without a handler does not count; only the latest can be taken back.
      const starts = this.#starts[this.#groups.get(id)!]!;
      const unserved = retries && how % 2 === 0 && starts.at(-1) === this.#step;
      if (unserved) starts.pop();
      const outcome = unserved ? "unserved" : retries ? "retry" : "dead";
      await this.bench.fail(this.#worker, id, outcome, { run, ms: retries ? 0 : HOUR_MS });
    }
    this.#active.delete(id);
    if (!retries) this.#groups.delete(id);
    // A retry is due at once, but the clock must have moved for it to be.
    if (retries) await this.bench.redis.zadd(this.bench.keys.queue("q").due, "XX", 1, id);
  }

  async crash(n: number): Promise<void> {
    const ids = [...this.#active];
    if (n % 3 === 2) return this.#giveBack(ids.slice(-2));
    if (n % 3 === 0) {
      const some = ids.slice(0, 2);
      await this.bench.reclaim(this.#worker, some, { reason: "handed-back", maxCrashes: 1000 });
      for (const id of some) this.#active.delete(id);
      return;
    }
    await this.bench.register(this.#worker);
    await this.bench.endLease(this.#worker);
    await this.bench.reclaim(this.#worker, ids, { maxCrashes: 1000 });
    await this.bench.reclaim(this.#worker, [], { maxCrashes: 1000 });
    this.#active.clear();
    this.#worker = `A${++this.#counter}`;
  }

  /** Only what has just been claimed has not started; its starts do not count. */
  async #giveBack(ids: readonly string[]): Promise<void> {
    const fresh = ids.filter((id) => this.#starts[this.#groups.get(id)!]!.at(-1) === this.#step);
    for (const id of fresh) {
      const starts = this.#starts[this.#groups.get(id)!]!;
      if (starts.at(-1) !== this.#step) continue;
      starts.pop();
      this.#active.delete(id);
      await this.bench.reclaim(this.#worker, [id], { reason: "not-started", maxCrashes: 1000 });
    }
  }

  async drop(n: number, how: number): Promise<void> {
    const id = this.#pick(
      [...this.#groups.keys()].filter((one) => !this.#active.has(one)),
      n,
    );
    if (id === undefined) return;
    await (how % 2 === 0 ? this.bench.cancel(id) : this.bench.remove(id));
    this.#groups.delete(id);
  }
}

const MOVES: readonly ((history: History, a: number, b: number) => Promise<void>)[] = [
  (history, a, b) => history.enqueue(a, b),
  (history, a, b) => history.enqueue(a, b),
  (history, a) => history.pass(a),
  (history) => history.claim(),
  (history) => history.claim(),
  (history, a, b) => history.end(a, b),
  (history, a, b) => history.end(a, b),
  (history, a) => history.crash(a),
  (history, a, b) => history.drop(a, b),
  (history) => history.bench.sweep().then(() => undefined),
];

const moves = fc.array(fc.tuple(fc.nat(MOVES.length - 1), fc.nat(1000), fc.nat(1000)), {
  minLength: 10,
  maxLength: 60,
});

test(
  `${RUNS} histories from seed ${SEED} start as many as their rates allow, never more, never fewer`,
  { timeout: 300_000 },
  async () => {
    const bench = setup();
    const property = fc.asyncProperty(moves, async (list) => {
      await bench.redis.flushdb();
      const history = new History(bench);
      for (const [move, a, b] of list) {
        await MOVES[move]!(history, a, b);
        expect([...history.problems, ...problemsOf(await bench.shard())]).toEqual([]);
      }
      await history.claim();
      expect(history.problems).toEqual([]);
    });
    await fc.assert(property, { numRuns: RUNS, seed: SEED });
  },
);
