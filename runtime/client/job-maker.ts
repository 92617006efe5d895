/**
 * Turns a payload and options into the item that travels to Redis. Validates everything, so that only valid
 * jobs reach Redis.
 */
import {
  type AnyTaskContract,
  DURABILITIES,
  type Durability,
  mayBeChosen,
  groupKey,
  hasLimit,
  latestWins,
  limitKey,
  type LimitedGroup,
  limitedGroup,
  passesGate,
  type QueueDefinition,
  type TaskContract,
} from "../definition/index.js";
import { TaskweftError } from "../errors.js";
import { type JobMeter, processMetrics } from "../metrics/index.js";
import { datedHead, recordHead, type RecordOptions } from "../protocol/index.js";
import type { EnqueueItem } from "../scripts/index.js";
import type { TaskweftClient } from "./client.js";
import type { EnqueueOptions } from "./enqueue-options.js";
import { JobItem } from "./job-item.js";
import { assertKey, jobKey, type JobKey, withDebounce } from "./job-key.js";
import { PayloadCheck } from "./payload-check.js";
import { durationMs, optionInvalid, wholeNumber } from "../option-values.js";

export class JobMaker<Payload> {
  readonly #contract: TaskContract<Payload, unknown>;
  readonly #queues: ReadonlyMap<string, QueueDefinition>;
  readonly #plainHead: string;
  /** Whether a job consists of nothing but its payload: no key and no limit. */
  readonly #isPlain: boolean;
  /** Whether a plain job has a `startWithin`. */
  readonly #isDated: boolean;
  /** Limit of the task's own queue. */
  readonly #maxPending: number;
  readonly #check: PayloadCheck<Payload>;
  readonly #meter: JobMeter;

