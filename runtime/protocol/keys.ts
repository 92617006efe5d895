/**
 * Every Redis key of a shard is made here, and nowhere else: scripts receive keys, they never build them. All keys of
 * one shard carry one hash tag, so that one script may touch any of them, on a Redis Cluster too.
 */

export const DEFAULT_PREFIX = "weft";

/** Names that a prefix may have: it becomes part of the hash tag, so it must not hold braces. */
export const PREFIX_PATTERN = /^[A-Za-z0-9_.-]{1,40}$/;

export interface QueueKeys {
  /** LIST of job ids, oldest first. */
  readonly pending: string;
  /** ZSET job id -> due time (ms): scheduled jobs and retries. */
  readonly due: string;
  /** LIST with at most one element: "look again", for idle workers in a blocking pop. */
  readonly wake: string;
}

export class ShardKeys {
  readonly tag: string;
  /** Its number, from 0. */
  readonly shard: number;
  /** HASH job id -> record, written once by the enqueue. */
  readonly jobs: string;
  /** HASH job id -> run: attempts, crashes, state, result, events. Absent until something has happened to the job. */
  readonly runs: string;
  /** HASH job id -> worker that holds it. This is the whole of the state `active`. */
  readonly active: string;
  /** ZSET worker -> end of its lease (ms); 0 = condemned, its jobs are being taken back. */
  readonly leases: string;
  /** HASH worker -> JSON about it. */
  readonly workers: string;
  /** ZSET job id -> time of removal (ms): completed and cancelled jobs. */
  readonly done: string;
  /** ZSET job id -> time of removal (ms): dead jobs. */
  readonly dead: string;
  /** HASH `<task> <key>` -> job id: idempotency keys. `!<task> <key>`, `!<task>@<queue> <key>` -> job id: dedupe keys. */
  readonly keys: string;
  /** ZSET `<task> <key>` -> end of the key (ms). */
  readonly keysExpiry: string;
  /** HASH `<event> <id>` -> event that is kept for its retention; see events.ts. */
  readonly events: string;
  /** ZSET `<event> <id>` -> time of removal (ms). */
  readonly eventsExpiry: string;
  /** SET of active job ids whose cancel was asked for. */
  readonly cancels: string;
  /** HASH job id -> clients that wait for its end, separated by spaces. */
  readonly waits: string;
  /**
   * HASH of what handlers noted: job id -> steps; `<job id> progress` -> progress; `<job id> log` -> log lines; `<job id> waits` -> what
   * it waits for. Only of jobs that noted something.
   */
  readonly notes: string;
  /** HASH job id -> `<number> <queue> <group>` of each live job with a limit; a group is `<task> <key>`. */
  readonly limited: string;
  /**
   * HASH `<task>` -> limit, `<group>` -> slots held and its latest starts, `#` -> last number given, `#<queue>` -> jobs that wait at the gate;
   * `%<task>` -> rate and turns. */
  readonly groups: string;
  /** ZSET, all scores 0: the jobs that wait at the gate, by group and number, and notes of free slots. See lib/gate.lua. */
  readonly waiting: string;
  /** HASH queue -> since when it is paused (ms); `task:<task>` the same, or `0 <group>`: resumed, its parked jobs are going. */
  readonly paused: string;
  /** STRING, a line `<queue | task> <name> <since (ms)>` for each that accepts no new jobs; absent while all do. */
  readonly draining: string;
  /** HASH schedule -> state, `<schedule> definition` -> JSON, `@` -> the newest deploy and when it was heard of. */
  readonly schedules: string;
  /** HASH of workflow runs; its fields are in workflows.ts. */
  readonly workflows: string;
  /** ZSET run id -> when it began to run (ms): workflow runs that have not ended. */
  readonly running: string;
  /** ZSET run id -> time of removal (ms): runs that have ended. */
  readonly ended: string;
  /** ZSET, all scores 0: the steps of runs, and the handlers, that an event concerns, by event, field and value. See workflows.ts, waits.ts. */
  readonly listeners: string;
  /** ZSET member of `listeners` -> until when its handler listens (ms). */
  readonly listenersExpiry: string;
  /** HASH: `protocol` -> version; `shards` -> how many there are, absent = 1; `queue:<name>` -> weight. */
  readonly meta: string;
  /** STRING with expiry: a worker has swept for all others. */
  readonly swept: string;
  readonly #queues = new Map<string, QueueKeys>();

