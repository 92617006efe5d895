/**
 * Checks schedules: the cron expression, the time zone, and the payload or input against the schema of the
 * task or workflow.
 */
import type { z } from "zod";
import {
  isTimeZone,
  MAX_RUN_SCHEDULE_NAME_LENGTH,
  nextTick,
  parseCron,
  parseDuration,
  TimeZone,
} from "../../runtime/definition/index.js";
import type { JsonSchemaNode } from "../model/json-schema.js";
import { listed, quote } from "../model/quote.js";
import type { CheckedTask } from "./check-tasks.js";
import { didYouMean } from "./did-you-mean.js";
import { payloadValidator } from "./payload-validator.js";
import type { SchemaLibrary } from "./payload/library.js";
import type { Reporter } from "./reporter.js";
import { findEntry, type Origin, type SourceEntry, type SourceNode, textOf, toPlain } from "./source.js";

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;
/** Any year will do. */
const SOME_YEAR_MS = Date.UTC(2024, 0, 1);

export interface ScheduleCheck {
  readonly tasks: ReadonlyMap<string, CheckedTask>;
  /** Input schemas of workflows. */
  readonly inputs: ReadonlyMap<string, JsonSchemaNode>;
  readonly library: SchemaLibrary;
  readonly reporter: Reporter;
}

export function checkSchedules(schedules: ReadonlyMap<string, SourceEntry>, check: ScheduleCheck): void {
  const { tasks, inputs, library, reporter } = check;
  for (const entry of schedules.values()) {
    checkCron(findEntry(entry.value, "cron")?.value, reporter);
    checkTimezone(findEntry(entry.value, "timezone")?.value, reporter);
    checkPolicies(entry.value, reporter);
    checkJitter(entry.value, reporter);
    if (!checkShape(entry, reporter)) continue;
    const workflow = textOf(findEntry(entry.value, "workflow")?.value);
    const taker = workflow ?? textOf(findEntry(entry.value, "task")?.value) ?? "";
    const key = workflow === undefined ? "payload" : "input";
    const written = findEntry(entry.value, key) ?? emptyMap(key, entry);
    const schema = workflow === undefined ? tasks.get(taker)?.payload : inputs.get(taker);
    if (schema !== undefined && written.value.kind === "map")
      checkPayload({ key, taker, written, schema, library, reporter });
  }
}

/** A schedule has either a task or a workflow, each with its own keys. False if it has neither or both. */
function checkShape({ key: name, keyOrigin, value }: SourceEntry, reporter: Reporter): boolean {
  const [task, workflow] = ["task", "workflow"].map((key) => findEntry(value, key));
  const report = (at: Origin, message: string, hint: string): void =>
    reporter.report({ code: "TW214", at, message, hint });
  if (value.kind !== "map") return false;
  if (task === undefined && workflow === undefined) {
    report(keyOrigin, "a schedule makes jobs or starts runs", "give it a task, or a workflow");
    return false;
  }
  if (task !== undefined && workflow !== undefined) {
    report(workflow.keyOrigin, "a schedule makes jobs or starts runs, not both", "make it two schedules");
    return false;
  }
  const [own, other] = workflow === undefined ? ["payload", "input"] : ["input", "payload"];
  const wrong = findEntry(value, other!);
  const kind = workflow === undefined ? "a task" : "a workflow";
  if (wrong !== undefined) report(wrong.keyOrigin, `a schedule of ${kind} has no ${other}`, `write ${own}`);
  if (workflow !== undefined && name.length > MAX_RUN_SCHEDULE_NAME_LENGTH) {
    const message = `expected a name of at most ${MAX_RUN_SCHEDULE_NAME_LENGTH} characters for a schedule of a workflow, got ${name.length}`;
    reporter.report({ code: "TW107", at: keyOrigin, message });
  }
  return wrong === undefined;
}

/** A missing payload or input counts as `{}`; fields that it lacks are reported at the schedule. */
function emptyMap(key: string, { keyOrigin }: SourceEntry): SourceEntry {
  return { key, keyOrigin, value: { kind: "map", entries: [], origin: keyOrigin } };
}

