// Random histories of keys that take turns. After each claim: where fewer came than were wanted, nobody who may run waits; between two
// turns of a key that waits, each other key has had one; and jobs of a key start in the order in which they came. The check
// of every step counts the places of each key in the list.
import fc from "fast-check";
import { expect, test } from "vitest";
import { problemsOf } from "../support/fsck.js";
import { runText, useShards, type NewJob, type ShardBench } from "./shard-bench.js";

const setup = useShards();

const RUNS = Number(process.env["TURN_RUNS"] ?? 150);
const SEED = Number(process.env["TURN_SEED"] ?? Date.now() % 2 ** 31);

interface Group {
  readonly name: string | undefined;
  readonly limit?: number;
}

const GROUPS: readonly Group[] = [
  { name: "a:task q k" },
  { name: "a:task q l" },
  { name: "a:task q m" },
  { name: "b:task k", limit: 2 },
  { name: undefined },
];

class History {
  readonly bench: ShardBench;
  readonly problems: string[] = [];
  /** Group by id, of jobs that have not ended, in the order in which they came. */
  readonly #groups = new Map<string, number>();
  readonly #active = new Set<string>();
  readonly #due = new Set<string>();
  /** Ids that have been given back or tried again: they start before others that came later. */
  readonly #again = new Set<string>();
  /** Of each group, how many of each other have started since its last turn, or since its first began to wait. */
  readonly #passed: number[][] = GROUPS.map(() => GROUPS.map(() => 0));
  /** Of each group, how many stand in the list. */
  #listed = GROUPS.map(() => 0);
  readonly #holes = new Map<string, number>();
  #counter = 0;
  #worker = "A0";

  constructor(bench: ShardBench) {
    this.bench = bench;
  }

  #ready(group: number): string[] {
    const waits = (id: string): boolean => !this.#active.has(id) && !this.#due.has(id);
    return [...this.#groups].filter(([id, of]) => of === group && waits(id)).map(([id]) => id);
  }

  #begin(group: number): void {
    if (this.#ready(group).length === 0) this.#countAnew(group);
  }

