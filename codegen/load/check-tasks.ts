/** Compiles and checks the payloads, results and keys of all tasks. */
import type { JsonSchemaNode } from "../model/json-schema.js";
import type { TemplatePart } from "../model/project.js";
import { quote } from "../model/quote.js";
import { checkDedupe } from "./check-dedupe.js";
import { checkKey, type KeyedRule } from "./expressions/check-key.js";
import { identifierOf } from "./check-names.js";
import { UNKNOWN_SCHEMA } from "./payload/compiler.js";
import type { SchemaLibrary } from "./payload/library.js";
import type { Reporter } from "./reporter.js";
import { findEntry, type Origin, type SourceEntry, type SourceNode, textOf } from "./source.js";

export interface CheckedTask {
  readonly at: Origin;
  readonly payload: JsonSchemaNode;
  readonly result?: JsonSchemaNode;
  readonly idempotencyKey?: readonly TemplatePart[];
  readonly dedupeKey?: readonly TemplatePart[];
  readonly concurrencyKey?: readonly TemplatePart[];
  readonly fairnessKey?: readonly TemplatePart[];
  readonly batchKey?: readonly TemplatePart[];
  readonly rateLimitKey?: readonly TemplatePart[];
}

export function checkTasks(
  tasks: ReadonlyMap<string, SourceEntry>,
  library: SchemaLibrary,
  reporter: Reporter,
): Map<string, CheckedTask> {
  const checked = new Map<string, CheckedTask>();
  for (const [name, { keyOrigin, value }] of tasks)
    checked.set(name, checkTask(name, keyOrigin, value, library, reporter));
  library.finish();
  return checked;
}

function checkTask(
  name: string,
  at: Origin,
  task: SourceNode,
  library: SchemaLibrary,
  reporter: Reporter,
): CheckedTask {
  const identifier = identifierOf(name);
  const written = findEntry(task, "payload");
  const payload = written === undefined ? UNKNOWN_SCHEMA : library.compileRoot(written.value, identifier);
  if (written !== undefined) checkPayloadKind(payload, written.value, library, reporter);
  const result = findEntry(task, "result");
  const keyOf = (rule: Exclude<KeyedRule, "start">): readonly TemplatePart[] | undefined => {
    const key = findEntry(findEntry(task, rule)?.value, "key")?.value;
    const text = textOf(key);
    if (text === undefined || key?.kind !== "scalar") return undefined;
    return checkKey(rule, key, text, payload, (node) => library.resolve(node), reporter);
  };
  const idempotencyKey = keyOf("idempotency");
  const dedupeKey = keyOf("dedupe");
  const concurrencyKey = keyOf("concurrency");
  const batchKey = keyOf("batch");
  const rateLimitKey = keyOf("rateLimit");
  const fairnessKey = keyOf("fairness");
  checkSameKey(task, concurrencyKey, rateLimitKey, reporter);
  checkTurns(task, fairnessKey, { concurrency: concurrencyKey, rateLimit: rateLimitKey }, reporter);
  checkDedupe(name, task, { dedupeKey, concurrencyKey, rateLimitKey, fairnessKey }, reporter);
  return {
    at,
    payload,
    ...(result === undefined ? {} : { result: library.compileRoot(result.value, identifier) }),
    ...(idempotencyKey === undefined ? {} : { idempotencyKey }),
    ...(dedupeKey === undefined ? {} : { dedupeKey }),
    ...(concurrencyKey === undefined ? {} : { concurrencyKey }),
    ...(fairnessKey === undefined ? {} : { fairnessKey }),
    ...(batchKey === undefined ? {} : { batchKey }),
    ...(rateLimitKey === undefined ? {} : { rateLimitKey }),
  };
}

/** A job waits in one group, which has both limits. */
function checkSameKey(
  task: SourceNode,
  concurrencyKey: readonly TemplatePart[] | undefined,
  rateLimitKey: readonly TemplatePart[] | undefined,
  reporter: Reporter,
): void {
  const [concurrency, rateLimit] = [findEntry(task, "concurrency"), findEntry(task, "rateLimit")];
  if (concurrency === undefined || rateLimit === undefined) return;
  const [one, other] = [findEntry(concurrency.value, "key"), findEntry(rateLimit.value, "key")];
  // An invalid key has been reported already.
  const unread =
    (one !== undefined && concurrencyKey === undefined) ||
    (other !== undefined && rateLimitKey === undefined);
  if (unread || JSON.stringify(concurrencyKey) === JSON.stringify(rateLimitKey)) return;
  reporter.report({
    code: "TW143",
    at: other?.value.origin ?? rateLimit.keyOrigin,
    message: "rateLimit and concurrency of a task have the same key, or both have none",
    hint:
      one === undefined
        ? "delete the key, or give concurrency the same one"
        : `write the key of concurrency: ${quote(textOf(one.value) ?? "")}`,
  });
}

/** A key has its turns and its limits in one group: a job in it waits for both. */
function checkTurns(
  task: SourceNode,
  fairnessKey: readonly TemplatePart[] | undefined,
  keys: Readonly<Record<"concurrency" | "rateLimit", readonly TemplatePart[] | undefined>>,
  reporter: Reporter,
): void {
  if (fairnessKey === undefined) return;
  for (const rule of ["concurrency", "rateLimit"] as const) {
    const limit = findEntry(task, rule);
    const key = findEntry(limit?.value, "key");
    if (limit === undefined || JSON.stringify(keys[rule]) === JSON.stringify(fairnessKey)) continue;
    // An invalid key has been reported already.
    if (key !== undefined && keys[rule] === undefined) continue;
    const text = quote(textOf(findEntry(findEntry(task, "fairness")?.value, "key")?.value) ?? "");
    reporter.report({
      code: "TW164",
      at: key?.value.origin ?? limit.keyOrigin,
      message: `expected the key of fairness, because a job waits for its turn and its limit in one place, got ${key === undefined ? "a limit of the whole task" : "another one"}`,
      hint: `write key: ${text} here too, so that each key has the limit for itself, or leave ${rule} or fairness out`,
    });
  }
}

/** A payload must be an object, so that a field can be added later without breaking every stored job. */
export function checkPayloadKind(
  payload: JsonSchemaNode,
  node: SourceNode,
  library: SchemaLibrary,
  reporter: Reporter,
  what: "payload" | "input" = "payload",
): void {
  if (isObject(payload, library, new Set())) return;
  reporter.report({
    code: "TW120",
    at: node.origin,
    message: `expected ${what === "input" ? "an input" : "a payload"} with fields (an object)`,
    hint: `write ${what}: { value: ... }`,
  });
}

function isObject(schema: JsonSchemaNode, library: SchemaLibrary, seen: Set<JsonSchemaNode>): boolean {
  const node = library.resolve(schema) ?? UNKNOWN_SCHEMA;
  if (node === UNKNOWN_SCHEMA || seen.has(node)) return true;
  seen.add(node);
  if (node.kind === "union") return node.branches.every((branch) => isObject(branch, library, seen));
  if (node.kind === "intersection") return node.branches.some((branch) => isObject(branch, library, seen));
  return node.kind === "object";
}
