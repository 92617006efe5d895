/** Schedules as text. */
import type { ScheduleSummary } from "../../runtime/inspect/index.js";
import type { Colors } from "./colors.js";
import { printable } from "./sanitize.js";
import type { Column } from "./table.js";
import { relative, roughly, timestamp } from "./times.js";

export function scheduleColumns(now: number): readonly Column<ScheduleSummary>[] {
  return [
    { header: "SCHEDULE", value: (schedule) => schedule.name },
    { header: "TASK", value: ({ task, workflow }) => task ?? `run of ${workflow}`, shrinks: true },
    { header: "CRON", value: (schedule) => schedule.cron },
    { header: "ZONE", value: (schedule) => schedule.timezone, shrinks: true },
    {
      header: "LAST",
      value: ({ lastTickAt }) => (lastTickAt === undefined ? "" : relative(lastTickAt, now)),
    },
    { header: "NEXT", value: ({ next: [first] }) => (first === undefined ? "" : relative(first, now)) },
    { header: "", value: (schedule) => (schedule.pausedAt === undefined ? "" : "paused") },
  ];
}

export function scheduleText(schedule: ScheduleSummary, now: number, colors: Colors): string {
  const at = (ms: number): string => `${timestamp(ms)} (${relative(ms, now)})`;
  const { workflow, pausedAt, lastTickAt, lastJob, waitingTickAt, jitterMs } = schedule;
  const { skippedAt, skippedBecause } = schedule;
  const fields: readonly (readonly [string, string | undefined])[] = [
    ["schedule", schedule.name],
    ["task", schedule.task],
    ["workflow", workflow],
    ["queue", schedule.queue],
    ["cron", `${schedule.cron}  ${schedule.timezone}`],
    ["missed", schedule.missed],
    ["overlap", schedule.overlap],
    ["jitter", jitterMs === 0 ? undefined : roughly(jitterMs)],
    ["paused", pausedAt === undefined ? "no" : at(pausedAt)],
    [
      "last",
      lastTickAt === undefined
        ? undefined
        : `${at(lastTickAt)}, ${workflow === undefined ? "job" : "run"} ${lastJob}`,
    ],
    [
      "waits",
      waitingTickAt === undefined
        ? undefined
        : `${at(waitingTickAt)}, for the run ${lastJob}, which it replaces, to end`,
    ],
    ["skipped", skippedAt === undefined ? undefined : `${at(skippedAt)}, ${skippedBecause}`],
    ...schedule.next.map((tick, index) => {
      const zoned = `${inZone(tick, schedule.timezone)}  ${timestamp(tick)} (${relative(tick, now)})`;
      return [index === 0 ? "next" : "", zoned] as const;
    }),
  ];
  return fields
    .flatMap(([name, value]) =>
      value === undefined ? [] : [`${colors.dim(name.padEnd(11))}${printable(value)}`],
    )
    .join("\n");
}

/** `Mon 2026-03-02 09:30 GMT+1`: the local time of a time zone. */
function inZone(at: number, timeZone: string): string {
  const part: Record<string, string> = {};
  const format = new Intl.DateTimeFormat("en-US", {
    timeZone,
    weekday: "short",
    year: "numeric",
    month: "2-digit",
    day: "2-digit",
    hour: "2-digit",
    minute: "2-digit",
    hourCycle: "h23",
    timeZoneName: "shortOffset",
  });
  for (const { type, value } of format.formatToParts(at)) part[type] = value;
  const { weekday, year, month, day, hour, minute, timeZoneName } = part;
  return `${weekday} ${year}-${month}-${day} ${hour}:${minute} ${timeZoneName}`;
}
