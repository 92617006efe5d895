import { type JobDedupeMode, type LimitedGroup, limitsText } from "../definition/index.js";
import type { ShardKeys } from "../protocol/index.js";
import { enqueueOne } from "./enqueue-one.js";
import { Script, type ScriptArgument, type ScriptRunner } from "./script.js";

export const enqueueScript = new Script("enqueue");

/** A group in the form that scripts read: its limits (0 for none) and its name. */
export function groupText(group: LimitedGroup | undefined): string {
  return group === undefined ? "" : `${limitsText(group)} ${group.name}`;
}

export interface EnqueueItem {
  readonly id: string;
  readonly queue: string;
  readonly record: string;
  /** `""` for now, `"+ms"` for a delay, `"ms"` for a time. */
  readonly due: string;
  /** Field of the `keys` hash, or `""`. */
  readonly key: string;
  /**
   * How long the key is remembered; for a dedupe key, the time until the first check whether its job has
   * ended.
   */
  readonly keyTtlMs: number;
  /** `undefined`: the key is an idempotency key. */
  readonly dedupe?: Dedupe | undefined;
  /** `undefined`: the job has no limit. */
  readonly group: LimitedGroup | undefined;
  /** True if the caller chose the id, which may then be taken already. */
  readonly ownId: boolean;
  /** True if the script writes the time into the record when it stores the job: see `datedHead`. */
  readonly dated?: boolean;
  /** Most pending jobs of the queue; 0 for any number. */
  readonly maxPending: number;
}

export interface Dedupe {
  readonly mode: JobDedupeMode;
  /** How long a job is kept that is cancelled because this job replaces it (ms). */
  readonly keepCancelledMs: number;
}

export interface EnqueueCall {
  readonly keys: ShardKeys;
  readonly client: string;
  /** Unique among the client's calls in flight; together with `call` it makes a resent call harmless. */
  readonly slot: number;
  readonly call: number;
  readonly items: readonly EnqueueItem[];
  /**
   * False if the client knows the time of Redis: a lone job is stored faster without asking. Default true.
   */
  readonly asksTime?: boolean;
  /** Also stores jobs of draining queues and tasks: for follow-up jobs of existing work. Default false. */
  readonly evenDrained?: boolean;
}

/** An item for which no new job was stored. */
export interface KnownItem {
  readonly item: EnqueueItem;
  /** Id of the existing job; `undefined` if the item's id belongs to a job with another task or payload. */
  readonly existing: string | undefined;
  /** The existing job now has the record of this item. */
  readonly replaced: boolean;
}

export interface EnqueueReply {
  /** Redis time (ms); `undefined` if it was not asked for. */
  readonly nowMs: number | undefined;
  readonly known: readonly KnownItem[];
  /** Not stored, because their queue already holds `maxPending` jobs. */
  readonly refused: readonly EnqueueItem[];
  /** Not stored, because their queue or task is draining. */
  readonly drained: readonly EnqueueItem[];
}

export function enqueue(runner: ScriptRunner, call: EnqueueCall): Promise<EnqueueReply> {
  const lone = loneItem(call);
  if (lone !== undefined)
    return enqueueOne(runner, call, lone).then((reply) => decodeLone(reply as string, call.items));
  const { keys } = call;
  const queues = new Map<string, { index: number; maxPending: number; plain: EnqueueItem[] }>();
  const others: EnqueueItem[] = [];
  let dates = false;
  for (const item of call.items) {
    if (item.dated === true) dates = true;
    let queue = queues.get(item.queue);
    if (queue === undefined) {
      queue = { index: queues.size, maxPending: item.maxPending, plain: [] };
      queues.set(item.queue, queue);
    }
    if (isPlain(item)) queue.plain.push(item);
    else others.push(item);
  }

  const scriptKeys = [keys.jobs, keys.sent(call.client, call.slot), keys.draining, keys.groups];
  const args: ScriptArgument[] = [call.call, keys.tag, modesOf(call, dates), queues.size];
  const order: EnqueueItem[] = [];
  for (const [name, { maxPending, plain }] of queues) {
    const queue = keys.queue(name);
    scriptKeys.push(queue.pending, queue.due, queue.wake);
    args.push(name, maxPending, plain.length, linesOf(plain));
    order.push(...plain);
  }
  if (others.length > 0) scriptKeys.push(...keysOfOthers(keys));
  for (const item of others) {
    const index = queues.get(item.queue)?.index ?? 0;
    args.push(index, item.id, item.record, item.due, item.key, keyRule(item), groupText(item.group));
    order.push(item);
  }
  return runner.run(enqueueScript, scriptKeys, args).then((reply) => decode(reply as string[], order));
}

/** The item of a call that the short form `enqueue-one` can carry. */
function loneItem({ items, evenDrained }: EnqueueCall): EnqueueItem | undefined {
  const item = items[0];
  if (items.length !== 1 || item === undefined || evenDrained === true) return undefined;
  return isPlain(item) && item.maxPending === 0 && item.dated !== true ? item : undefined;
}

/** A job that goes straight into its queue: no delay, key, chosen id or limit. */
function isPlain({ due, key, ownId, group }: EnqueueItem): boolean {
  return due === "" && key === "" && !ownId && group === undefined;
}

function modesOf({ evenDrained }: EnqueueCall, dates: boolean): string {
  if (evenDrained !== true) return dates ? "dates" : "";
  return dates ? "dates drained" : "drained";
}

/**
 * One text for all of them, because an argument costs ioredis more than a line costs the script. JSON
 * contains no line breaks.
 */
function linesOf(plain: readonly EnqueueItem[]): string {
  const lines: string[] = [];
  for (const item of plain) lines.push(item.id, item.record);
  return lines.join("\n");
}

/**
 * Keys that only jobs with an option need. A lone plain job is sent without them, because they would be most
 * of its cost.
 */
function keysOfOthers(keys: ShardKeys): readonly string[] {
  return [
    keys.keys,
    keys.keysExpiry,
    keys.limited,
    keys.waiting,
    keys.runs,
    keys.active,
    keys.done,
    keys.waits,
    keys.notes,
  ];
}

function keyRule({ keyTtlMs, dedupe }: EnqueueItem): ScriptArgument {
  return dedupe === undefined ? keyTtlMs : `${keyTtlMs} ${dedupe.mode} ${dedupe.keepCancelledMs}`;
}

const ACCEPTED: EnqueueReply = { nowMs: undefined, known: [], refused: [], drained: [] };

/** Handles the usual reply first: nearly all jobs are accepted, and few calls ask for the time. */
function decodeLone(reply: string, items: readonly EnqueueItem[]): EnqueueReply {
  return reply === "" ? ACCEPTED : decode(reply.split("\n"), items);
}

function decode([nowMs, ...lines]: readonly string[], order: readonly EnqueueItem[]): EnqueueReply {
  const known: KnownItem[] = [];
  const refused: EnqueueItem[] = [];
  const drained: EnqueueItem[] = [];
  for (const line of lines) {
    const [position, answer = "", how] = line.split(" ");
    const item = order[Number(position)];
    if (item === undefined) continue;
    if (answer === "#") refused.push(item);
    else if (answer === "~") drained.push(item);
    else known.push({ item, existing: answer === "!" ? undefined : answer, replaced: how !== undefined });
  }
  return { nowMs: nowMs === "" ? undefined : Number(nowMs), known, refused, drained };
}
