/** Schedules as the newest deploy declared them, with their last and next ticks. */
import { nextTick, timingOf, type ScheduleSettings } from "../definition/index.js";
import { TaskweftError } from "../errors.js";
import { definitionField, parseScheduleState, tickOfJob } from "../protocol/index.js";
import { suspend } from "../scripts/index.js";
import type { ShardReader } from "./shard-reader.js";
import type { ScheduleSummary } from "./types.js";

const NEXT_TICKS = 3;

/** Sorted by name. */
export async function listSchedules(reader: ShardReader): Promise<readonly ScheduleSummary[]> {
  const [fields, now] = await Promise.all([
    reader.read((redis) => redis.hgetall(reader.keys.schedules)),
    reader.now(),
  ]);
  return Object.entries(fields)
    .flatMap(([name, state]) => {
      const definition = fields[definitionField(name)];
      return definition === undefined ? [] : [summary(name, state, definition, now)];
    })
    .toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

export async function showSchedule(reader: ShardReader, name: string): Promise<ScheduleSummary> {
  const all = await listSchedules(reader);
  const found = all.find((schedule) => schedule.name === name);
  if (found !== undefined) return found;
  const list = all.length === 0 ? "none yet" : all.map((schedule) => schedule.name).join(", ");
  throw new TaskweftError("ScheduleUnknown", `no schedule named ${name}. Schedules: ${list}`, {
    operation: "showSchedule",
  });
}

export async function suspendSchedule(
  reader: ShardReader,
  name: string,
  action: "pause" | "resume",
): Promise<void> {
  const reply = await suspend(reader.connection, { keys: reader.keys, schedule: name, action });
  // Throws the error that lists the existing schedules.
  if (reply === "NOTFOUND") await showSchedule(reader, name);
}

function summary(name: string, stateText: string, definitionText: string, now: number): ScheduleSummary {
  const state = parseScheduleState(stateText);
  const definition = JSON.parse(definitionText) as Omit<ScheduleSettings, "name"> & {
    task?: string;
    workflow?: string;
    queue: string;
  };
  const { spec, zone } = timingOf(definition);
  const next: number[] = [];
  for (let tick = nextTick(spec, zone, now); tick !== undefined && next.length < NEXT_TICKS;) {
    next.push(tick);
    tick = nextTick(spec, zone, tick);
  }
  const lastTickAt = tickOfJob(state.lastJob);
  return {
    name,
    ...definition,
    next,
    ...(state.pausedAtMs === 0 ? {} : { pausedAt: state.pausedAtMs }),
    ...(lastTickAt === undefined ? {} : { lastTickAt, lastJob: state.lastJob }),
    ...(state.waitingMs === undefined ? {} : { waitingTickAt: state.waitingMs }),
    ...(state.skipped === undefined
      ? {}
      : { skippedAt: state.skipped.atMs, skippedBecause: state.skipped.reason }),
  };
}
