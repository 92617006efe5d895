/** A job that this worker has claimed, as read from Redis. */
import { latestWins } from "../../definition/index.js";
import {
  NEW_RUN,
  RECORD_VERSION,
  type JobRecord,
  type JobRun,
  type RecordArray,
  type RunEvent,
  decodeRecord,
  idTime,
  isFinal,
  parseRun,
  isUnserved,
} from "../../protocol/index.js";
import type { StepContext } from "./step-context.js";

export interface Claim {
  readonly id: string;
  readonly record: JobRecord;
  readonly run: JobRun;
  /**
   * The step that the job belongs to, for a step of a workflow run that is ready to start: the job's end is
   * the end of the step.
   */
  readonly step?: StepContext;
}

/**
 * The identity of the job towards other systems (its idempotency key) and towards the jobs that it spawns. A
 * step that was undone and runs again needs a new one: under the old one, other systems know the work that
 * was undone.
 */
export function identityOf({ id, step }: Pick<Claim, "id" | "step">): string {
  const round = step?.life?.rounds.get(step.step.name);
  return round === undefined ? id : `${id}:${round}`;
}

/** False before the first attempt, and after a retry by hand. */
function hasBegun({ events }: JobRun): boolean {
  return events.length > 0 && !events.every(isUnserved);
}

/** True for the first attempt of a job that must start within a time. */
export function mayBeLate({ record: { options }, run }: Claim): boolean {
  return (options.startBy !== undefined || options.startWithinMs !== undefined) && !hasBegun(run);
}

/**
 * True for a first attempt that must leave a trace when it is handed back. Without one the job could be
 * rejected as too late although it had started, or its payload could be replaced although its handler has
 * seen it.
 */
export function mustTellThatItBegan(claim: Claim): boolean {
  return mayBeLate(claim) || (latestWins(claim.record.options.dedupe) && !hasBegun(claim.run));
}

/**
 * How late the first attempt is (ms); 0 or less while it is in time, and for later attempts. Both times are
 * Redis times: the script that stored the job set `at`, and the worker's estimate can only be behind, so in
 * case of doubt the job runs. A record that does not say when it was stored is never late by `startWithin`.
 */
export function latenessMs(claim: Claim, now: number): number {
  if (!mayBeLate(claim)) return 0;
  const { at, startBy, startWithinMs } = claim.record.options;
  const within = at === undefined || startWithinMs === undefined ? undefined : at + startWithinMs;
  return Math.ceil(now - Math.max(within ?? startBy ?? now, startBy ?? 0));
}

/**
 * When the first attempt of a job could start (ms); `undefined` for later attempts, and when the record does
 * not say.
 */
export function startableAt({ id, record: { options }, run }: Claim): number | undefined {
  if (hasBegun(run) || options.later === 1) return undefined;
  if (options.dueAt !== undefined) return options.dueAt;
  const madeAt = options.at ?? idTime(id);
  return madeAt === undefined ? undefined : madeAt + (options.delayMs ?? 0);
}

/** True for an attempt of a job that has failed before, whether or not the failure counted. */
export function isRetry({ run }: Claim): boolean {
  if (run.attempts > 0) return true;
  return run.events.length > 0 && run.events.some((event) => event[1] === "failed" && !isUnserved(event));
}

/**
 * True when a handler has received the job since it was last retried by hand, as its history shows; a crash
 * may have come before that. What is checked before the first attempt is not checked again.
 */
export function wasHandled({ run: { events } }: Claim): boolean {
  const retriedAt = events.findLastIndex(([, kind]) => kind === "retried");
  return events.slice(retriedAt + 1).some((event) => HANDLED.has(event[1]) && !isUnserved(event));
}

const HANDLED: ReadonlySet<RunEvent[1]> = new Set(["failed", "handed-back", "slept", "waited"]);

/** The claimed jobs, sorted by whether they can run. */
export interface ReadClaims {
  readonly claims: readonly Claim[];
  /**
   * Ids that must not run: deleted (tombstone), gone, or cancelled while they waited. `queue` is "" when
   * unknown.
   */
  readonly holes: readonly { readonly id: string; readonly queue: string }[];
  /** Ids whose record or run this version cannot read. */
  readonly unreadable: readonly { readonly id: string; readonly reason: string }[];
}

export function readClaims(
  ids: readonly string[],
  records: readonly (string | null)[],
  runs: ReadonlyMap<number, string>,
): ReadClaims {
  const claims: Claim[] = [];
  const holes: { id: string; queue: string }[] = [];
  const unreadable: { id: string; reason: string }[] = [];
  const parsed = parseAll(records);
  for (let i = 0; i < ids.length; i++) {
    const id = ids[i] ?? "";
    const array = parsed[i];
    const record = array === null || array === undefined ? undefined : decodeRecord(array);
    if (array === undefined) {
      unreadable.push({ id, reason: "its record is not JSON" });
    } else if (array === null && records[i] !== null) {
      unreadable.push({ id, reason: "its record is null" });
    } else if (record === undefined) {
      holes.push({ id, queue: "" });
    } else if (record.version !== RECORD_VERSION) {
      unreadable.push({
        id,
        reason: `its record has version ${record.version}, this worker reads ${RECORD_VERSION}`,
      });
    } else {
      const text = runs.get(i);
      const run = text === undefined ? NEW_RUN : runIn(text);
      if (run === undefined) unreadable.push({ id, reason: "its run cannot be read" });
      else if (text !== undefined && isFinal(run.state as "completed"))
        holes.push({ id, queue: record.queue });
      else claims.push({ id, record, run });
    }
  }
  return { claims: interleaved(claims), holes, unreadable };
}

/**
 * A claim returns its jobs queue by queue. Started in that order, one queue would wait for hundreds of jobs
 * of another. So the queues are spread evenly over the claim, and each keeps its own order.
 */
function interleaved(claims: readonly Claim[]): readonly Claim[] {
  const first = claims[0]?.record.queue;
  if (claims.every(({ record }) => record.queue === first)) return claims;
  const counts = new Map<string, number>();
  const places = claims.map(({ record: { queue } }) => {
    const place = counts.get(queue) ?? 0;
    counts.set(queue, place + 1);
    return place;
  });
  return claims
    .map((claim, i) => ({ claim, at: ((places[i] ?? 0) + 0.5) / (counts.get(claim.record.queue) ?? 1) }))
    .sort((one, other) => one.at - other.at)
    .map(({ claim }) => claim);
}

/** A corrupt run must not keep the jobs that were claimed with it from starting. */
function runIn(text: string): JobRun | undefined {
  try {
    const run = parseRun(text);
    return typeof run.state === "string" && Array.isArray(run.events) ? run : undefined;
  } catch {
    return undefined;
  }
}

/**
 * One parse for all texts is markedly cheaper than one for each; a text that is not JSON falls back to the
 * slow way.
 */
function parseAll(texts: readonly (string | null)[]): (RecordArray | null | undefined)[] {
  try {
    return JSON.parse(`[${texts.map((text) => text ?? "null").join(",")}]`) as (RecordArray | null)[];
  } catch {
    return texts.map(parseOne);
  }
}

function parseOne(text: string | null): RecordArray | null | undefined {
  if (text === null) return null;
  try {
    return JSON.parse(text) as RecordArray;
  } catch {
    return undefined;
  }
}
