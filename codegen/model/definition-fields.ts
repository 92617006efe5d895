/** Building blocks that several sections of the definition model share. */
import { z } from "zod";
import {
  DURATION_PATTERN,
  formatDuration,
  MAX_DURATION_MS,
  parseDuration,
} from "../../runtime/definition/index.js";

/** A duration as written, e.g. `30s`; or the number 0 where zero has a meaning. */
export type DurationText = string | 0;

interface DurationRule {
  readonly description: string;
  readonly examples: readonly string[];
  /** Default true. */
  readonly allowZero?: boolean;
  /** Default: 10 years. */
  readonly maxMs?: number;
}

/**
 * A duration with a unit. A bare number is rejected: `timeout: 30` could mean seconds or milliseconds, and a
 * wrong guess is off by a thousand.
 */
export function duration({ description, examples, allowZero = true, maxMs = MAX_DURATION_MS }: DurationRule) {
  const text = { type: "string", pattern: DURATION_PATTERN.source };
  return z
    .custom<DurationText>((value) => durationProblem(value, allowZero, maxMs) === undefined, {
      error: (issue) => durationProblem(issue.input, allowZero, maxMs) ?? "expected a duration",
    })
    .meta({ description, examples, ...(allowZero ? { anyOf: [text, { const: 0 }] } : text) });
}

function durationProblem(value: unknown, allowZero: boolean, maxMs: number): string | undefined {
  const got = typeof value === "string" ? `"${value.slice(0, 40)}"` : shapeOf(value);
  const isDuration = value === 0 || (typeof value === "string" && DURATION_PATTERN.test(value));
  if (!isDuration) return `expected a duration with a unit (ms, s, m, h or d) such as 30s, got ${got}`;
  const ms = parseDuration(value);
  if (ms === undefined || ms > maxMs) return `expected at most ${formatDuration(maxMs)}, got ${got}`;
  return ms === 0 && !allowZero ? `expected a duration longer than 0, got ${got}` : undefined;
}

function shapeOf(value: unknown): string {
  if (value === null || value === undefined) return "nothing";
  if (Array.isArray(value)) return "a list";
  return typeof value === "object" ? "a map" : (JSON.stringify(value) ?? typeof value);
}

export const descriptionText = z.string().max(4000).meta({
  description: "One or two sentences that document the generated code.",
});

export const eventReference = z.string().meta({
  id: "EventName",
  description: "An event declared in `events`.",
  examples: ["order:created"],
});

export const workflowReference = z.string().meta({
  id: "WorkflowName",
  description: "A workflow declared in `workflows`.",
  examples: ["order:checkout"],
});

export const taskReference = z.string().meta({
  id: "TaskName",
  description: "A task declared in `tasks`.",
  examples: ["system:cleanup_expired_otps"],
});
