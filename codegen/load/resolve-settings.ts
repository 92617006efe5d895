/**
 * Resolves settings for the runtime: looks up policies, converts durations to milliseconds, fills in
 * defaults.
 */
import {
  type Backoff,
  DEFAULT_IDEMPOTENCY_TTL_MS,
  DEFAULT_MAX_BACKOFF_MS,
  DEFAULT_MAX_WAITS,
  DEFAULT_RETENTION,
  DEFAULT_RETRY_POLICY,
  type DedupeRule,
  type ErrorRule,
  type IdempotencyRule,
  type IsolateRule,
  parseDuration,
  type RateLimitRule,
  type Retention,
  type RetryPolicy,
} from "../../runtime/definition/index.js";
import type { DedupeDefinition } from "../model/definition-dedupe.js";
import type { DurationText } from "../model/definition-fields.js";
import type { BackoffDefinition, RetryDefinition, RetryPolicyDefinition } from "../model/definition-retry.js";
import { type IsolateDefinition, memoryMb } from "../model/definition-isolate.js";
import type { ErrorDefinition, RetentionDefinition, TaskDefinitionEntry } from "../model/definition-task.js";

export function toMs(text: DurationText): number {
  const ms = parseDuration(text);
  if (ms === undefined) throw new Error(`the model let "${text}" pass as a duration`);
  return ms;
}

export function resolveRateLimit({ limit, per }: { limit: number; per: DurationText }): RateLimitRule {
  return { limit, perMs: toMs(per) };
}

export function resolvePolicy(
  written: RetryPolicyDefinition,
  base: RetryPolicy = DEFAULT_RETRY_POLICY,
): RetryPolicy {
  return {
    maxRetries: written.maxRetries ?? base.maxRetries,
    backoff: written.backoff === undefined ? base.backoff : resolveBackoff(written.backoff),
  };
}

/** `base`: the policy of `defaults`, which supplies the missing keys unless `use` names another policy. */
export function resolveRetry(
  written: RetryDefinition | undefined,
  policies: ReadonlyMap<string, RetryPolicy>,
  base: RetryPolicy,
): RetryPolicy {
  if (written === undefined) return base;
  if (typeof written === "string") return named(written, policies);
  return resolvePolicy(written, written.use === undefined ? base : named(written.use, policies));
}

function named(name: string, policies: ReadonlyMap<string, RetryPolicy>): RetryPolicy {
  const policy = policies.get(name);
  if (policy === undefined) throw new Error(`the check of references let the policy "${name}" pass`);
  return policy;
}

function resolveBackoff(written: BackoffDefinition): Backoff {
  const jitter = written.jitter ?? "none";
  switch (written.type) {
    case "fixed":
      return { type: "fixed", delayMs: toMs(written.delay), jitter };
    case "list":
      return { type: "list", delaysMs: written.delays.map(toMs), jitter };
    case "linear": {
      const initialMs = toMs(written.initial);
      const stepMs = written.step === undefined ? initialMs : toMs(written.step);
      return { type: "linear", initialMs, stepMs, maxMs: maxMs(written.max), jitter };
    }
    case "exponential": {
      const { initial, factor = 2, max } = written;
      return { type: "exponential", initialMs: toMs(initial), factor, maxMs: maxMs(max), jitter };
    }
    case "polynomial": {
      const { initial, exponent = 2, max } = written;
      return { type: "polynomial", initialMs: toMs(initial), exponent, maxMs: maxMs(max), jitter };
    }
  }
}

function maxMs(written: DurationText | undefined): number {
  return written === undefined ? DEFAULT_MAX_BACKOFF_MS : toMs(written);
}

export function resolveRetention(
  written: RetentionDefinition | undefined,
  base: Retention = DEFAULT_RETENTION,
): Retention {
  return {
    completedMs: written?.completed === undefined ? base.completedMs : toMs(written.completed),
    deadMs: written?.dead === undefined ? base.deadMs : toMs(written.dead),
  };
}

export function resolveIdempotency(
  written: NonNullable<TaskDefinitionEntry["idempotency"]>,
): IdempotencyRule {
  return {
    ttlMs: written.ttl === undefined ? DEFAULT_IDEMPOTENCY_TTL_MS : toMs(written.ttl),
    onDead: written.onDead ?? "release",
  };
}

export function resolveIsolate(written: IsolateDefinition): IsolateRule {
  if (typeof written === "string") return { in: written };
  return {
    in: written.in,
    ...(written.memory === undefined ? {} : { memoryMb: memoryMb(written.memory) }),
    ...(written.most === undefined ? {} : { most: written.most }),
  };
}

export function resolveDedupe(written: DedupeDefinition): DedupeRule {
  if (written.mode === "throttle") return { mode: "throttle", perMs: toMs(written.per) };
  if (written.mode !== "debounce") return { mode: written.mode };
  const waitMs = toMs(written.wait);
  const maxWaitMs = written.maxWait === undefined ? DEFAULT_MAX_WAITS * waitMs : toMs(written.maxWait);
  return { mode: "debounce", waitMs, maxWaitMs };
}

export function resolveErrorRule({ retry = "policy" }: ErrorDefinition): ErrorRule {
  if (typeof retry === "string") return { retry };
  return {
    retry: "after",
    afterMs: toMs(retry.after),
    ...(retry.countsAttempt === undefined ? {} : { countsAttempt: retry.countsAttempt }),
  };
}