  constructor(prefix: string = DEFAULT_PREFIX, shard = 0) {
    this.tag = `{${prefix}:${shard}}`;
    this.shard = shard;
    this.jobs = `${this.tag}:jobs`;
    this.runs = `${this.tag}:runs`;
    this.active = `${this.tag}:active`;
    this.leases = `${this.tag}:leases`;
    this.workers = `${this.tag}:workers`;
    this.done = `${this.tag}:done`;
    this.dead = `${this.tag}:dead`;
    this.keys = `${this.tag}:keys`;
    this.keysExpiry = `${this.tag}:keys-expiry`;
    this.events = `${this.tag}:events`;
    this.eventsExpiry = `${this.tag}:events-expiry`;
    this.cancels = `${this.tag}:cancels`;
    this.waits = `${this.tag}:waits`;
    this.notes = `${this.tag}:notes`;
    this.limited = `${this.tag}:limited`;
    this.groups = `${this.tag}:groups`;
    this.waiting = `${this.tag}:waiting`;
    this.paused = `${this.tag}:paused`;
    this.draining = `${this.tag}:draining`;
    this.schedules = `${this.tag}:schedules`;
    this.workflows = `${this.tag}:workflows`;
    this.running = `${this.tag}:running`;
    this.ended = `${this.tag}:ended`;
    this.listeners = `${this.tag}:listeners`;
    this.listenersExpiry = `${this.tag}:listeners-expiry`;
    this.meta = `${this.tag}:meta`;
    this.swept = `${this.tag}:swept`;
  }

  queue(name: string): QueueKeys {
    let keys = this.#queues.get(name);
    if (keys === undefined) {
      keys = {
        pending: `${this.tag}:pending:${name}`,
        due: `${this.tag}:due:${name}`,
        wake: `${this.tag}:wake:${name}`,
      };
      this.#queues.set(name, keys);
    }
    return keys;
  }

  /** STRING with expiry: what the last call of a client in this slot did, so that a resent call is answered, not repeated. */
  sent(client: string, slot: number): string {
    return `${this.tag}:sent:${client}:${slot}`;
  }

  /** Pub/sub channel on which a client hears that a job it waits for has ended. */
  finishedChannel(client: string): string {
    return `${this.tag}:finished:${client}`;
  }
}

/**
 * A field that always stands in the `active` hash; no job can have it as its id. Redis keeps a small hash as a list that it searches
 * from the front, so claiming and acknowledging n jobs would take n x n steps; a value longer than 64 bytes makes
 * it a real hash table, and this one keeps it so.
 */
export const ACTIVE_PAD_FIELD = "#";
export const ACTIVE_PAD_VALUE = "-".repeat(72);

/** Field of the `notes` hash for a job's progress; its steps stand under the id alone. Ids hold no space. */
export function progressField(id: string): string {
  return `${id} progress`;
}

/** Field of the `notes` hash for the lines that a job's handlers have logged. */
export function logField(id: string): string {
  return `${id} log`;
}

/** Field of the `notes` hash for the events for which a job waits, and those that it has heard; see waits.ts. */
export function waitsField(id: string): string {
  return `${id} waits`;
}

/** Field of the `groups` hash with the number of jobs of a queue that wait at the gate. */
export function waitingField(queue: string): string {
  return `#${queue}`;
}

/** Field of the `groups` hash with the rate of a task, or of `@` and a queue: `<limit> <window in ms>`, and ` 1` where groups take turns. */
export function rateField(name: string): string {
  return `%${name}`;
}

