/**
 * Checks `onExhausted`: the named task must accept the data about the dead job, whatever happened to that
 * job.
 */
import { type Exhausted, EXHAUSTED_FIELDS, type FollowUpRule } from "../../runtime/definition/index.js";
import type { JsonSchemaNode } from "../model/json-schema.js";
import { listed, quote } from "../model/quote.js";
import type { CheckedTask } from "./check-tasks.js";
import { payloadValidator } from "./payload-validator.js";
import { UNKNOWN_SCHEMA } from "./payload/compiler.js";
import type { SchemaLibrary } from "./payload/library.js";
import type { Reporter } from "./reporter.js";
import { misfit } from "./expressions/schema-fit.js";
import { exposedPart } from "./expressions/sensitive-flow.js";
import { findEntry, type SourceEntry, type SourceNode, textOf } from "./source.js";

/** By the name of the task with the `onExhausted`. */
export function checkFollowUps(
  declared: ReadonlyMap<string, SourceEntry>,
  tasks: ReadonlyMap<string, CheckedTask>,
  library: SchemaLibrary,
  reporter: Reporter,
): Map<string, FollowUpRule> {
  const rules = new Map<string, FollowUpRule>();
  const circled = inCircles(declared);
  for (const [holder, { value }] of declared) {
    const node = findEntry(value, "onExhausted")?.value;
    const name = textOf(node);
    const target = name === undefined ? undefined : tasks.get(name);
    if (node === undefined || name === undefined || target === undefined) continue;
    if (circled.has(holder)) reportCircle(holder, node, reporter);
    const check = { holder, name, target, node, tasks, library, reporter };
    const fields = checkedFields(check);
    const from = tasks.get(holder)?.payload;
    if (from !== undefined) guardSensitive(from, fields, check);
    rules.set(holder, { task: name, fields });
  }
  return rules;
}

/** The tasks whose chain leads back to them. Each task is passed once, however long the chains are. */
function inCircles(declared: ReadonlyMap<string, SourceEntry>): ReadonlySet<string> {
  const circled = new Set<string>();
  const done = new Set<string>();
  for (const start of declared.keys()) {
    const path = new Set<string>();
    let next: string | undefined = start;
    for (; next !== undefined && !done.has(next) && !path.has(next); next = followerOf(next, declared))
      path.add(next);
    if (next !== undefined && path.has(next)) {
      const names = [...path];
      for (const name of names.slice(names.indexOf(next))) circled.add(name);
    }
    for (const name of path) done.add(name);
  }
  return circled;
}

/** A cycle would let one dead job create jobs for ever. */
function reportCircle(holder: string, node: SourceNode, reporter: Reporter): void {
  const message = `onExhausted leads back to ${holder}, so one dead job would make jobs for ever`;
  reporter.report({ code: "TW142", at: node.origin, message, hint: "name a task outside of this circle" });
}

function followerOf(task: string, declared: ReadonlyMap<string, SourceEntry>): string | undefined {
  return textOf(findEntry(declared.get(task)?.value, "onExhausted")?.value);
}

interface Check {
  readonly holder: string;
  readonly name: string;
  readonly target: CheckedTask;
  readonly node: SourceNode;
  readonly tasks: ReadonlyMap<string, CheckedTask>;
  readonly library: SchemaLibrary;
  readonly reporter: Reporter;
}

function checkedFields({
  holder,
  name,
  target,
  node,
  tasks,
  library,
  reporter,
}: Check): FollowUpRule["fields"] {
  const schema = library.resolve(target.payload);
  if (schema === undefined || schema === UNKNOWN_SCHEMA) return [];
  const report = (message: string, hint?: string): void =>
    reporter.report({ code: "TW142", at: node.origin, message, hint });
  if (schema.kind !== "object") {
    report(`${name} must have a payload of plain fields to be told what has happened`);
    return [];
  }
  const fields = EXHAUSTED_FIELDS.filter((field) =>
    schema.properties.some((property) => property.name === field),
  );
  const told = `it is told ${listed(EXHAUSTED_FIELDS)}; leave others out, or make them optional`;
  const missing = schema.properties.filter((property) => property.required && !isField(property.name));
  for (const property of missing) report(`${name} needs ${quote(property.name)}, which it is not told`, told);
  if (missing.length > 0) return fields;
  const validator = payloadValidator(schema, (inner) => library.resolve(inner));
  const problems = samplesFor(holder).flatMap((sample) => {
    const payload = Object.fromEntries(fields.map((field) => [field, sample[field]]));
    return (validator.safeParse(payload).error?.issues ?? []).map(
      (issue) => `${name} does not take every ${String(issue.path[0] ?? "payload")}: ${issue.message}`,
    );
  });
  const given = tasks.get(holder)?.payload;
  const wanted = schema.properties.find((property) => property.name === "payload")?.schema;
  const found =
    given === undefined || wanted === undefined
      ? undefined
      : misfit(given, wanted, (inner) => library.resolve(inner));
  if (found !== undefined && problems.every((problem) => !problem.includes("every payload:")))
    problems.push(
      `${name} does not take every payload: payload${found.path} takes ${found.wanted}, got ${found.got}`,
    );
  for (const problem of new Set(problems)) report(problem, "loosen the schema of the field, or leave it out");
  return fields;
}

/** Fields that may contain parts of the payload, because handlers put its values into their errors. */
const REPEATING: ReadonlySet<string> = new Set(["error", "message", "payload"]);

/**
 * Tools show every unmarked field of the follow-up's payload, even if it was sensitive in the payload of the
 * dead job.
 */
function guardSensitive(
  from: JsonSchemaNode,
  fields: FollowUpRule["fields"],
  { holder, name, target, node, library, reporter }: Check,
): void {
  const resolve = (inner: JsonSchemaNode): JsonSchemaNode | undefined => library.resolve(inner);
  const schema = library.resolve(target.payload);
  if (schema?.kind !== "object" || target.payload.sensitive === true || schema.sensitive === true) return;
  for (const field of fields.filter((one) => REPEATING.has(one))) {
    const wanted = schema.properties.find((property) => property.name === field)?.schema;
    if (wanted === undefined || wanted.sensitive === true || resolve(wanted)?.sensitive === true) continue;
    // A text may contain any part of the payload.
    const path = exposedPart(from, field === "payload" ? wanted : { kind: "any" }, resolve);
    if (path === undefined) continue;
    const shown = field === "payload" ? `${field}${path}` : field;
    const message = `${shown} of ${name} would show what is x-sensitive in ${holder}`;
    const hint = "mark the field of the task x-sensitive too, or leave it out";
    reporter.report({ code: "TW182", severity: "warning", at: node.origin, message, hint });
  }
}

function isField(name: string): boolean {
  return (EXHAUSTED_FIELDS as readonly string[]).includes(name);
}

/**
 * The shortest and the longest possible values, and some with all sorts of characters, which a pattern may
 * refuse.
 */
function samplesFor(task: string): readonly Exhausted[] {
  const text = (length: number): string => "x".repeat(length);
  return [
    { attempts: 1, error: text(1), jobId: text(1), message: "", payload: {}, queue: text(1), task },
    {
      attempts: 1001,
      error: text(160),
      jobId: text(128),
      message: text(4160),
      payload: { anything: [1] },
      queue: text(64),
      task,
    },
    {
      attempts: 2,
      error: "Überraschung 1: x",
      jobId: "aZ09._:-",
      message: 'Line 1\nLine 2: {"ü": "\u{1F600}"}',
      payload: {},
      queue: "a-1_b",
      task,
    },
  ];
}
