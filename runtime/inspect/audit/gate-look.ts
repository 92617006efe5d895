/**
 * Checks the gate as a whole: the slots that a group counts are those of its jobs, a queue counts its jobs at
 * the gate, and no job waits for ever at a gate that has room. Counts change all the time, so a suspicion
 * from the pages is checked again by one script, which reports nothing if jobs may have come meanwhile; the
 * same script repairs.
 */
import {
  closedField,
  LAST_NUMBER_FIELD,
  NO_LIMIT,
  pausedTaskField,
  parseSlots,
  rateField,
  waitingField,
  waitingId,
  waitingMember,
  waitingPlace,
} from "../../protocol/index.js";
import { recountGroup, recountQueue, type RecountReply } from "../../scripts/index.js";
import type { ShardReader } from "../shard-reader.js";
import type { AuditFinding, RepairOutcome } from "./finding.js";
import { hashPages, pairsOf, sortedSetPages } from "./pages.js";

const LOOKS = 3;
/** Ids whose places are read in one call. */
const AT_ONCE = 200;
/** Most ids of a group that one script compares: takes about 5 ms. */
const MOST_HOLDERS = 2000;
/** Most members of `waiting` that one script walks: takes about 5 ms. */
const LONGEST_WALK = 10_000;

interface Suspicion {
  readonly group?: string;
  /** Identifies the suspicion across looks, however much the counts change meanwhile. */
  readonly key: string;
  readonly finding: AuditFinding;
  readonly recount: (mends: boolean) => Promise<RecountReply>;
}

export interface GateProblem {
  readonly finding: AuditFinding;
  readonly repair: () => Promise<RepairOutcome>;
}

/** A count that changes during a look is looked at again, and is not a finding as long as it changes. */
export async function lookAtGate(
  reader: ShardReader,
  queues: readonly string[],
): Promise<readonly GateProblem[]> {
  const found: GateProblem[] = [];
  let open: ReadonlySet<string> | undefined;
  for (let look = 0; look < LOOKS && open?.size !== 0; look++) {
    const moving = new Set<string>();
    for (const { key, finding, recount } of await new GateLook(reader, queues).suspicions()) {
      if (open?.has(key) === false) continue;
      const reply = await recount(false);
      if (reply === "MOVED") moving.add(key);
      if (reply === "WRONG") found.push({ finding, repair: async () => OUTCOMES[await recount(true)] });
    }
    open = moving;
  }
  return found;
}

const OUTCOMES: Readonly<Record<RecountReply, RepairOutcome>> = {
  MOVED: "moved",
  REPAIRED: "repaired",
  RIGHT: "repaired",
  WRONG: "moved",
};

class GateLook {
  readonly #reader: ShardReader;
  readonly #queues: readonly string[];
  /** The fields of `groups` with their values. */
  readonly #groups = new Map<string, string>();
  /** Group -> ids with an entry in it that do not wait at the gate. */
  readonly #others = new Map<string, string[]>();
  /** Group -> its first waiting member. */
  readonly #first = new Map<string, string>();
  /** Queue -> number of its jobs that wait at the gate. */
  readonly #atGate = new Map<string, number>();
  /** Group -> number of waiting jobs whose numbers are at most the last one. */
  readonly #waits = new Map<string, number>();
  readonly #noted = new Set<string>();
  readonly #remade: number;
  #last = "0";
  /** Jobs of a paused task are put aside, and come back into the group of their queue with an old number. */
  #mayBeParked = false;

  constructor(reader: ShardReader, queues: readonly string[]) {
    this.#reader = reader;
    this.#queues = queues;
    this.#remade = reader.connection.remade;
  }

