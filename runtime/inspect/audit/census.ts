/**
 * The first look: one number per id, gathered page by page while work goes on. An id that is not clearly
 * sound is a suspect. Most suspects have only moved meanwhile; the second look decides. The census may
 * suspect too much, never too little.
 */
import { ACTIVE_PAD_FIELD, closedField, waitingMember, waitingPlace } from "../../protocol/index.js";
import type { ShardReader } from "../shard-reader.js";
import { notesFacts, recordFacts, runFacts } from "./facts.js";
import { hashPages, listPages, pairsOf, setPages, sortedSetPages } from "./pages.js";

// Bits for what was seen of an id. The number of the record's queue is stored above them.
const JOB = 1;
const TOMBSTONE = 2;
const COMPLETED = 4;
const DEAD_RUN = 8;
const ACTIVE = 16;
const DONE = 32;
const DEAD = 64;
const DUE = 128;
const PENDING = 256;
/** Unreadable, in a wrong queue, twice in a list, or cancelled: always a suspect. */
const ODD = 512;
/** A record of a version or with an option that the rules do not know. */
const NEWER = 1024;
const QUEUE_SHIFT = 2048;

const SOUND: ReadonlySet<number> = new Set([
  JOB | ACTIVE,
  JOB | DUE,
  JOB | PENDING,
  JOB | COMPLETED | DONE,
  JOB | DEAD_RUN | DEAD,
  TOMBSTONE | ACTIVE,
  TOMBSTONE | PENDING,
]);

export interface Census {
  readonly jobs: number;
  /** Id -> its idempotency keys that look wrong. */
  readonly suspects: ReadonlyMap<string, readonly string[]>;
  /** Worker -> some of the jobs that it holds. */
  readonly owners: ReadonlyMap<string, readonly string[]>;
  /** Ids that wait for events or have received some. */
  readonly waits: ReadonlySet<string>;
  /** Job of a workflow run that has not ended -> that run. */
  readonly jobsOfRuns: ReadonlyMap<string, string>;
}

const BITS = { newer: NEWER, none: ODD, tombstone: TOMBSTONE, unreadable: ODD } as const;
const SAMPLE = 10;

export async function takeCensus(reader: ShardReader, queues: readonly string[]): Promise<Census> {
  const census = new Counter(reader, queues);
  await census.countJobs();
  await census.countIndexes();
  await census.countGate();
  await census.countLeftovers();
  await census.countKeys();
  return census.result();
}

class Counter {
  readonly #reader: ShardReader;
  readonly #queues: readonly string[];
  readonly #seen = new Map<string, number>();
  readonly #owners = new Map<string, string[]>();
  /** Group of each job that has one. */
  readonly #grouped = new Map<string, string>();
  /** Workflow run of each unfinished job that belongs to one. */
  readonly #ofRuns = new Map<string, string>();
  readonly #suspects = new Map<string, string[]>();
  readonly #waits = new Set<string>();

  constructor(reader: ShardReader, queues: readonly string[]) {
    this.#reader = reader;
    this.#queues = queues;
  }

