/**
 * Checks a file's tree against the zod model: unknown keys, missing keys, wrong values. zod finds the problem
 * and its place; the messages are ours, because "expected nonoptional" means nothing to an author of YAML.
 */
import type { z } from "zod";
import { DEDUPE_MODES } from "../../runtime/definition/index.js";
import { definitionFile } from "../model/definition-file.js";
import { anyOf, quote } from "../model/quote.js";
import { didYouMean } from "./did-you-mean.js";
import { allowedKeys } from "./model-keys.js";
import type { Reporter } from "./reporter.js";
import { describeNode, findEntry, type Origin, type SourceNode, textOf, toPlain } from "./source.js";

type Issue = z.core.$ZodIssue;
type Path = readonly PropertyKey[];

/**
 * Reports every structural problem of the file. Returns the typed content, or `undefined` if there is a
 * problem.
 */
export function checkStructure(
  root: SourceNode,
  reporter: Reporter,
): z.infer<typeof definitionFile> | undefined {
  if (root.kind !== "map") {
    const got = describeNode(root, quote);
    reporter.report({
      code: "TW104",
      at: root.origin,
      message: `expected a map that begins with "version: 1", got ${got}`,
    });
    return undefined;
  }
  const result = definitionFile.safeParse(toPlain(root));
  if (result.success) return result.data;
  for (const issue of result.error.issues) reportIssue(root, issue, [], reporter);
  return undefined;
}

function reportIssue(root: SourceNode, issue: Issue, prefix: Path, reporter: Reporter): void {
  // check-names.ts checks names, including reserved words.
  if (issue.code === "invalid_key") return;
  const path = [...prefix, ...issue.path];
  const place = locate(root, path);
  if (place.missing !== undefined) {
    reportMissing(path, place, reporter);
  } else if (issue.code === "unrecognized_keys") {
    for (const key of issue.keys) reportUnknownKey(place.node, path, key, reporter);
  } else if (issue.code === "invalid_union") {
    reportUnion(root, issue, path, place, reporter);
  } else {
    reporter.report({ code: "TW104", at: place.at, ...describeIssue(issue, path, place.node) });
  }
}

interface Place {
  readonly node: SourceNode;
  readonly at: Origin;
  /** The last segment is a missing key: `node` is the map without it and `at` is that map's key. */
  readonly missing?: string;
}

function locate(root: SourceNode, path: Path): Place {
  let node = root;
  let keyOrigin: Origin = { ...root.origin, end: root.origin.start };
  for (const segment of path) {
    if (node.kind === "list" && typeof segment === "number" && node.items[segment] !== undefined) {
      node = node.items[segment];
      keyOrigin = node.origin;
      continue;
    }
    const entry = findEntry(node, String(segment));
    if (entry === undefined) return { node, at: keyOrigin, missing: String(segment) };
    node = entry.value;
    keyOrigin = entry.keyOrigin;
  }
  // An empty value has no text to mark, so its key is marked.
  const isEmpty = node.kind === "scalar" && node.value === null;
  return { node, at: isEmpty || node.kind === "map" ? keyOrigin : node.origin };
}

function reportMissing(path: Path, place: Place, reporter: Reporter): void {
  const key = place.missing ?? "";
  const hint = MISSING_HINTS[key];
  reporter.report({
    code: "TW103",
    at: place.at,
    message: `missing "${key}"${inPath(path.slice(0, -1))}`,
    hint,
  });
}

const MISSING_HINTS: Readonly<Record<string, string>> = {
  cron: 'five fields: minute, hour, day of month, month, day of week, such as "0 9 * * MON-FRI"',
  mode: `one of ${DEDUPE_MODES.toSorted().join(", ")}`,
  payload: 'write "payload: {}" when the job carries nothing',
  per: "the length of time that the limit is for, such as 10s",
  task: "name the task whose job is enqueued",
  timezone: "laptops and servers disagree about the local time: name a zone, such as Africa/Lagos or UTC",
  type: "one of exponential, fixed, linear, list, polynomial",
  wait: "a debounce says how long the job waits for further enqueues, such as 5s",
  version: 'begin the file with "version: 1"',
};

function reportUnknownKey(node: SourceNode, path: Path, key: string, reporter: Reporter): void {
  const at = findEntry(node, key)?.keyOrigin ?? node.origin;
  const allowed = allowedKeys(definitionFile, path, node);
  const hint =
    didYouMean(key, allowed) ??
    (Object.hasOwn(definitionFile.shape, key) ? "it belongs at the top level of the file" : undefined) ??
    (allowed.length > 0 ? `known keys: ${allowed.join(", ")}` : undefined);
  reporter.report({ code: "TW102", at, message: `unknown key ${quote(key)}${inPath(path)}`, hint });
}

