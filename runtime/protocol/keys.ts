/**
 * Makes every Redis key of a shard. Nothing else may build a key: scripts receive theirs. All keys of a shard
 * have the same hash tag, so that one script may use any of them, on a Redis Cluster too.
 */

export const DEFAULT_PREFIX = "weft";

/** Valid prefixes. The prefix becomes part of the hash tag, so it must not contain braces. */
export const PREFIX_PATTERN = /^[A-Za-z0-9_.-]{1,40}$/;

export interface QueueKeys {
  /** LIST of job ids, oldest first. */
  readonly pending: string;
  /** ZSET job id -> due time (ms): scheduled jobs and retries. */
  readonly due: string;
  /** LIST with at most one element, the hint "look again" for idle workers in a blocking pop. */
  readonly wake: string;
}

export class ShardKeys {
  readonly tag: string;
  /** The number of the shard, from 0. */
  readonly shard: number;
  /** HASH job id -> record, written once by the enqueue. */
  readonly jobs: string;
  /**
   * HASH job id -> run: attempts, crashes, state, result, events. Absent until something has happened to the
   * job.
   */
  readonly runs: string;
  /** HASH job id -> worker that holds it. A job is `active` exactly while it is a field of this hash. */
  readonly active: string;
  /** ZSET worker -> end of its lease (ms); 0 = condemned, its jobs are being taken back. */
  readonly leases: string;
  /** HASH worker -> JSON that describes it. */
  readonly workers: string;
  /** ZSET job id -> time of removal (ms): completed and cancelled jobs. */
  readonly done: string;
  /** ZSET job id -> time of removal (ms): dead jobs. */
  readonly dead: string;
  /**
   * HASH `<task> <key>` -> job id: idempotency keys. `!<task> <key>`, `!<task>@<queue> <key>` -> job id:
   * dedupe keys.
   */
  readonly keys: string;
  /** ZSET `<task> <key>` -> end of the key (ms). */
  readonly keysExpiry: string;
  /** HASH `<event> <id>` -> event that is kept for its retention; see events.ts. */
  readonly events: string;
  /** ZSET `<event> <id>` -> time of removal (ms). */
  readonly eventsExpiry: string;
  /** SET of ids of active jobs that were asked to cancel. */
  readonly cancels: string;
  /** HASH job id -> clients that wait for its end, separated by spaces. */
  readonly waits: string;
  /**
   * HASH of what handlers noted: job id -> steps; `<job id> progress` -> progress; `<job id> log` -> log
   * lines; `<job id> waits` -> the events that it waits for. A job without notes has no fields.
   */
  readonly notes: string;
  /** HASH job id -> `<number> <queue> <group>` of each live job with a limit; a group is `<task> <key>`. */
  readonly limited: string;
  /**
   * HASH `<task>` -> limit, `<group>` -> slots held and latest starts, `#` -> last number assigned,
   * `#<queue>` -> jobs that wait at the gate; `%<task>` -> rate and turns.
   */
  readonly groups: string;
  /**
   * ZSET, all scores 0: the jobs that wait at the gate, by group and number, and notes of free slots. See
   * lib/gate.lua.
   */
  readonly waiting: string;
  /**
   * HASH queue -> when it was paused (ms); `task:<task>` -> the same for a task, or `0 <group>`: the task was
   * resumed and its parked jobs are being released.
   */
  readonly paused: string;
  /**
   * STRING with a line `<queue | task> <name> <since (ms)>` for each that accepts no new jobs; absent while
   * all do.
   */
  readonly draining: string;
  /**
   * HASH schedule -> state, `<schedule> definition` -> JSON, `@` -> the newest deploy and when it was
   * declared.
   */
  readonly schedules: string;
  /** HASH of workflow runs; its fields are described in workflows.ts. */
  readonly workflows: string;
  /** ZSET run id -> when it started to run (ms): workflow runs that have not ended. */
  readonly running: string;
  /** ZSET run id -> time of removal (ms): runs that have ended. */
  readonly ended: string;
  /**
   * ZSET, all scores 0: the run steps and handlers that listen for an event, by event, field and value. See
   * workflows.ts and waits.ts.
   */
  readonly listeners: string;
  /** ZSET member of `listeners` -> until when its handler listens (ms). */
  readonly listenersExpiry: string;
  /** HASH: `protocol` -> version; `shards` -> number of shards, absent = 1; `queue:<name>` -> weight. */
  readonly meta: string;
  /** STRING with expiry: while it exists, one worker sweeps for all others. */
  readonly swept: string;
  /** STRING with expiry: the purge that turns a pending list. */
  readonly purging: string;
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
    this.purging = `${this.tag}:purging`;
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

