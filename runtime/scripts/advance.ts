import type { ShardKeys } from "../protocol/index.js";
import { Script, type ScriptArgument, type ScriptRunner } from "./script.js";

export const advanceScript = new Script("advance");

/** A completed job whose history is kept. */
export interface KeptJob {
  readonly id: string;
  readonly run: string;
  readonly keepMs: number;
}

export interface AdvanceCall {
  readonly keys: ShardKeys;
  readonly worker: string;
  /** 0 leaves the lease unchanged. */
  readonly leaseMs: number;
  /** Most jobs to claim. */
  readonly want: number;
  /**
   * The reply contains the texts of up to this many jobs; beyond, only ids (cheaper for Redis to read
   * natively).
   */
  readonly inlineUpTo: number;
  readonly dropped: readonly string[];
  readonly kept: readonly KeptJob[];
  /** In the order in which the queues are claimed from; the quotas add up to `want`. */
  readonly quotas: readonly { readonly queue: string; readonly quota: number }[];
}

export interface Advanced {
  /** Milliseconds until the next scheduled job or retry of these queues; -1 if there is none. */
  readonly nextDueMs: number;
  /** Whether a queue still has jobs. */
  readonly more: boolean;
  readonly ids: readonly string[];
  /** Histories of the jobs, by position; few jobs have one. */
  readonly runs: ReadonlyMap<number, string>;
  /** Queues that need a hint, because a job waiting at the gate for one of them may now pass. */
  readonly invited: readonly string[];
  /** Present if `ids.length <= inlineUpTo`. `null` if the job is gone. */
  readonly records: readonly (string | null)[] | undefined;
}

export async function advance(runner: ScriptRunner, call: AdvanceCall): Promise<Advanced | "LOST"> {
  const { keys } = call;
  const scriptKeys = [
    keys.jobs,
    keys.runs,
    keys.active,
    keys.leases,
    keys.done,
    keys.waits,
    keys.cancels,
    keys.paused,
    keys.notes,
    keys.limited,
    keys.groups,
    keys.waiting,
  ];
  const args: ScriptArgument[] = [keys.tag, call.worker, call.leaseMs, call.want, call.inlineUpTo];
  args.push(call.dropped.length);
  for (const id of call.dropped) args.push(id);
  args.push(call.kept.length);
  for (const job of call.kept) args.push(job.id, job.run, job.keepMs);
  for (const { queue, quota } of call.quotas) {
    const queueKeys = keys.queue(queue);
    scriptKeys.push(queueKeys.pending, queueKeys.due, queueKeys.wake);
    args.push(queue, quota);
  }
  const reply = await runner.run(advanceScript, scriptKeys, args);
  if (reply === "LOST") return "LOST";
  const [nextDueMs, more, ids, runs, invited, records] = reply as [
    number,
    number,
    string,
    (number | string)[],
    string,
    (string | null)[]?,
  ];
  return {
    nextDueMs,
    more: more === 1,
    ids: wordsOf(ids),
    runs: runs.length === 0 ? NO_RUNS : runsByPosition(runs),
    invited: wordsOf(invited),
    records,
  };
}

function wordsOf(text: string): readonly string[] {
  return text === "" ? NO_WORDS : text.split(" ");
}

const NO_WORDS: readonly string[] = [];
const NO_RUNS: ReadonlyMap<number, string> = new Map();

function runsByPosition(flat: readonly (number | string)[]): ReadonlyMap<number, string> {
  const runs = new Map<number, string>();
  for (let i = 0; i < flat.length; i += 2) runs.set(Number(flat[i]), String(flat[i + 1]));
  return runs;
}
