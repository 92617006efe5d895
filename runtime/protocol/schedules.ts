/**
 * What Redis knows of a schedule, as text in the hash `schedules`; docs/protocol.md describes it field by field.
 *
 *   state  [timing, last settled tick, paused since | 0, id of the last job, last skipped tick | 0, reason]
 *
 * With the reason `waiting` the tick is not skipped: it is to run when the run before it has ended.
 */
import type { ShardRouter } from "./shard-router.js";

/** Why a tick did not run. */
export const SKIP_REASONS = ["draining", "missed", "overlap", "paused"] as const;
export type SkipReason = (typeof SKIP_REASONS)[number];

export interface ScheduleState {
  /** All ticks up to here have had their job or their skip (ms); where it began, until the first. */
  readonly lastMs: number;
  /** 0: it is not paused. */
  readonly pausedAtMs: number;
  /** Job or run of the last tick that ran. Empty: none yet. */
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

/** Field of the `schedules` hash with what readers are told about a schedule; no name holds a space. */
export function definitionField(name: string): string {
  return `${name} definition`;
}

/** The id of a tick's job: the same from every worker, so that a tick has one job. */
export function tickJobId(schedule: string, tickMs: number): string {
  return `cron:${schedule}:${tickMs.toString(36)}`;
}

/** The id of a tick's run. It lives in the shard of its schedule: a number before the tick leads it there, which ends no name. */
export function tickRunId(router: ShardRouter, shard: number, schedule: string, tickMs: number): string {
  let tried = 0;
  return router.makeId(shard, () => {
    tried += 1;
    return tickJobId(tried === 1 ? schedule : `${schedule}:${tried}`, tickMs);
  });
}

/** The tick of a job or run that a schedule made (ms). */
export function tickOfJob(id: string): number | undefined {
  const [, ms] = /^(?:s\d+\.)?cron:.+:([0-9a-z]+)$/.exec(id) ?? [];
  return ms === undefined ? undefined : parseInt(ms, 36);
}
