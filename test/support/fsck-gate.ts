// The gate of jobs with a limit: no slot is lost, none is held twice, nobody waits for ever. See runtime/scripts/lib/gate.lua.
import {
  closedField,
  NO_LIMIT,
  parkedGroup,
  parseRecord,
  pausedTaskField,
  parseSlots,
  rateField,
  TOMBSTONE,
  waitingField,
  waitingId,
} from "../../runtime/protocol/index.js";
import type { Shard } from "./shard.js";

interface Entry {
  readonly id: string;
  readonly number: string;
  readonly queue: string;
  readonly group: string;
}

export function gateProblems(read: Shard): readonly string[] {
  const shard = { ...read, groups: withoutRemoved(read.groups) };
  const entries = Object.entries(shard.limited).map(([id, text]) => entryOf(id, text));
  const listed = new Set([...Object.keys(shard.active), ...Object.values(shard.pending).flat()]);
  const members = new Set(shard.waiting);
  const waiting = entries.filter((entry) => members.has(memberOf(entry)));
  const known = new Set(waiting.map(memberOf));
  const noted = new Set(shard.waiting.map(noteGroup));
  return [
    ...entries.flatMap((entry) => entryProblems(shard, entry)),
    ...missingEntries(shard),
    ...shard.waiting
      .filter((member) => waitingId(member) !== undefined)
      .filter((member) => !known.has(member))
      .map((member) => `${JSON.stringify(member)} waits at the gate without an entry`),
    ...countProblems(shard, entries, listed, waiting),
    ...reservationProblems(shard, entries),
    ...waiting
      .filter((entry) => hasRoom(shard, entry.group) && !isReopening(shard, entry.group))
      .filter((entry) => !noted.has(entry.group))
      .map((entry) => `job ${entry.id} waits although its group has room, and no note says so`),
  ];
}

/** Without the limits of which a worker has said that there are none any more. */
function withoutRemoved(groups: Shard["groups"]): Shard["groups"] {
  return Object.fromEntries(Object.entries(groups).filter(([, value]) => value !== NO_LIMIT));
}

function entryOf(id: string, text: string): Entry {
  const [, number = "", queue = "", group = ""] = /^(\d{16}) (\S+) (.*)$/.exec(text) ?? [];
  return { id, number, queue, group };
}

function memberOf({ id, number, queue, group }: Entry): string {
  return `${group}\n${number} ${queue} ${id}`;
}

function noteGroup(member: string): string | undefined {
  return /^\n[^\n\v]+(?:\n(?:\d{16}\n)?|\v)([^\n]*)$/.exec(member)?.[1];
}

/** True where the group has room, now or when starts no longer count: then a note says so. */
export function hasRoom({ groups }: Shard, group: string): boolean {
  const task = group.split(" ")[0] ?? "";
  const [limit, rate] = [groups[task], groups[rateField(task)]];
  if (task.startsWith("!") || groups[closedField(task)] !== undefined) return false;
  const isOpen = limit === undefined || parseSlots(groups[group]).held < Number(limit);
  if (!isOpen || rate === undefined) return isOpen;
  const [most, per, turns] = rate.split(" ").map(Number);
  const reserved = reservedOf(groups, group);
  return (per === 0 || reserved < most!) && (turns === undefined || reserved === 0);
}

/** Its task was resumed, and claims have not come to the group yet: they invite groups in their order. */
function isReopening({ paused }: Shard, group: string): boolean {
  const state = paused[pausedTaskField(group.split(" ")[0] ?? "")];
  return state?.startsWith("0 ") === true && group > state.slice(2);
}

function reservedOf(groups: Shard["groups"], group: string): number {
  return parseSlots(groups[group]).reserved;
}

function entryProblems(shard: Shard, { id, queue, group }: Entry): string[] {
  const text = shard.jobs[id];
  if (text === undefined) return [`job ${id} is gone, but still known at the gate`];
  if (text === TOMBSTONE) return [];
  const record = parseRecord(text);
  if (record !== undefined && group === parkedGroup(record.task, queue)) return [];
  return record?.options.group === group && record.queue === queue
    ? []
    : [`job ${id} stands at the gate for ${group} in ${queue}, but its record says otherwise`];
}

/** A job that has not ended counts in the limit of the group that its record names. */
function missingEntries(shard: Shard): string[] {
  const placed = [
    ...Object.keys(shard.active),
    ...Object.values(shard.pending).flat(),
    ...Object.values(shard.due).flatMap((due) => Object.keys(due)),
  ];
  return placed
    .filter((id) => /^\[\d+(,"[^"]*"){3},\{[^{}]*"group":/.test(shard.jobs[id] ?? ""))
    .filter((id) => shard.limited[id] === undefined)
    .map((id) => `job ${id} has a group, but the gate does not know it`);
}

/** Each id in a pending list has the place of its start reserved. */
function reservationProblems(shard: Shard, entries: readonly Entry[]): string[] {
  const pending = new Set(Object.values(shard.pending).flat());
  const groups = new Set(entries.map(({ group }) => group));
  return [...groups]
    .filter((group) => shard.groups[rateField(group.split(" ")[0] ?? "")] !== undefined)
    .map((group) => ({
      group,
      count: entries.filter((entry) => entry.group === group && pending.has(entry.id)).length,
      reserved: reservedOf(shard.groups, group),
    }))
    .filter(({ count, reserved }) => count !== reserved)
    .map(({ group, count, reserved }) => `group ${group} reserves ${reserved} starts for ${count} ids`);
}

function countProblems(
  shard: Shard,
  entries: readonly Entry[],
  listed: ReadonlySet<string>,
  waiting: readonly Entry[],
): string[] {
  const names = new Set([...Object.keys(shard.groups), ...entries.map(({ group }) => group)]);
  const queues = new Set(entries.map(({ queue }) => queue));
  return [
    ...[...names]
      .filter((name) => name.includes(" ") && !name.startsWith(rateField("")))
      .map((name) => {
        const held = entries.filter(({ id, group }) => group === name && listed.has(id)).length;
        return { name, held, counted: parseSlots(shard.groups[name]).held };
      })
      .filter(({ held, counted }) => held !== counted)
      .map(({ name, held, counted }) => `group ${name} counts ${counted} slots, but ${held} jobs hold one`),
    ...[...queues]
      .map((queue) => ({
        queue,
        count: waiting.filter((entry) => entry.queue === queue).length,
        counted: Number(shard.groups[waitingField(queue)] ?? 0),
      }))
      .filter(({ count, counted }) => count !== counted)
      .map(({ queue, count, counted }) => `queue ${queue} counts ${counted} at the gate, there are ${count}`),
  ];
}