  /** Reads records and histories first, because the indexes are compared with them. */
  async countJobs(): Promise<void> {
    const { jobs, runs } = this.#reader.keys;
    for await (const page of hashPages(this.#reader, jobs)) {
      for (const [id, text] of pairsOf(page)) {
        const record = recordFacts(text);
        const strayed = this.#reader.leadsElsewhere(id) === undefined ? 0 : ODD;
        if (record.kind === "job")
          // Assigned, not added, because a scan may return an id twice.
          this.#seen.set(id, JOB | strayed | (QUEUE_SHIFT * (this.#queues.indexOf(record.queue) + 1)));
        else this.#seen.set(id, BITS[record.kind]);
        if (record.kind === "job" && record.options.group !== undefined)
          this.#grouped.set(id, record.options.group);
        if (record.kind === "job" && record.options.run !== undefined)
          this.#ofRuns.set(id, record.options.run);
      }
    }
    for await (const page of hashPages(this.#reader, runs)) {
      for (const [id, text] of pairsOf(page)) {
        const { state } = runFacts(text);
        if (state !== "unreadable" && state !== "pending" && state !== "retry") this.#ofRuns.delete(id);
        const bit = state === "completed" ? COMPLETED : state === "dead" ? DEAD_RUN : 0;
        this.#add(id, state === "unreadable" || state === "cancelled" || !this.#seen.has(id) ? ODD : bit);
      }
    }
  }

  async countIndexes(): Promise<void> {
    const { keys } = this.#reader;
    for (const [number, queue] of this.#queues.entries()) {
      const { pending, due } = keys.queue(queue);
      for await (const page of listPages(this.#reader, pending)) {
        for (const id of page) this.#addPlace(id, PENDING, number);
      }
      for await (const page of sortedSetPages(this.#reader, due)) {
        for (const [id] of pairsOf(page)) this.#addPlace(id, DUE, number);
      }
    }
    for await (const page of hashPages(this.#reader, keys.active)) {
      for (const [id, owner] of pairsOf(page)) if (id !== ACTIVE_PAD_FIELD) this.#addActive(id, owner);
    }
    for await (const page of sortedSetPages(this.#reader, keys.done)) {
      for (const [id] of pairsOf(page)) this.#add(id, DONE);
    }
    for await (const page of sortedSetPages(this.#reader, keys.dead)) {
      for (const [id] of pairsOf(page)) this.#add(id, DEAD);
    }
  }

  /**
   * Jobs that wait at the gate are pending too. Reads entries before members, so that what comes meanwhile
   * becomes a suspect.
   */
  async countGate(): Promise<void> {
    const { limited, waiting } = this.#reader.keys;
    const entries = new Map<string, string>();
    // Jobs put aside by a pause: they must wait at the gate.
    const parked = new Set<string>();
    for await (const page of hashPages(this.#reader, limited)) {
      for (const [id, entry] of pairsOf(page)) {
        entries.set(id, entry);
        const group = entry.split(" ").slice(2).join(" ");
        const isParked = group.startsWith(closedField(""));
        if (isParked) parked.add(id);
        const isOwn = isParked || this.#grouped.get(id) === group;
        if (!isOwn || !this.#has(id, JOB | TOMBSTONE | NEWER)) this.#suspect(id);
      }
    }
    for (const id of this.#grouped.keys()) if (!entries.has(id) && this.#lives(id)) this.#suspect(id);
    for await (const page of sortedSetPages(this.#reader, waiting)) {
      for (const [member] of pairsOf(page)) {
        const place = waitingPlace(member);
        if (place === undefined) continue;
        const entry = entries.get(place.id);
        if (entry !== undefined && waitingMember(place.id, entry) === member) {
          parked.delete(place.id);
          this.#addPlace(place.id, PENDING, this.#queues.indexOf(place.queue));
        } else this.#suspect(place.id, member);
      }
    }
    for (const id of parked) this.#suspect(id);
    for (const id of entries.keys()) if (this.#has(id, COMPLETED | DEAD_RUN)) this.#suspect(id);
  }

  async countLeftovers(): Promise<void> {
    const { cancels, waits, notes } = this.#reader.keys;
    for await (const page of setPages(this.#reader, cancels)) {
      for (const id of page) if (!this.#has(id, ACTIVE)) this.#suspect(id);
    }
    for await (const page of hashPages(this.#reader, waits)) {
      for (const [id] of pairsOf(page)) if (!this.#lives(id)) this.#suspect(id);
    }
    for await (const page of hashPages(this.#reader, notes)) {
      for (const [field, text] of pairsOf(page)) {
        const [id = "", kind] = field.split(" ");
        if (kind === "waits") this.#waits.add(id);
        // The log of a job lives as long as its record.
        if (kind === "log") {
          if (!this.#has(id, JOB | NEWER)) this.#suspect(id);
          continue;
        }
        const state =
          kind === undefined
            ? notesFacts(text, null, null)
            : notesFacts(null, kind === "progress" ? text : null, kind === "waits" ? text : null);
        if (state === "unreadable" || !this.#has(id, JOB) || this.#has(id, COMPLETED)) this.#suspect(id);
      }
    }
  }

  async countKeys(): Promise<void> {
    const { keys, keysExpiry } = this.#reader.keys;
    for await (const page of hashPages(this.#reader, keys)) {
      const owned = [...pairsOf(page)];
      if (owned.length === 0) continue;
      const ends = await this.#reader.read((redis) =>
        redis.zmscore(keysExpiry, ...owned.map(([field]) => field)),
      );
      for (const [index, [field, id]] of owned.entries()) {
        if (ends[index] === null || this.#has(id, DEAD_RUN | ODD)) this.#suspect(id, field);
      }
    }
  }

  result(): Census {
    let jobs = 0;
    for (const [id, bits] of this.#seen) {
      if ((bits & (JOB | NEWER | TOMBSTONE)) !== 0) jobs++;
      if ((bits & NEWER) === 0 && !SOUND.has(bits % QUEUE_SHIFT)) this.#suspect(id);
    }
    const jobsOfRuns = this.#ofRuns;
    return { jobs, suspects: this.#suspects, owners: this.#owners, waits: this.#waits, jobsOfRuns };
  }

  #addActive(id: string, owner: string): void {
    this.#add(id, ACTIVE);
    const sample = this.#owners.get(owner);
    if (sample === undefined) this.#owners.set(owner, [id]);
    else if (sample.length < SAMPLE) sample.push(id);
  }

  #addPlace(id: string, place: number, queue: number): void {
    const bits = this.#seen.get(id) ?? 0;
    const own = Math.floor(bits / QUEUE_SHIFT) - 1;
    const twice = place === PENDING && (bits & PENDING) !== 0;
    const wrong = (bits & JOB) !== 0 && own !== queue;
    this.#seen.set(id, bits | place | (twice || wrong ? ODD : 0));
  }

  #add(id: string, bit: number): void {
    this.#seen.set(id, (this.#seen.get(id) ?? 0) | bit);
  }

  #has(id: string, bit: number): boolean {
    return ((this.#seen.get(id) ?? 0) & bit) !== 0;
  }

  /** Whether the job exists and clearly has not ended. */
  #lives(id: string): boolean {
    return this.#has(id, JOB) && !this.#has(id, COMPLETED | DEAD_RUN | ODD);
  }

  #suspect(id: string, keyField?: string): void {
    const fields = this.#suspects.get(id);
    if (fields === undefined) this.#suspects.set(id, keyField === undefined ? [] : [keyField]);
    else if (keyField !== undefined) fields.push(keyField);
  }
}
