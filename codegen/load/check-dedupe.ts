/**
 * Checks `dedupe` against the other settings of a task: its own times, `idempotency`, `concurrency` and
 * `rateLimit`.
 */
import { latestWins, parseDuration, type DedupeMode } from "../../runtime/definition/index.js";
import type { TemplatePart } from "../model/project.js";
import { quote } from "../model/quote.js";
import { stableText } from "./hash.js";
import type { Reporter } from "./reporter.js";
import { findEntry, type SourceEntry, type SourceNode, textOf } from "./source.js";

export interface DedupeKeys {
  readonly dedupeKey?: readonly TemplatePart[] | undefined;
  readonly concurrencyKey?: readonly TemplatePart[] | undefined;
  readonly rateLimitKey?: readonly TemplatePart[] | undefined;
  readonly fairnessKey?: readonly TemplatePart[] | undefined;
}

export function checkDedupe(name: string, task: SourceNode, keys: DedupeKeys, reporter: Reporter): void {
  const dedupe = findEntry(task, "dedupe");
  if (dedupe === undefined) return;
  if (findEntry(task, "idempotency") !== undefined) {
    reporter.report({
      code: "TW150",
      at: dedupe.keyOrigin,
      message: `${quote(name)} has idempotency and dedupe; a job has one key`,
      hint: "idempotency remembers a key for a time whatever becomes of its job, dedupe while there is a job: keep one",
    });
  }
  checkWaits(dedupe.value, reporter);
  checkGroup(task, dedupe.value, keys, reporter);
}

/** `delay`: a start time given outside the task's definition. */
export function checkDelay(
  delay: SourceEntry | undefined,
  name: string,
  task: SourceEntry | undefined,
  reporter: Reporter,
): void {
  const dedupe = task === undefined ? undefined : findEntry(task.value, "dedupe");
  if (delay === undefined || textOf(findEntry(dedupe?.value, "mode")?.value) !== "debounce") return;
  reporter.report({
    code: "TW153",
    at: delay.keyOrigin,
    message: `${quote(name)} debounces: its definition says when it runs`,
    hint: "leave delay out",
  });
}

function checkWaits(dedupe: SourceNode, reporter: Reporter): void {
  const limit = findEntry(dedupe, "maxWait")?.value;
  const [wait, maxWait] = [textOf(findEntry(dedupe, "wait")?.value), textOf(limit)];
  if (limit === undefined || wait === undefined || maxWait === undefined) return;
  if ((parseDuration(maxWait) ?? Infinity) >= (parseDuration(wait) ?? 0)) return;
  reporter.report({
    code: "TW152",
    at: limit.origin,
    message: `a job that waits ${wait} cannot be due after ${maxWait} at the latest`,
    hint: `give maxWait ${wait} or more, or leave it out for ten times wait`,
  });
}

/** A replaced job keeps its slot, or its place in the line for one, so it must stay in its group. */
function checkGroup(
  task: SourceNode,
  dedupe: SourceNode,
  { dedupeKey, ...keys }: DedupeKeys,
  reporter: Reporter,
): void {
  // If a task has several of them, they share one key (TW143, fairness).
  const limit = (["concurrency", "rateLimit", "fairness"] as const).find(
    (name) => findEntry(task, name) !== undefined,
  );
  if (limit === undefined) return;
  const limitKey = keys[`${limit}Key`];
  const at = findEntry(findEntry(task, limit)?.value, "key")?.value.origin;
  const mode = textOf(findEntry(dedupe, "mode")?.value) as DedupeMode | undefined;
  if (at === undefined || dedupeKey === undefined || limitKey === undefined || !latestWins(mode)) return;
  const known = new Set(dedupeKey.map(stableText));
  if (limitKey.every((part) => part.kind === "text" || known.has(stableText(part)))) return;
  reporter.report({
    code: "TW151",
    at,
    message: `${limit}.key is made of something that dedupe.key is not, so a replaced job would be of another group`,
    hint: "use the same key for both",
  });
}