  /**
   * STRING with expiry: the result of a client's last call in this slot, so that a call that is sent again is
   * answered and not repeated.
   */
  sent(client: string, slot: number): string {
    return `${this.tag}:sent:${client}:${slot}`;
  }

  /** Pub/sub channel on which a client hears that a job it waits for has ended. */
  finishedChannel(client: string): string {
    return `${this.tag}:finished:${client}`;
  }
}

/**
 * A field that is always in the `active` hash; no job can have it as its id. Redis encodes a small hash as a
 * list that it searches from the front, so claiming and acknowledging n jobs would take n x n steps. A value
 * longer than 64 bytes converts the hash to a hash table, and this field keeps it one.
 */
export const ACTIVE_PAD_FIELD = "#";
export const ACTIVE_PAD_VALUE = "-".repeat(72);

/**
 * Field of the `notes` hash for the progress of a job; its steps have the id alone as their field. Ids
 * contain no space.
 */
export function progressField(id: string): string {
  return `${id} progress`;
}

/** Field of the `notes` hash for the lines that a job's handlers have logged. */
export function logField(id: string): string {
  return `${id} log`;
}

/**
 * Field of the `notes` hash for the events that a job waits for and those that it has received; see waits.ts.
 */
export function waitsField(id: string): string {
  return `${id} waits`;
}

/** Field of the `groups` hash with the number of jobs of a queue that wait at the gate. */
export function waitingField(queue: string): string {
  return `#${queue}`;
}

/**
 * Field of the `groups` hash with the rate of a task, or of `@` and a queue: `<limit> <window in ms>`,
 * followed by ` 1` when groups take turns.
 */
export function rateField(name: string): string {
  return `%${name}`;
}

/**
 * Replaces a limit or a rate in the `groups` hash when a worker has declared that there is none any more. A
 * producer of an earlier deploy does not overwrite it.
 */
export const NO_LIMIT = "-";

/**
 * The counts of a group: ids that hold a slot, and how many of those have reserved a start for their rate.
 */
export function parseSlots(text: string | null | undefined): {
  readonly held: number;
  readonly reserved: number;
} {
  const [held = 0, reserved = 0] = (text ?? "0").split(" ").map(Number);
  return { held, reserved };
}

/** Field of the `paused` hash for a task. The field of a queue is its name, which contains no colon. */
export function pausedTaskField(task: string): string {
  return `task:${task}`;
}

/**
 * The paused tasks in a reply to HGETALL of `paused` (fields and values, alternating): task -> when it was
 * paused (ms), or "resumed" while some of its jobs are still parked.
 */
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

/** Field of the `groups` hash that exists while a task is paused: the gates of its groups are closed. */
export function closedField(task: string): string {
  return `!${task}`;
}

/**
 * The group in which jobs of a paused task wait after they were taken out of their queue's list; its gate
 * never opens.
 */
export function parkedGroup(task: string, queue: string): string {
  return `!${task} ${queue}`;
}

/** ZLEXCOUNT bounds of the members of `waiting` that are parked jobs of a task. */
export function parkedMembers(task: string): readonly [from: string, to: string] {
  return [`[!${task} `, `(!${task}!`];
}

/**
 * Field of the `groups` hash with the last number assigned to a job; absent until a job has come to a gate.
 */
export const LAST_NUMBER_FIELD = "#";

/**
 * Field of the `groups` hash that exists in a shard that has had rates or turns; other shards skip looking
 * them up.
 */
export const HAS_RATES_FIELD = "%";

/** The id in a member of `waiting`; `undefined` for a note of a free slot. */
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

/** The member of `waiting` for a waiting job with this entry in `limited`. */
export function waitingMember(id: string, entry: string): string {
  const [number, queue, ...group] = entry.split(" ");
  return `${group.join(" ")}\n${number} ${queue} ${id}`;
}

/**
 * Field of the `keys` hash for an idempotency key. Task names contain no space, so two tasks never share a
 * field.
 */
export function keyField(task: string, key: string): string {
  return `${task} ${key}`;
}

/** The same for a run: the mark tells a workflow from a task of the same name. */
export function runKeyField(workflow: string, key: string): string {
  return `@${workflow} ${key}`;
}

/**
 * Field of the `keys` hash for a dedupe key; the `!` tells scripts that the key ends with its job. A job
 * whose record may be replaced cannot change its queue or group, so with `place` the key is scoped to both.
 * Keys contain no line break.
 */
export function dedupeField(
  task: string,
  place: { readonly queue: string; readonly group: string | undefined } | undefined,
  key: string,
): string {
  if (place === undefined) return `!${task} ${key}`;
  return `!${task}@${place.queue} ${key}${place.group === undefined ? "" : `\n${place.group}`}`;
}
