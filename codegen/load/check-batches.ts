/**
 * Checks `batch` against the limits of the task: a batch that can never fill up would always wait for
 * nothing.
 */
import { DEFAULT_QUEUE_NAME, parseDuration } from "../../runtime/definition/index.js";
import { quote } from "../model/quote.js";
import type { Declarations } from "./declarations.js";
import type { Reporter } from "./reporter.js";
import { findEntry, type SourceEntry, type SourceNode, textOf } from "./source.js";

export function checkBatches({ queues, tasks, defaults }: Declarations, reporter: Reporter): void {
  const general = textOf(findEntry(defaults, "queue")?.value) ?? DEFAULT_QUEUE_NAME;
  for (const task of tasks.values()) {
    const batch = findEntry(task.value, "batch")?.value;
    if (batch === undefined) continue;
    const queue = textOf(findEntry(task.value, "queue")?.value) ?? general;
    checkLimit(task, batch, queue, queues.get(queue)?.value, reporter);
    checkWait(task, batch, reporter);
    checkIsolation(task, reporter);
  }
}

/** Only jobs that hold a slot of the limit can gather. */
function checkLimit(
  task: SourceEntry,
  batch: SourceNode,
  queueName: string,
  queue: SourceNode | undefined,
  reporter: Reporter,
): void {
  const own = findEntry(task.value, "concurrency")?.value;
  const limit = numberAt(own, "limit") ?? numberAt(queue, "concurrency");
  const sizeNode = findEntry(batch, "size")?.value;
  const size = numberAt(batch, "size");
  if (limit === undefined || size === undefined || sizeNode === undefined || limit >= size) return;
  // With different keys, jobs of several keys share a batch, each within the limit of its own key.
  const ownKey = textOf(findEntry(own, "key")?.value);
  if (ownKey !== undefined && ownKey !== textOf(findEntry(batch, "key")?.value)) return;
  const whose = own === undefined ? `the queue ${quote(queueName)}` : quote(task.key);
  reporter.report({
    code: "TW160",
    at: sizeNode.origin,
    message: `expected at most ${limit}, because no more jobs of ${whose} run at a time, got ${size}`,
    hint: `write size: ${limit}, or raise the limit`,
  });
}

/** A lone job waits for the whole of `within`, which is counted from the same moment as `startWithin`. */
function checkWait(task: SourceEntry, batch: SourceNode, reporter: Reporter): void {
  const within = findEntry(batch, "within")?.value;
  const startWithin = textOf(findEntry(task.value, "startWithin")?.value);
  const waitMs = parseDuration(textOf(within) ?? "");
  const limitMs = parseDuration(startWithin ?? "");
  if (within === undefined || waitMs === undefined || limitMs === undefined || waitMs < limitMs) return;
  reporter.report({
    code: "TW161",
    at: within.origin,
    message: `expected less than startWithin (${startWithin}), got ${textOf(within)}: a job that waits for others so long is dead before it starts`,
    hint: "shorten within, or lengthen startWithin",
  });
}

/** A host runs one job at a time; a call for a batch would need another protocol. */
function checkIsolation(task: SourceEntry, reporter: Reporter): void {
  const isolate = findEntry(task.value, "isolate");
  if (isolate === undefined) return;
  reporter.report({
    code: "TW163",
    at: isolate.value.origin,
    message: `expected no isolate beside batch: ${quote(task.key)} is handled many jobs at a time`,
    hint: "drop one of the two, or hand the computing to a task of its own",
  });
}

function numberAt(node: SourceNode | undefined, key: string): number | undefined {
  const value = findEntry(node, key)?.value;
  return value?.kind === "scalar" && typeof value.value === "number" ? value.value : undefined;
}