/** In the `groups` hash in place of a limit or a rate: a worker has said that there is none any more. No producer of before brings it back. */
export const NO_LIMIT = "-";

/** What the gate knows of a group: ids that hold a slot, and those of them that have the place of a start reserved. */
export function parseSlots(text: string | null | undefined): {
  readonly held: number;
  readonly reserved: number;
} {
  const [held = 0, reserved = 0] = (text ?? "0").split(" ").map(Number);
  return { held, reserved };
}

/** Field of the `paused` hash for a task; queues stand there by their names, which hold no colon. */
export function pausedTaskField(task: string): string {
  return `task:${task}`;
}

/** Of the fields and values of `paused`, one after the other: task -> since when it is paused (ms), or that it was resumed and jobs of it are still put aside. */
export function pausedTasks(reply: readonly string[]): ReadonlyMap<string, number | "resumed"> {
  const start = pausedTaskField("");
  const tasks = new Map<string, number | "resumed">();
  for (const [index, field] of reply.entries()) {
    const state = reply[index + 1] ?? "";
    const isOfTask = index % 2 === 0 && field.startsWith(start);
    if (isOfTask) tasks.set(field.slice(start.length), state.startsWith("0") ? "resumed" : Number(state));
  }
  return tasks;
}

/** Field of the `groups` hash that is there while a task is paused: the gates of its groups are closed. */
export function closedField(task: string): string {
  return `!${task}`;
}

/** The group in which the jobs of a paused task wait that have been taken out of the list of a queue; its gate is never open. */
export function parkedGroup(task: string, queue: string): string {
  return `!${task} ${queue}`;
}

/** Bounds of the members of `waiting` that are parked jobs of a task, in the words of ZLEXCOUNT. */
export function parkedMembers(task: string): readonly [from: string, to: string] {
  return [`[!${task} `, `(!${task}!`];
}

/** Field of the `groups` hash with the last number that a job has been given; none where no job has come to a gate. */
export const LAST_NUMBER_FIELD = "#";

/** Field of the `groups` hash that is there in a shard that has had rates or turns: others need not look for them. */
export const HAS_RATES_FIELD = "%";

/** The id in a member of `waiting`; a note of a free slot has none. */
export function waitingId(member: string): string | undefined {
  return waitingPlace(member)?.id;
}

/** The job, its number and its queue in a member of `waiting`; `undefined` for a note of a free slot. */
export function waitingPlace(
  member: string,
): { readonly id: string; readonly number: number; readonly queue: string } | undefined {
  const [, number, queue, id] = /\n(\d+) (\S+) (\S+)$/.exec(member) ?? [];
  return queue === undefined || id === undefined ? undefined : { id, number: Number(number), queue };
}

/** Where a job with this entry in `limited` stands in `waiting` while it waits. */
export function waitingMember(id: string, entry: string): string {
  const [number, queue, ...group] = entry.split(" ");
  return `${group.join(" ")}\n${number} ${queue} ${id}`;
}

/** Field of the `keys` hash for an idempotency key. Task names hold no space, so two tasks never share a field. */
export function keyField(task: string, key: string): string {
  return `${task} ${key}`;
}

/** The same for a run: the mark tells a workflow from a task of the same name. */
export function runKeyField(workflow: string, key: string): string {
  return `@${workflow} ${key}`;
}

/**
 * Field of the `keys` hash for a dedupe key; the mark tells scripts that it ends with its job. A job whose record may be replaced cannot
 * leave its queue and its group: with `place` the key is one of these only. Keys hold no line break.
 */
export function dedupeField(
  task: string,
  place: { readonly queue: string; readonly group: string | undefined } | undefined,
  key: string,
): string {
  if (place === undefined) return `!${task} ${key}`;
  return `!${task}@${place.queue} ${key}${place.group === undefined ? "" : `\n${place.group}`}`;
}