  async suspicions(): Promise<readonly Suspicion[]> {
    const { groups, paused } = this.#reader.keys;
    const before = await this.#reader.read((redis) => redis.hkeys(paused));
    this.#mayBeParked = before.some((field) => field.startsWith(pausedTaskField("")));
    this.#last = (await this.#reader.read((redis) => redis.hget(groups, LAST_NUMBER_FIELD))) ?? "0";
    const entries = await this.#readWaiting();
    for (const [id, group] of entries) {
      const ids = this.#others.get(group);
      if (ids === undefined) this.#others.set(group, [id]);
      else ids.push(id);
    }
    for await (const page of hashPages(this.#reader, groups)) {
      for (const [field, value] of pairsOf(page)) if (value !== NO_LIMIT) this.#groups.set(field, value);
    }
    const pauses = await this.#reader.read((redis) => redis.hgetall(paused));
    const slots = await this.#slotProblems();
    const rooms = this.#roomProblems(pauses, new Set(slots.map(({ group }) => group)));
    return [...slots, ...this.#queueProblems(), ...rooms];
  }

  /** The entries of jobs that do not wait at the gate: id -> group. */
  async #readWaiting(): Promise<ReadonlyMap<string, string>> {
    const { limited, waiting } = this.#reader.keys;
    const members = new Set<string>();
    for await (const page of sortedSetPages(this.#reader, waiting)) {
      for (const [member] of pairsOf(page)) members.add(member);
    }
    for (const member of members) this.#sort(member);
    const others = new Map<string, string>();
    for await (const page of hashPages(this.#reader, limited)) {
      for (const [id, entry] of pairsOf(page)) {
        if (!members.has(waitingMember(id, entry))) others.set(id, entry.split(" ").slice(2).join(" "));
      }
    }
    return others;
  }

  #sort(member: string): void {
    const place = waitingPlace(member);
    if (place === undefined) {
      const group = /^\n[^\n\v]+(?:\n(?:\d{16}\n)?|\v)([^\n]*)$/.exec(member)?.[1];
      if (group !== undefined) this.#noted.add(group);
      return;
    }
    const group = member.slice(0, member.indexOf("\n"));
    const first = this.#first.get(group);
    if (first === undefined || member < first) this.#first.set(group, member);
    if (Number(member.slice(group.length + 1, group.length + 17)) <= Number(this.#last))
      this.#waits.set(group, (this.#waits.get(group) ?? 0) + 1);
    this.#atGate.set(place.queue, (this.#atGate.get(place.queue) ?? 0) + 1);
  }

  async #slotProblems(): Promise<readonly Suspicion[]> {
    const counted = [...this.#groups.keys()].filter((field) => field.includes(" "));
    const problems: Suspicion[] = [];
    for (const group of new Set([...counted, ...this.#others.keys()])) {
      // Parked jobs hold no slots.
      const found = group.startsWith("!") ? undefined : await this.#slotProblem(group);
      if (found !== undefined) problems.push(found);
    }
    return problems;
  }

  async #slotProblem(group: string): Promise<Suspicion | undefined> {
    const ids = this.#others.get(group) ?? [];
    const { held, listed } = await this.#holders(ids);
    const count = this.#groups.get(group) ?? "0";
    const slots = parseSlots(count);
    const more = slots.held - held;
    // Jobs that were in the list before their task had a rate have no reserved start. Only a surplus is
    // wrong, because it would never be freed.
    const isRated = this.#groups.has(rateField(taskOf(group)));
    const over = isRated ? Math.max(0, slots.reserved - listed) : 0;
    if (more === 0 && over === 0) return undefined;
    const places = over === 0 ? "" : `, and ${over} starts reserved for nobody`;
    return {
      group,
      key: JSON.stringify(["slots", group, more, over]),
      finding: problem("TW-F53", shownGroup(group), `${held} slots`, `${slots.held}${places}`, "count anew"),
      recount: (mends) => this.#recount(group, count, ids, mends),
    };
  }

  /**
   * How many of these ids hold a slot (those not in a due set), and how many of those are in a list (those
   * not active).
   */
  async #holders(ids: readonly string[]): Promise<{ readonly held: number; readonly listed: number }> {
    const { keys } = this.#reader;
    let [held, listed] = [0, 0];
    for (let start = 0; start < ids.length; start += AT_ONCE) {
      const some = ids.slice(start, start + AT_ONCE);
      const [owners, ...due] = await this.#reader.together<(string | null)[]>((reads) => {
        reads.hmget(keys.active, ...some);
        for (const queue of this.#queues) reads.zmscore(keys.queue(queue).due, ...some);
      });
      for (const index of some.keys()) {
        if (due.some((scores) => scores[index] !== null)) continue;
        held++;
        if (owners![index] === null) listed++;
      }
    }
    return { held, listed };
  }

  #queueProblems(): readonly Suspicion[] {
    const start = waitingField("");
    const counted = [...this.#groups.keys()]
      .filter((field) => field.startsWith(start) && field !== start)
      .map((field) => field.slice(start.length));
    return [...new Set([...counted, ...this.#atGate.keys()])].flatMap((queue): Suspicion[] => {
      const jobs = this.#atGate.get(queue) ?? 0;
      const count = this.#groups.get(waitingField(queue)) ?? "0";
      if (Number(count) === jobs) return [];
      const { connection, keys } = this.#reader;
      const call = { keys, queue, longestWalk: LONGEST_WALK, counted: count, lastNumber: this.#last };
      return [
        {
          key: JSON.stringify(["queue", queue, Number(count) - jobs]),
          finding: problem("TW-F54", `queue ${queue}`, `${jobs} jobs at the gate`, count, "count anew"),
          recount: (mends) => this.#unlessRemade(() => recountQueue(connection, { ...call, mends })),
        },
      ];
    });
  }

  #roomProblems(
    pauses: Readonly<Record<string, string>>,
    recounted: ReadonlySet<string | undefined>,
  ): readonly Suspicion[] {
    return [...this.#first].flatMap(([group, first]): Suspicion[] => {
      const state = pauses[pausedTaskField(taskOf(group))];
      // The task was resumed, but claims have not come to this group yet.
      const reopens = state?.startsWith("0 ") === true && group > state.slice(2);
      // Whether a group with wrong slots has room is known only after its recount, which checks this too.
      if (recounted.has(group) || this.#noted.has(group) || reopens || !this.#hasRoom(group)) return [];
      const ids = this.#others.get(group) ?? [];
      const about = `${shownGroup(group)}, job ${waitingId(first)}`;
      const finding = problem("TW-F55", about, "a note that it may come in", "none", "leave one, and a hint");
      return [
        {
          key: JSON.stringify(["room", group]),
          finding,
          recount: (mends) => this.#recount(group, this.#groups.get(group) ?? "0", ids, mends),
        },
      ];
    });
  }

  #hasRoom(group: string): boolean {
    const task = taskOf(group);
    if (group.startsWith("!") || this.#groups.has(closedField(task))) return false;
    const limit = this.#groups.get(task);
    const { held, reserved } = parseSlots(this.#groups.get(group));
    if (limit !== undefined && held >= Number(limit)) return false;
    const [most = 0, per = 0, turns] = (this.#groups.get(rateField(task)) ?? "0 0").split(" ").map(Number);
    return (per === 0 || reserved < most) && (turns === undefined || reserved === 0);
  }

  async #recount(
    group: string,
    counted: string,
    ids: readonly string[],
    mends: boolean,
  ): Promise<RecountReply> {
    // A group that is too large to be compared at one moment is not reported.
    if (ids.length > MOST_HOLDERS || (this.#mayBeParked && group.startsWith("@"))) return "MOVED";
    const { connection, keys } = this.#reader;
    const call = {
      keys,
      mends,
      group,
      counted,
      lastNumber: this.#last,
      ids,
      waiting: this.#waits.get(group) ?? 0,
      queues: this.#queues,
    };
    return await this.#unlessRemade(() => recountGroup(connection, call));
  }

  /** Another server may lack what was seen, and have what was not: then nothing is known. */
  async #unlessRemade(recount: () => Promise<RecountReply>): Promise<RecountReply> {
    const isRemade = () => this.#remade !== this.#reader.connection.remade;
    if (isRemade()) return "MOVED";
    const reply = await recount();
    return reply === "WRONG" && isRemade() ? "MOVED" : reply;
  }
}

function taskOf(group: string): string {
  return group.split(" ", 1)[0] ?? "";
}

/** Names only the task or queue, because keys of limits are made of payloads. */
function shownGroup(group: string): string {
  return `a group of ${taskOf(group)}`;
}

function problem(
  code: AuditFinding["code"],
  subject: string,
  expected: string,
  found: string,
  repair: string,
): AuditFinding {
  return { code, subject, expected, found, repair };
}
