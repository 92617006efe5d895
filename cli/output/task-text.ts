/** Tasks as text. */
import type { TaskSummary } from "../../runtime/inspect/index.js";
import type { Colors } from "./colors.js";
import { heldText, moment } from "./queue-text.js";
import { printable } from "./sanitize.js";
import type { Column } from "./table.js";

export function taskColumns(): readonly Column<TaskSummary>[] {
  return [
    { header: "TASK", value: (task) => task.name },
    { header: "PARKED", value: (task) => (task.parked === 0 ? "" : String(task.parked)), align: "right" },
    { header: "", value: heldText },
  ];
}

export function taskText(task: TaskSummary, now: number, colors: Colors): string {
  const fields: readonly (readonly [string, string])[] = [
    ["task", task.name],
    ["paused", task.pausedAt === undefined ? "no" : moment(task.pausedAt, now)],
    ["draining", task.drainingAt === undefined ? "no" : moment(task.drainingAt, now)],
    ["parked", String(task.parked)],
  ];
  return fields.map(([name, value]) => `${colors.dim(name.padEnd(11))}${printable(value)}`).join("\n");
}
