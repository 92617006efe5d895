import { type CronSpec, parseCron } from "./cron.js";
import type { TaskContract } from "./task-contract.js";
import { TimeZone } from "./ticks.js";
import type { WorkflowDefinition } from "./workflow.js";

/** What becomes of ticks that passed while no worker ran: none of them runs, the last one, or all (the last MAX_CAUGHT_UP). */
export const MISSED = ["skip", "latest", "all"] as const;
export type Missed = (typeof MISSED)[number];

/**
 * What happens when the job or run of an earlier tick has not ended: the tick runs all the same, is skipped, or that is cancelled. A run is
 * undone before the next one starts.
 */
export const OVERLAPS = ["allow", "skip", "replace"] as const;
export type Overlap = (typeof OVERLAPS)[number];

/** Most missed ticks that `missed: all` runs, so that a schedule of minutes does not flood its queue after a week. */
export const MAX_CAUGHT_UP = 100;
/** A tick that is found later than this was missed (ms): a restart or a slow second is no outage. */
export const ON_TIME_MS = 60_000;

/** Ids of scheduled jobs are made from the name, and an id has at most 128 characters. */
export const MAX_SCHEDULE_NAME_LENGTH = 100;

/** The same for runs: their ids are made so too, and have at most 80 characters, with a number between where there are shards. */
export const MAX_RUN_SCHEDULE_NAME_LENGTH = 60;

export interface ScheduleSettings {
  readonly name: string;
  /** Five fields; see cron.ts. */
  readonly cron: string;
  /** Name of an IANA time zone. */
  readonly timezone: string;
  readonly missed: Missed;
  readonly overlap: Overlap;
  /** Each job is due up to so much after its tick. */
  readonly jitterMs: number;
}

/** A schedule as generated code hands it to the runtime. */
export interface ScheduleDefinition extends ScheduleSettings {
  /** Name of the task. */
  readonly task: string;
  readonly payload: unknown;
}

/** One that starts runs of a workflow. */
export interface RunScheduleDefinition extends ScheduleSettings {
  readonly workflow: WorkflowDefinition;
  readonly input: unknown;
}

/** The contract only gives the payload its type: a schedule whose payload is wrong does not compile. */
export function defineSchedule<Payload>(
  contract: Pick<TaskContract<Payload>, "name" | "schemas">,
  schedule: ScheduleSettings & { readonly payload: NoInfer<Payload> },
): ScheduleDefinition {
  return Object.freeze({ task: contract.name, ...schedule });
}

/** Generated code says the type of the input: a schedule whose input is wrong does not compile. */
export function defineRunSchedule<Input>(
  workflow: WorkflowDefinition,
  schedule: Omit<RunScheduleDefinition, "workflow" | "input"> & { readonly input: Input },
): RunScheduleDefinition {
  return Object.freeze({ workflow, ...schedule });
}

/** Spec and zone of a schedule. @throws Error for settings that codegen would have refused. */
export function timingOf(schedule: Pick<ScheduleSettings, "cron" | "timezone">): {
  readonly spec: CronSpec;
  readonly zone: TimeZone;
} {
  const spec = parseCron(schedule.cron);
  if ("message" in spec) throw new Error(`cron ${JSON.stringify(schedule.cron)}: ${spec.message}`);
  return { spec, zone: new TimeZone(schedule.timezone) };
}