type UnionIssue = Extract<Issue, { code: "invalid_union" }>;

/** Reports the problems of the branch whose type fits, because the author meant that one. */
function reportUnion(
  root: SourceNode,
  issue: UnionIssue,
  path: Path,
  place: Place,
  reporter: Reporter,
): void {
  const discriminator = "discriminator" in issue ? issue.discriminator : undefined;
  if (typeof discriminator === "string") {
    const options =
      "options" in issue && Array.isArray(issue.options) ? issue.options.map(String).sort() : [];
    reportChoice(options, path, place, reporter);
    return;
  }
  const fitting = issue.errors.filter(
    (errors) => !errors.some((error) => error.path.length === 0 && isTypeMismatch(error, place.node)),
  );
  const branch = fitting.length === 1 ? fitting[0] : undefined;
  if (branch !== undefined) {
    for (const error of branch) reportIssue(root, error, path, reporter);
    return;
  }
  const expected = anyOf(issue.errors.map((errors) => expectedOf(errors[0])));
  const message = `${at(path)}expected ${expected}, got ${describeNode(place.node, quote)}`;
  reporter.report({ code: "TW104", at: place.at, message });
}

/** Text fits a branch of fixed words even if it is none of them: then the word is misspelt. */
function isTypeMismatch(issue: Issue, node: SourceNode): boolean {
  if (issue.code === "invalid_type") return true;
  return issue.code === "invalid_value" && !(node.kind === "scalar" && typeof node.value === "string");
}

function expectedOf(issue: Issue | undefined): string {
  if (issue?.code === "invalid_type") return TYPE_NAMES[issue.expected] ?? issue.expected;
  if (issue?.code === "invalid_value") return anyOf(issue.values.map(String));
  return "another value";
}

function reportChoice(options: readonly string[], path: Path, place: Place, reporter: Reporter): void {
  const got = describeNode(place.node, quote);
  const message = `${at(path)}expected ${anyOf(options)}, got ${got}`;
  reporter.report({
    code: "TW104",
    at: place.at,
    message,
    hint: hintFor(place.node, options),
  });
}

const TYPE_NAMES: Readonly<Record<string, string>> = {
  array: "a list",
  boolean: "true or false",
  int: "a whole number",
  number: "a number",
  object: "a map",
  record: "a map",
  string: "text",
};

function describeIssue(
  issue: Issue,
  path: Path,
  node: SourceNode,
): { message: string; hint?: string | undefined } {
  const got = describeNode(node, quote);
  const where = at(path);
  if (issue.code === "invalid_type") {
    return { message: `${where}expected ${TYPE_NAMES[issue.expected] ?? issue.expected}, got ${got}` };
  }
  if (issue.code === "invalid_value") {
    const values = issue.values.map(String);
    const hint = hintFor(node, values);
    return { message: `${where}expected ${anyOf(values)}, got ${got}`, hint };
  }
  if (issue.code === "too_small") {
    const limit = bound(issue.origin, "at least", issue.minimum);
    return { message: `${where}expected ${limit}, got ${sized(issue.origin, node, got)}` };
  }
  if (issue.code === "too_big") {
    const limit = bound(issue.origin, "at most", issue.maximum);
    return { message: `${where}expected ${limit}, got ${sized(issue.origin, node, got)}` };
  }
  return { message: `${where}${issue.message}` };
}

/** Suggests only for text: `2` instead of 1 is not a misspelling. */
function hintFor(node: SourceNode, words: readonly string[]): string | undefined {
  const text = textOf(node);
  if (text === undefined) return undefined;
  return words.includes(text) ? `write ${text} without quotes` : didYouMean(text, words);
}

function bound(origin: string, side: string, limit: number | bigint): string {
  if (origin === "string") return `${side} ${limit} characters`;
  return origin === "array" ? `${side} ${limit} ${limit === 1 ? "entry" : "entries"}` : `${side} ${limit}`;
}

function sized(origin: string, node: SourceNode, got: string): string {
  if (origin === "array" && node.kind === "list") return String(node.items.length);
  if (origin === "string" && node.kind === "scalar") return String(String(node.value).length);
  return got;
}

/** `tasks > payment:process > queue: `, or empty at the root. */
function at(path: Path): string {
  return path.length === 0 ? "" : `${pathText(path)}: `;
}

function inPath(path: Path): string {
  return path.length === 0 ? "" : ` in ${pathText(path)}`;
}

export function pathText(path: Path): string {
  return path.map(String).join(" > ");
}
