import { durationMs, optionInvalid, prefixOption, shardsOption, wholeNumber } from "../option-values.js";
import type { ConnectionOptions } from "../connection/index.js";
import { type Duration, type QueueDefinition, timerMs } from "../definition/index.js";
import type { Logger } from "./handler.js";
import { createConsoleLogger } from "./logger.js";
import { servedQueues } from "./served-queues.js";

export interface WorkerOptions extends ConnectionOptions {
  /** Handlers that run at the same time in this process. 1 to 10000, default 20. */
  readonly concurrency?: number;
  /**
   * Names of the queues to serve: defined ones, and others that Redis knows from an earlier deploy. Default:
   * all defined queues.
   */
  readonly queues?: readonly string[];
  /** How long `stop()` waits for running handlers before it aborts them. Default `30s`. */
  readonly grace?: Duration;
  /**
   * How long the jobs of a dead worker stay with it. A shorter lease recovers them sooner, a longer one
   * tolerates longer pauses. At least `1s`, default `15s`.
   */
  readonly lease?: Duration;
  /**
   * How long a handler may block the event loop before the worker counts as dead; until then a thread keeps
   * the lease. `0`: no thread, and a loop that is blocked for longer than `lease` loses its jobs. Default
   * `60s`.
   */
  readonly maxBlock?: Duration;
  /** Handler time to claim ahead while handlers are short, at most `1s`; `0` claims only for free slots. Default `5ms`. */
  readonly claimAhead?: Duration;
  /**
   * Most characters of JSON in the result of a job: a job with a longer result goes dead with
   * `ResultTooLarge`. Results that are not kept have no limit. 1 to 67108864, default 1048576.
   */
  readonly maxResult?: number;
  /**
   * Replaces the retention of completed jobs of every definition; the option of an enqueue takes precedence.
   * `0` removes them at once.
   */
  readonly retentionCompleted?: Duration;
  /** First part of every key. Default: `TASKWEFT_PREFIX`, else `weft`. */
  readonly prefix?: string;
  /**
   * Number of shards, 1 to 64; must be the same for all producers and workers. See docs/redis.md. Default:
   * `TASKWEFT_SHARDS`, else 1.
   */
  readonly shards?: number;
  /** Default: lines on standard error, level `info`. */
  readonly logger?: Logger;
  /**
   * Whether log lines of handlers are also kept with their jobs, in Redis, for people who inspect a job.
   * Default `keep`.
   */
  readonly jobLog?: "keep" | "off";
  /** Source of jitter: returns [0, 1). Default `Math.random`. */
  readonly random?: () => number;
}

/** The effective options: complete, validated, frozen. */
export interface ResolvedWorkerOptions {
  readonly connection: ConnectionOptions;
  readonly concurrency: number;
  readonly queues: readonly QueueDefinition[];
  readonly graceMs: number;
  readonly leaseMs: number;
  readonly maxBlockMs: number;
  readonly claimAheadMs: number;
  readonly maxResultCharacters: number;
  readonly retentionCompletedMs: number | undefined;
  readonly prefix: string;
  readonly shards: number;
  readonly keepsJobLog: boolean;
  readonly logger: Logger;
  readonly random: () => number;
}

const DEFAULT_CONCURRENCY = 20;
const DEFAULT_GRACE_MS = 30_000;
const DEFAULT_LEASE_MS = 15_000;
const SHORTEST_LEASE_MS = 1000;
const DEFAULT_MAX_BLOCK_MS = 60_000;
const DEFAULT_CLAIM_AHEAD_MS = 5;
const LONGEST_CLAIM_AHEAD_MS = 1000;
const DEFAULT_MAX_RESULT = 1_048_576;
/** A result travels with others in one call, and Redis accepts at most 512 MiB. */
const LONGEST_MAX_RESULT = 67_108_864;

/** @throws TaskweftError `OptionInvalid` */
export function resolveWorkerOptions(
  options: WorkerOptions,
  defined: readonly QueueDefinition[],
): ResolvedWorkerOptions {
  return Object.freeze({
    connection: { url: options.url, redis: options.redis },
    concurrency: wholeNumber("concurrency", options.concurrency ?? DEFAULT_CONCURRENCY, 1, 10_000),
    queues: servedQueues(options.queues, defined),
    graceMs: timerMs(durationMs("grace", options.grace, DEFAULT_GRACE_MS)),
    leaseMs: atLeast("lease", durationMs("lease", options.lease, DEFAULT_LEASE_MS), SHORTEST_LEASE_MS),
    maxBlockMs: durationMs("maxBlock", options.maxBlock, DEFAULT_MAX_BLOCK_MS),
    claimAheadMs: atMost(
      "claimAhead",
      durationMs("claimAhead", options.claimAhead, DEFAULT_CLAIM_AHEAD_MS),
      LONGEST_CLAIM_AHEAD_MS,
    ),
    maxResultCharacters: wholeNumber(
      "maxResult",
      options.maxResult ?? DEFAULT_MAX_RESULT,
      1,
      LONGEST_MAX_RESULT,
    ),
    retentionCompletedMs:
      options.retentionCompleted === undefined
        ? undefined
        : durationMs("retentionCompleted", options.retentionCompleted, 0),
    prefix: prefixOption(options.prefix),
    shards: shardsOption(options.shards),
    keepsJobLog: keepsJobLog(options.jobLog ?? "keep"),
    logger: options.logger ?? createConsoleLogger(),
    random: options.random ?? Math.random,
  });
}

function keepsJobLog(value: string): boolean {
  if (value !== "keep" && value !== "off") throw optionInvalid("jobLog", "keep or off", value);
  return value === "keep";
}

function atMost(name: string, ms: number, most: number): number {
  if (ms > most) throw optionInvalid(name, `at most ${most} ms`, ms);
  return ms;
}

function atLeast(name: string, ms: number, least: number): number {
  if (ms < least) throw optionInvalid(name, `at least ${least} ms`, ms);
  return ms;
}
