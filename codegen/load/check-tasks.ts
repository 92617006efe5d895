/** Payloads, results and keys of all tasks, compiled and checked. */
import type { JsonSchemaNode } from "../model/json-schema.js";
import type { TemplatePart } from "../model/project.js";
import { checkKey, type KeyedRule } from "./check-key.js";
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
  readonly concurrencyKey?: readonly TemplatePart[];
  readonly batchKey?: readonly TemplatePart[];
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
  const keyOf = (rule: KeyedRule): readonly TemplatePart[] | undefined => {
    const key = findEntry(findEntry(task, rule)?.value, "key")?.value;
    const text = textOf(key);
    if (text === undefined || key?.kind !== "scalar") return undefined;
    return checkKey(rule, key, text, payload, (node) => library.resolve(node), reporter);
  };
  const idempotencyKey = keyOf("idempotency");
  const concurrencyKey = keyOf("concurrency");
  const batchKey = keyOf("batch");
  return {
    at,
    payload,
    ...(result === undefined ? {} : { result: library.compileRoot(result.value, identifier) }),
    ...(idempotencyKey === undefined ? {} : { idempotencyKey }),
    ...(concurrencyKey === undefined ? {} : { concurrencyKey }),
    ...(batchKey === undefined ? {} : { batchKey }),
  };
}

/** A payload is an object, so that a field can be added later without breaking every stored job. */
function checkPayloadKind(
  payload: JsonSchemaNode,
  node: SourceNode,
  library: SchemaLibrary,
  reporter: Reporter,
): void {
  if (isObject(payload, library, new Set())) return;
  reporter.report({
    code: "TW120",
    at: node.origin,
    message: "expected a payload with fields (an object)",
    hint: "write payload: { value: ... }",
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
