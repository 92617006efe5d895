/** Schedules: the cron expression, the time zone, and the payload against the schema of the task. */
import type { z } from "zod";
import { isTimeZone, parseCron } from "../../runtime/definition/index.js";
import type { JsonSchemaNode } from "../model/json-schema.js";
import { listed, quote } from "../model/quote.js";
import type { CheckedTask } from "./check-tasks.js";
import { didYouMean } from "./did-you-mean.js";
import { payloadValidator } from "./payload-validator.js";
import type { SchemaLibrary } from "./payload/library.js";
import type { Reporter } from "./reporter.js";
import { findEntry, type Origin, type SourceEntry, type SourceNode, textOf, toPlain } from "./source.js";

export function checkSchedules(
  schedules: ReadonlyMap<string, SourceEntry>,
  tasks: ReadonlyMap<string, CheckedTask>,
  library: SchemaLibrary,
  reporter: Reporter,
): void {
  for (const entry of schedules.values()) {
    checkCron(findEntry(entry.value, "cron")?.value, reporter);
    checkTimezone(findEntry(entry.value, "timezone")?.value, reporter);
    checkPolicies(entry.value, reporter);
    const task = textOf(findEntry(entry.value, "task")?.value) ?? "";
    const written = findEntry(entry.value, "payload") ?? emptyPayload(entry);
    const schema = tasks.get(task)?.payload;
    if (schema !== undefined && written.value.kind === "map")
      checkPayload({ task, written, schema, library, reporter });
  }
}

/** Without a payload there is `{}`, and what it lacks is missing at the schedule. */
function emptyPayload({ keyOrigin }: SourceEntry): SourceEntry {
  return { key: "payload", keyOrigin, value: { kind: "map", entries: [], origin: keyOrigin } };
}

function checkCron(node: SourceNode | undefined, reporter: Reporter): void {
  const text = textOf(node);
  if (node === undefined || text === undefined || text === "") return;
  const spec = parseCron(text);
  if (!("message" in spec)) return;
  const { message, hint, start, end } = spec;
  reporter.report({ code: "TW140", at: partOf(node.origin, text, start, end), message, hint });
}

/** The part of a text as it stands in the file; all of it where the two differ, as with escapes. */
function partOf(origin: Origin, text: string, start: number, end: number): Origin {
  const shift = origin.source.text.slice(origin.start, origin.end).indexOf(text);
  if (shift < 0) return origin;
  const from = origin.start + shift;
  return { source: origin.source, start: from + start, end: from + end };
}

function checkTimezone(node: SourceNode | undefined, reporter: Reporter): void {
  const name = textOf(node);
  if (node === undefined || name === undefined || name === "" || isTimeZone(name)) return;
  const names = Intl.supportedValuesOf("timeZone");
  const city = names.find((known) => known.toLowerCase().endsWith(`/${name.toLowerCase()}`));
  const hint = city === undefined ? didYouMean(name, names) : `did you mean "${city}"?`;
  reporter.report({
    code: "TW140",
    at: node.origin,
    message: `no IANA time zone ${quote(name)}`,
    hint: hint ?? "such as Africa/Lagos, Europe/Berlin or UTC",
  });
}

function checkPolicies(schedule: SourceNode, reporter: Reporter): void {
  const overlap = findEntry(schedule, "overlap")?.value;
  const written = textOf(overlap);
  const leaves = { skip: "lets only one wait", replace: "keeps only the last" }[written ?? ""];
  if (leaves === undefined || textOf(findEntry(schedule, "missed")?.value) !== "all") return;
  reporter.report({
    code: "TW104",
    at: overlap!.origin,
    message: `"missed: all" wants every tick to run, "overlap: ${written}" ${leaves}`,
    hint: "write overlap: allow, or missed: latest",
  });
}

interface PayloadCheck {
  readonly task: string;
  readonly written: SourceEntry;
  readonly schema: JsonSchemaNode;
  readonly library: SchemaLibrary;
  readonly reporter: Reporter;
}

function checkPayload(check: PayloadCheck): void {
  const { written, schema, library } = check;
  const validator = payloadValidator(schema, (node) => library.resolve(node));
  for (const issue of validator.safeParse(toPlain(written.value)).error?.issues ?? [])
    reportIssue(check, issue);
}

function reportIssue(check: PayloadCheck, issue: z.core.$ZodIssue): void {
  const { task, written, reporter } = check;
  let { value: node, keyOrigin: at } = written;
  let path = "payload";
  for (const segment of issue.path) {
    const entry = findEntry(node, String(segment));
    const next = entry?.value ?? (node.kind === "list" ? node.items[Number(segment)] : undefined);
    if (next === undefined) {
      const message = `the payload of ${task} needs ${quote(String(segment))}${inPath(path)}`;
      reporter.report({ code: "TW141", at, message });
      return;
    }
    node = next;
    at = entry !== undefined && node.kind === "map" ? entry.keyOrigin : node.origin;
    path += typeof segment === "number" ? `[${segment}]` : `.${String(segment)}`;
  }
  if (issue.code === "unrecognized_keys") reportUnknown(check, issue, node, path);
  else reporter.report({ code: "TW141", at, message: `${path}: ${issue.message}` });
}

function reportUnknown(
  { task, schema, library, reporter }: PayloadCheck,
  { keys, path: segments }: z.core.$ZodIssueUnrecognizedKeys,
  node: SourceNode,
  path: string,
): void {
  const fields = fieldsAt(schema, segments, library);
  for (const key of keys) {
    reporter.report({
      code: "TW141",
      at: findEntry(node, key)?.keyOrigin ?? node.origin,
      message: `the payload of ${task} has no ${quote(key)}${inPath(path)}`,
      hint: didYouMean(key, fields) ?? (fields.length === 0 ? undefined : `fields: ${listed(fields)}`),
    });
  }
}

function inPath(path: string): string {
  return path === "payload" ? "" : ` in ${path}`;
}

function fieldsAt(schema: JsonSchemaNode, path: readonly PropertyKey[], library: SchemaLibrary): string[] {
  const node = library.resolve(schema);
  const [head, ...rest] = path;
  if (node?.kind === "array" && head !== undefined) return fieldsAt(node.items, rest, library);
  if (node?.kind !== "object") return [];
  if (head === undefined) return node.properties.map(({ name }) => name);
  const property = node.properties.find(({ name }) => name === head);
  return property === undefined ? [] : fieldsAt(property.schema, rest, library);
}
