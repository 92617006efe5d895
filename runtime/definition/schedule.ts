import { type CronSpec, parseCron } from "./cron.js";
import type { TaskContract } from "./task-contract.js";
import { TimeZone } from "./ticks.js";
import type { WorkflowDefinition } from "./workflow.js";

/**
 * What happens to ticks that passed while no worker was running: none of them runs, only the last one, or all
 * (at most the last MAX_CAUGHT_UP).
 */
export const MISSED = ["skip", "latest", "all"] as const;
export type Missed = (typeof MISSED)[number];

/**
 * What happens if the job or run of an earlier tick has not ended: the tick runs anyway, is skipped, or
 * cancels the earlier one. A run is compensated before the next one starts.
 */
export const OVERLAPS = ["allow", "skip", "replace"] as const;
export type Overlap = (typeof OVERLAPS)[number];

/**
 * Most missed ticks that `missed: all` runs, so that a schedule that ticks every minute does not flood its
 * queue after a week.
 */
export const MAX_CAUGHT_UP = 100;
/**
 * A tick found later than this counts as missed (ms); a restart or a slow second does not, nor the 75 s until
 * another deploy decides when the workers of the last one are gone.
 */
export const ON_TIME_MS = 90_000;

/** Limited, because the ids of scheduled jobs contain the name, and an id has at most 128 characters. */
export const MAX_SCHEDULE_NAME_LENGTH = 100;

/**
 * Limited likewise: the ids of scheduled runs have at most 80 characters, and with several shards they
 * contain a number too.
 */
export const MAX_RUN_SCHEDULE_NAME_LENGTH = 60;

export interface ScheduleSettings {
  readonly name: string;
  /** A cron expression with five fields; see cron.ts. */
  readonly cron: string;
  /** Name of an IANA time zone. */
  readonly timezone: string;
  readonly missed: Missed;
  readonly overlap: Overlap;
  /** Each job is due up to this long after its tick (ms). */
  readonly jitterMs: number;
}

/** A schedule as generated code hands it to the runtime. */
export interface ScheduleDefinition extends ScheduleSettings {
  /** Name of the task. */
  readonly task: string;
  readonly payload: unknown;
}

/** A schedule that starts workflow runs. */
export interface RunScheduleDefinition extends ScheduleSettings {
  readonly workflow: WorkflowDefinition;
  readonly input: unknown;
}

/** The contract only types the payload, so a schedule with a wrong payload does not compile. */
export function defineSchedule<Payload>(
  contract: Pick<TaskContract<Payload>, "name" | "schemas">,
  schedule: ScheduleSettings & { readonly payload: NoInfer<Payload> },
): ScheduleDefinition {
  return Object.freeze({ task: contract.name, ...schedule });
}

/** Generated code states the type of the input, so a schedule with a wrong input does not compile. */
export function defineRunSchedule<Input>(
  workflow: WorkflowDefinition,
  schedule: Omit<RunScheduleDefinition, "workflow" | "input"> & { readonly input: Input },
): RunScheduleDefinition {
  return Object.freeze({ workflow, ...schedule });
}

/**
 * The parsed cron expression and time zone of a schedule.
 * @throws Error for settings that codegen would have rejected.
 */
export function timingOf(schedule: Pick<ScheduleSettings, "cron" | "timezone">): {
  readonly spec: CronSpec;
  readonly zone: TimeZone;
} {
  const spec = parseCron(schedule.cron);
  if ("message" in spec) throw new Error(`cron ${JSON.stringify(schedule.cron)}: ${spec.message}`);
  return { spec, zone: new TimeZone(schedule.timezone) };
}
