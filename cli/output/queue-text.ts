/** Queues as text. */
import type { QueueSummary } from "../../runtime/inspect/index.js";
import type { Colors } from "./colors.js";
import { printable } from "./sanitize.js";
import type { Column } from "./table.js";
import { relative, roughly, timestamp } from "./times.js";

const COUNTS = ["pending", "scheduled", "retry", "active", "completed", "dead", "cancelled"] as const;

export function queueColumns(): readonly Column<QueueSummary>[] {
  return [
    { header: "QUEUE", value: (queue) => queue.name },
    { header: "WEIGHT", value: (queue) => String(queue.weight ?? ""), align: "right" },
    ...COUNTS.map((field): Column<QueueSummary> => ({
      header: field.toUpperCase(),
      value: (queue) => countText(queue, field),
      align: "right",
    })),
    { header: "OLDEST", value: oldest, align: "right" },
    { header: "", value: heldText },
  ];
}

export function queueText(queue: QueueSummary, now: number, colors: Colors): string {
  const fields: readonly (readonly [string, string | undefined])[] = [
    ["queue", queue.name],
    ["weight", queue.weight === undefined ? undefined : String(queue.weight)],
    ["paused", queue.pausedAt === undefined ? "no" : moment(queue.pausedAt, now)],
    ["draining", queue.drainingAt === undefined ? undefined : moment(queue.drainingAt, now)],
    ...COUNTS.map((field) => [field, countText(queue, field)] as const),
    ["oldest", queue.oldestPendingMs === undefined ? undefined : oldest(queue)],
  ];
  const lines = fields.flatMap(([name, value]) =>
    value === undefined ? [] : [`${colors.dim(name.padEnd(11))}${printable(value)}`],
  );
  return [...lines, ...(queue.estimated.length > 0 ? [colors.dim("~ counted on a sample")] : [])].join("\n");
}

/** Whether a queue or a task is paused or draining, for a list. */
export function heldText(one: Pick<QueueSummary, "pausedAt" | "drainingAt">): string {
  const words = [
    ...(one.pausedAt === undefined ? [] : ["paused"]),
    ...(one.drainingAt === undefined ? [] : ["draining"]),
  ];
  return words.join(", ");
}

export function moment(at: number, now: number): string {
  return `${timestamp(at)} (${relative(at, now)})`;
}

/** `~` marks a count that was estimated from a sample. */
function countText(queue: QueueSummary, field: (typeof COUNTS)[number]): string {
  return `${queue.estimated.includes(field) ? "~" : ""}${queue[field]}`;
}

function oldest(queue: QueueSummary): string {
  return queue.oldestPendingMs === undefined ? "" : roughly(queue.oldestPendingMs);
}