function checkCron(node: SourceNode | undefined, reporter: Reporter): void {
  const text = textOf(node);
  if (node === undefined || text === undefined || text === "") return;
  const spec = parseCron(text);
  if (!("message" in spec)) return;
  const { message, hint, start, end } = spec;
  reporter.report({ code: "TW140", at: partOf(node.origin, text, start, end), message, hint });
}

/** The part of a text as it is in the file; the whole text if the two differ, as with escapes. */
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

/** A job that is due after the next tick is replaced before it can start, over and over. */
function checkJitter(schedule: SourceNode, reporter: Reporter): void {
  const jitter = findEntry(schedule, "jitter")?.value;
  const written = textOf(jitter);
  const jitterMs = parseDuration(written ?? "");
  if (jitterMs === undefined || textOf(findEntry(schedule, "overlap")?.value) !== "replace") return;
  const gapMs = shortestGapMs(textOf(findEntry(schedule, "cron")?.value) ?? "");
  if (jitterMs < gapMs) return;
  reporter.report({
    code: "TW104",
    at: jitter!.origin,
    message: `ticks are ${gapMs / 60_000} min apart, and "overlap: replace" drops a job that is due after the next tick, as with a jitter of ${written}`,
    hint: "write a shorter jitter, or overlap: skip",
  });
}

/** The shortest time between two ticks of a day on which there are any; Infinity for less than two. */
function shortestGapMs(cron: string): number {
  const spec = parseCron(cron);
  if ("message" in spec) return Infinity;
  const zone = new TimeZone("UTC");
  const first = nextTick(spec, zone, SOME_YEAR_MS) ?? Infinity;
  let [last, shortest] = [first, Infinity];
  while (last < first + DAY_MS && shortest > MINUTE_MS) {
    const next = nextTick(spec, zone, last) ?? Infinity;
    shortest = Math.min(shortest, next - last);
    last = next;
  }
  return shortest;
}

interface PayloadCheck {
  readonly key: "input" | "payload";
  /** The task or the workflow, for messages. */
  readonly taker: string;
  readonly written: SourceEntry;
  readonly schema: JsonSchemaNode;
  readonly library: SchemaLibrary;
  readonly reporter: Reporter;
}

/** A schedule has nothing to read, so its payload is no template. */
function checkTexts(node: SourceNode, check: PayloadCheck): void {
  if (node.kind === "map") for (const { value } of node.entries) checkTexts(value, check);
  else if (node.kind === "list") for (const item of node.items) checkTexts(item, check);
  else if (textOf(node)?.includes("${{") === true) {
    const message = `the ${check.key} of a schedule has no expressions: \${{ }} is passed on as it stands`;
    const hint = "write the value, or compute it in the handler";
    check.reporter.report({ code: "TW141", severity: "warning", at: node.origin, message, hint });
  }
}

function checkPayload(check: PayloadCheck): void {
  const { written, schema, library } = check;
  checkTexts(written.value, check);
  const validator = payloadValidator(schema, (node) => library.resolve(node));
  for (const issue of validator.safeParse(toPlain(written.value)).error?.issues ?? [])
    reportIssue(check, issue);
}

function reportIssue(check: PayloadCheck, issue: z.core.$ZodIssue): void {
  const { key, taker, written, reporter } = check;
  let { value: node, keyOrigin: at } = written;
  let path: string = key;
  for (const segment of issue.path) {
    const entry = findEntry(node, String(segment));
    const next = entry?.value ?? (node.kind === "list" ? node.items[Number(segment)] : undefined);
    if (next === undefined) {
      const message = `the ${key} of ${taker} needs ${quote(String(segment))}${inPath(path, key)}`;
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
  { key: root, taker, schema, library, reporter }: PayloadCheck,
  { keys, path: segments }: z.core.$ZodIssueUnrecognizedKeys,
  node: SourceNode,
  path: string,
): void {
  const fields = fieldsAt(schema, segments, library);
  for (const key of keys) {
    reporter.report({
      code: "TW141",
      at: findEntry(node, key)?.keyOrigin ?? node.origin,
      message: `the ${root} of ${taker} has no ${quote(key)}${inPath(path, root)}`,
      hint: didYouMean(key, fields) ?? (fields.length === 0 ? undefined : `fields: ${listed(fields)}`),
    });
  }
}

function inPath(path: string, root: string): string {
  return path === root ? "" : ` in ${path}`;
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