  constructor(contract: TaskContract<Payload, unknown>, queues: readonly QueueDefinition[]) {
    this.#contract = contract;
    this.#check = new PayloadCheck(contract.name, contract.schemas.payloadStrict);
    this.#queues = new Map(queues.map((queue) => [queue.name, queue]));
    this.#meter = processMetrics.jobs.of(contract.name, contract.queue).enqueues();
    const { startWithinMs } = contract;
    const queue = this.#queues.get(contract.queue);
    const isLimited = passesGate(contract) || (queue !== undefined && hasLimit(queue));
    const hasKey = contract.idempotencyKey !== undefined || contract.dedupeKey !== undefined;
    this.#isPlain = !hasKey && !isLimited;
    this.#isDated = startWithinMs !== undefined;
    this.#plainHead = headOf(
      contract,
      contract.queue,
      startWithinMs === undefined ? undefined : { startWithinMs },
    );
    this.#maxPending = queue?.maxPending ?? 0;
  }

  make(client: TaskweftClient, payload: Payload, options: EnqueueOptions | undefined): EnqueueItem {
    const checked = this.#check.check(payload);
    if (this.#isPlain && changesNothing(options)) {
      return new JobItem({
        id: client.nextId(),
        queue: this.#contract.queue,
        record: `${this.#plainHead}${checked.json}]`,
        due: "",
        key: "",
        keyTtlMs: 0,
        dedupe: undefined,
        group: undefined,
        ownId: false,
        dated: this.#isDated,
        maxPending: this.#maxPending,
      });
    }
    return this.#makeWith(client, checked, options ?? {});
  }

  /**
   * The job for a payload that the schema refuses, stored so that operators see it: its worker refuses the
   * payload too, and the job goes dead. `undefined` if a worker would accept the payload, or if it cannot be
   * stored.
   */
  makeRefused(client: TaskweftClient, payload: Payload, options: EnqueueOptions): EnqueueItem | undefined {
    if (this.#contract.schemas.payloadLoose().safeParse(payload).success) return undefined;
    const { name, hash } = this.#contract;
    const queue = this.queue(options.queue);
    const record = recordHead(name, queue.name, hash, { at: client.now() });
    return {
      id: options.id ?? client.nextId(),
      queue: queue.name,
      record: `${record}${this.#check.json(payload)}]`,
      due: dueText(options),
      // Keys and limits are computed from valid payloads only.
      key: "",
      keyTtlMs: 0,
      group: undefined,
      ownId: true,
      maxPending: queue.maxPending ?? 0,
    };
  }

  /** The counters for enqueues into a queue. */
  meter(queue: string): JobMeter {
    return queue === this.#contract.queue ? this.#meter : processMetrics.jobs.of(this.#contract.name, queue);
  }

  /** @throws TaskweftError `OptionInvalid` */
  durability(options: EnqueueOptions | undefined): Durability {
    const asked = options?.durability ?? this.#contract.durability ?? "memory";
    if (!DURABILITIES.includes(asked)) {
      throw optionInvalid("durability", `one of ${DURABILITIES.join(", ")}`, asked);
    }
    return asked;
  }

  /** @throws TaskweftError `QueueUnknown` */
  queue(name: string | undefined): QueueDefinition {
    const queue = this.#queues.get(name ?? this.#contract.queue);
    if (queue === undefined) {
      throw new TaskweftError(
        "QueueUnknown",
        `expected a queue of the definitions (${[...this.#queues.keys()].join(", ")}), got ${JSON.stringify(name)}`,
        { operation: "enqueue" },
      );
    }
    return queue;
  }

  #makeWith(
    client: TaskweftClient,
    checked: { readonly payload: Payload; readonly json: string },
    given: EnqueueOptions,
  ): EnqueueItem {
    if (given.id !== undefined && !mayBeChosen(given.id)) {
      throw optionInvalid(
        "id",
        "1 to 128 of A-Z a-z 0-9 _ : -, without :end or :timeout at its end",
        given.id,
      );
    }
    const options = withDebounce(this.#contract, given);
    const queue = this.queue(options.queue);
    const group = this.#group(queue, checked.payload);
    const place = { queue: queue.name, group: group?.name };
    const { key, keyTtlMs, dedupe, record } = jobKey(this.#contract, checked.payload, options, place);
    const due = dueText(options);
    const recordOptions = this.#recordOptions(client, options, record, group);
    return new JobItem({
      id: client.idFor(options.id, key === "" ? this.#routingGroup(group) : key),
      queue: queue.name,
      record: `${headOf(this.#contract, queue.name, recordOptions)}${checked.json}]`,
      due,
      key,
      keyTtlMs,
      dedupe,
      group,
      ownId: options.id !== undefined,
      dated: isDated(recordOptions),
      maxPending: queue.maxPending ?? 0,
    });
  }

  #group(queue: QueueDefinition, payload: Payload): LimitedGroup | undefined {
    const { name, concurrency } = this.#contract;
    if (passesGate(this.#contract) && hasLimit(queue)) {
      const own = hasLimit(this.#contract) ? "has a limit of its own" : "takes turns between keys";
      throw optionInvalid("queue", `one without a limit, because ${name} ${own}`, queue.name);
    }
    const key = groupKey(this.#contract)?.(payload as never);
    if (key !== undefined) {
      const limit = concurrency === undefined ? "rateLimit" : "concurrency";
      assertKey(`${hasLimit(this.#contract) ? limit : "fairness"}.key`, key);
    }
    return limitedGroup(this.#contract, queue, payload);
  }

  /**
   * Only a key from the payload binds jobs to one shard; a limit on the whole task or queue counts per shard.
   */
  #routingGroup(group: LimitedGroup | undefined): string {
    return group === undefined || limitKey(this.#contract) === undefined ? "" : group.name;
  }

  #recordOptions(
    client: TaskweftClient,
    options: EnqueueOptions,
    keyOptions: JobKey["record"],
    group: LimitedGroup | undefined,
  ): RecordOptions | undefined {
    const record: RecordOptions = {};
    this.#limitStart(record, options);
    // The id tells when the job was made, but not when its payload was replaced.
    if (!isDated(record) && (options.id !== undefined || latestWins(keyOptions.dedupe)))
      record.at = client.now();
    if (options.maxRetries !== undefined) {
      record.maxRetries = wholeNumber("maxRetries", options.maxRetries, 0, 1000);
    }
    if (options.timeout !== undefined) {
      record.timeoutMs = wholeNumber("timeout", durationMs("timeout", options.timeout, 0), 1, 2 ** 31 - 1);
    }
    noteDueTime(record, options, this.#contract.batch !== undefined);
    const { completed, dead } = options.retention ?? {};
    if (completed !== undefined) record.keepCompletedMs = durationMs("retention.completed", completed, 0);
    if (dead !== undefined) record.keepDeadMs = durationMs("retention.dead", dead, 0);
    Object.assign(record, keyOptions);
    if (group !== undefined) record.group = group.name;
    return Object.keys(record).length === 0 ? undefined : record;
  }

  /**
   * `delay` is a duration and `runAt` a time, and they are stored as such: the start of the duration is known
   * only when the job is stored.
   */
  #limitStart(record: RecordOptions, { startWithin, delay, runAt }: EnqueueOptions): void {
    const ms =
      startWithin === undefined
        ? this.#contract.startWithinMs
        : wholeNumber("startWithin", durationMs("startWithin", startWithin, 0), 1, Number.MAX_SAFE_INTEGER);
    if (ms === undefined) return;
    record.startWithinMs = durationMs("delay", delay, 0) + ms;
    if (runAt !== undefined) record.startBy = Math.round(Number(runAt)) + ms;
  }
}

/** Whether the deadline depends on the time at which Redis stores the job. */
function isDated(options: RecordOptions | undefined): boolean {
  return options?.startWithinMs !== undefined;
}

function headOf({ name, hash }: AnyTaskContract, queue: string, options: RecordOptions | undefined): string {
  return options === undefined || !isDated(options)
    ? recordHead(name, queue, hash, options)
    : datedHead(name, queue, hash, options);
}

/**
 * Records from when the job's waiting time counts: it does not wait before it is due. Under an id of the
 * caller's own, this time may differ with each enqueue, so it is in the record only for a batch, which is
 * gathered by it.
 */
function noteDueTime(record: RecordOptions, { delay, id, runAt }: EnqueueOptions, isGathered: boolean): void {
  if (delay === undefined && runAt === undefined) return;
  if (id !== undefined && !isGathered) record.later = 1;
  else if (runAt !== undefined) record.dueAt = Math.round(Number(runAt));
  else record.delayMs = durationMs("delay", delay, 0);
}

/** True for the job that most producers send: all of its options come from the definition. */
function changesNothing(options: EnqueueOptions | undefined): boolean {
  for (const name in options) if (name !== "client" && name !== "durability") return false;
  return true;
}

function dueText(options: EnqueueOptions): string {
  const { delay, runAt } = options;
  if (delay !== undefined && runAt !== undefined) {
    throw optionInvalid("runAt", "either delay or runAt", { delay, runAt });
  }
  if (delay !== undefined) {
    const ms = durationMs("delay", delay, 0);
    return ms === 0 ? "" : `+${ms}`;
  }
  if (runAt === undefined) return "";
  const at = Number(runAt);
  if (!Number.isFinite(at) || at < 0 || at > 8.64e15) {
    throw optionInvalid("runAt", "a valid Date or milliseconds since the epoch", runAt);
  }
  return String(Math.round(at));
}