  /** What is given back may stand in the list besides the one that has the turn of its key. */
  #countAnew(group: number): void {
    for (const other of GROUPS.keys()) this.#passed[group]![other] = 1 - Math.max(1, this.#listed[other]!);
  }

  async look(): Promise<readonly string[]> {
    const shard = await this.bench.shard();
    const listed = shard.pending["q"] ?? [];
    const groupOf = (id: string): number | undefined => this.#groups.get(id) ?? this.#holes.get(id);
    this.#listed = GROUPS.map((_group, index) => listed.filter((id) => groupOf(id) === index).length);
    return [...this.problems, ...problemsOf(shard)];
  }

  async enqueue(n: number, count: number): Promise<void> {
    const jobs: Record<string, NewJob> = {};
    for (let i = 0; i <= count % 12; i += 1) {
      const id = `j${++this.#counter}`;
      // Mostly of one key: a backlog.
      const index = i % 4 === 0 ? (n + i) % GROUPS.length : n % 3;
      const { name, limit } = GROUPS[index]!;
      const limits = limit === undefined ? {} : { limit };
      jobs[id] = name === undefined ? {} : { group: { name, turns: true, ...limits } };
      this.#begin(index);
      this.#groups.set(id, index);
    }
    await this.bench.put(jobs);
  }

  async claim(n: number): Promise<void> {
    await this.bench.register(this.#worker);
    const want = 1 + (n % 12);
    const reply = await this.bench.advance(this.#worker, { want });
    if (reply === "LOST") throw new Error("expected a lease");
    const holes = reply.ids.filter((id) => !this.#groups.has(id));
    for (const id of reply.ids) this.#take(id);
    await this.bench.discard(this.#worker, holes);
    for (const [group, { name, limit = Infinity }] of GROUPS.entries()) {
      const running = [...this.#active].filter((id) => this.#groups.get(id) === group).length;
      const left = running < limit ? this.#ready(group).length : 0;
      if (reply.ids.length < want && left > 0 && holes.length === 0) {
        this.problems.push(`${reply.ids.length} of ${want} have started, and ${left} of ${name} wait`);
      }
    }
  }

  #take(id: string): void {
    const group = this.#groups.get(id) ?? this.#holes.get(id)!;
    const [first] = this.#ready(group).filter((one) => !this.#again.has(one));
    if (this.#groups.has(id) && !this.#again.has(id) && first !== id) {
      this.problems.push(`${id} has started before ${first}`);
    }
    if (this.#groups.has(id)) this.#active.add(id);
    this.#again.delete(id);
    for (const [other, passed] of this.#passed.entries()) {
      const takesTurns = GROUPS[other]!.name !== undefined && GROUPS[other]!.limit === undefined;
      if (other === group || !takesTurns || GROUPS[group]!.name === undefined) continue;
      if (this.#ready(other).length > 0 && ++passed[group]! > 1) {
        this.problems.push(`${id} has started before ${GROUPS[other]!.name} had a turn`);
      }
    }
    this.#countAnew(group);
  }

  async end(n: number, how: number): Promise<void> {
    const ids = [...this.#active];
    const id = ids[n % Math.max(1, ids.length)];
    if (id === undefined) return;
    const retries = how % 3 === 0;
    if (how % 3 === 2) await this.bench.advance(this.#worker, { dropped: [id] });
    else {
      const run = runText({ attempts: ++this.#counter, state: retries ? "retry" : "dead" });
      await this.bench.fail(this.#worker, id, retries ? "retry" : "dead", { run });
    }
    this.#active.delete(id);
    if (retries) this.#due.add(id);
    else this.#groups.delete(id);
  }

  async fallDue(): Promise<void> {
    for (const id of this.#due) {
      await this.bench.redis.zadd(this.bench.keys.queue("q").due, "XX", 1, id);
      this.#begin(this.#groups.get(id)!);
      this.#due.delete(id);
      this.#again.add(id);
    }
    await this.bench.register(this.#worker);
    await this.bench.advance(this.#worker, { want: 0 });
  }

  async giveBack(n: number): Promise<void> {
    const ids = [...this.#active].slice(0, 1 + (n % 3));
    const reason = (["crashed", "handed-back", "not-started"] as const)[n % 3]!;
    const taken = reason === "crashed" ? [...this.#active] : ids;
    if (reason === "crashed") {
      await this.bench.register(this.#worker);
      await this.bench.endLease(this.#worker);
    }
    await this.bench.reclaim(this.#worker, taken, { reason, maxCrashes: 1000 });
    for (const id of taken) {
      const group = this.#groups.get(id)!;
      this.#begin(group);
      this.#active.delete(id);
      this.#again.add(id);
      // It may come to the front of the list, before those that it has let pass.
      for (const passed of this.#passed) passed[group]! -= 1;
    }
    if (reason !== "crashed") return;
    await this.bench.reclaim(this.#worker, [], { maxCrashes: 1000 });
    this.#worker = `A${++this.#counter}`;
  }

  async drop(n: number, how: number): Promise<void> {
    const ids = [...this.#groups.keys()].filter((one) => !this.#active.has(one) && !this.#due.has(one));
    const id = ids[n % Math.max(1, ids.length)];
    if (id === undefined) return;
    await (how % 2 === 0 ? this.bench.cancel(id) : this.bench.remove(id));
    this.#holes.set(id, this.#groups.get(id)!);
    this.#groups.delete(id);
    this.#again.delete(id);
  }
}

const MOVES: readonly ((history: History, a: number, b: number) => Promise<void>)[] = [
  (history, a, b) => history.enqueue(a, b),
  (history, a, b) => history.enqueue(a, b),
  (history, a) => history.claim(a),
  (history, a) => history.claim(a),
  (history, a) => history.claim(a),
  (history, a, b) => history.end(a, b),
  (history, a, b) => history.end(a, b),
  (history) => history.fallDue(),
  (history, a) => history.giveBack(a),
  (history, a, b) => history.drop(a, b),
];

const moves = fc.array(fc.tuple(fc.nat(MOVES.length - 1), fc.nat(1000), fc.nat(1000)), {
  minLength: 10,
  maxLength: 60,
});

test(
  `${RUNS} histories from seed ${SEED} take turns, and leave no place empty while somebody waits`,
  { timeout: 300_000 },
  async () => {
    const bench = setup();
    const property = fc.asyncProperty(moves, async (list) => {
      await bench.redis.flushdb();
      const history = new History(bench);
      for (const [move, a, b] of list) {
        await MOVES[move]!(history, a, b);
        expect(await history.look()).toEqual([]);
      }
    });
    await fc.assert(property, { numRuns: RUNS, seed: SEED });
  },
);
