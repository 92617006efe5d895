/**
 * The state of a schedule, as text in the `schedules` hash; docs/protocol.md describes it field by field.
 *
 *   state  [timing, last settled tick, paused since | 0, id of the last job, last skipped tick | 0, reason]
 *
 * With the reason `waiting` the tick was not skipped: it runs when the run of the previous tick has ended.
 */
import type { ShardRouter } from "./shard-router.js";

/** Why a tick did not run. */
const SKIP_REASONS = ["draining", "missed", "overlap", "paused"] as const;
export type SkipReason = (typeof SKIP_REASONS)[number];

export interface ScheduleState {
  /**
   * Every tick up to this time has been run or skipped (ms). Before the first tick: when the schedule began.
   */
  readonly lastMs: number;
  /** 0: not paused. */
  readonly pausedAtMs: number;
  /** Job or run of the last tick that ran; empty before the first. */
  readonly lastJob: string;
  readonly skipped: { readonly atMs: number; readonly reason: SkipReason } | undefined;
  /** The tick that waits for the end of the run that it replaces. */
  readonly waitingMs: number | undefined;
}

export function parseScheduleState(text: string): ScheduleState {
  const [, lastMs, pausedAtMs, lastJob, atMs, reason] = JSON.parse(text) as [
    timing: string,
    last: number,
    paused: number,
    job: string,
    skipped: number,
    reason: SkipReason | "waiting",
  ];
  const of = { lastMs, pausedAtMs, lastJob };
  if (reason === "waiting") return { ...of, skipped: undefined, waitingMs: atMs };
  return { ...of, skipped: atMs === 0 ? undefined : { atMs, reason }, waitingMs: undefined };
}

/** Field of the `schedules` hash with the description of a schedule for readers. Names contain no space. */
export function definitionField(name: string): string {
  return `${name} definition`;
}

/** The id of a tick's job. Every worker makes the same id, so that a tick has one job. */
export function tickJobId(schedule: string, tickMs: number): string {
  return `cron:${schedule}:${tickMs.toString(36)}`;
}

/**
 * The id of a tick's run, which lives in the shard of its schedule. When the plain id leads to another shard,
 * a number before the tick is tried out; no schedule name ends with a number, so such an id belongs to one
 * schedule only.
 */
export function tickRunId(router: ShardRouter, shard: number, schedule: string, tickMs: number): string {
  let tried = 0;
  return router.makeId(shard, () => {
    tried += 1;
    return tickJobId(tried === 1 ? schedule : `${schedule}:${tried}`, tickMs);
  });
}

/** The tick (ms) of a job or run that a schedule made. */
export function tickOfJob(id: string): number | undefined {
  const [, ms] = /^(?:s\d+\.{1,2})?cron:.+:([0-9a-z]+)$/.exec(id) ?? [];
  return ms === undefined ? undefined : parseInt(ms, 36);
}
