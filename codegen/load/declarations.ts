/** Merges all files of a project: what is declared, under which name, and where. */
import { compareText } from "../model/diagnostic.js";
import { quote } from "../model/quote.js";
import { identifierOf, type NameKind, modulePathOf, nameProblem } from "./check-names.js";
import type { Reporter } from "./reporter.js";
import {
  entriesOf,
  findEntry,
  positionAt,
  type Origin,
  type SourceEntry,
  type SourceNode,
} from "./source.js";

export interface Declarations {
  /** The `defaults` section, from whichever file contains it. */
  readonly defaults: SourceNode | undefined;
  readonly events: ReadonlyMap<string, SourceEntry>;
  readonly observers: ReadonlyMap<string, SourceEntry>;
  readonly queues: ReadonlyMap<string, SourceEntry>;
  readonly retryPolicies: ReadonlyMap<string, SourceEntry>;
  readonly schedules: ReadonlyMap<string, SourceEntry>;
  readonly schemas: ReadonlyMap<string, SourceEntry>;
  readonly tasks: ReadonlyMap<string, SourceEntry>;
  readonly workflows: ReadonlyMap<string, SourceEntry>;
}

/** `roots`: the trees of all files that could be parsed, sorted by file. */
export function collectDeclarations(roots: readonly SourceNode[], reporter: Reporter): Declarations {
  const collect = (section: string, kind: NameKind): Map<string, SourceEntry> =>
    collectSection(roots, section, kind, reporter);
  const declarations = {
    defaults: collectDefaults(roots, reporter),
    events: collect("events", "event"),
    observers: collect("observers", "observer"),
    queues: collect("queues", "queue"),
    retryPolicies: collect("retryPolicies", "retry policy"),
    schedules: collect("schedules", "schedule"),
    schemas: collect("schemas", "schema"),
    tasks: collect("tasks", "task"),
    workflows: collect("workflows", "workflow"),
  };
  checkIdentifiers("task", declarations.tasks, reporter);
  checkIdentifiers("event", declarations.events, reporter);
  checkIdentifiers("workflow", declarations.workflows, reporter);
  return declarations;
}

function collectSection(
  roots: readonly SourceNode[],
  section: string,
  kind: NameKind,
  reporter: Reporter,
): Map<string, SourceEntry> {
  const found = new Map<string, SourceEntry>();
  for (const root of roots) {
    for (const entry of entriesOf(findEntry(root, section)?.value)) {
      const problem = nameProblem(kind, entry.key, entry.keyOrigin);
      if (problem !== undefined) reporter.report(problem);
      const other = found.get(entry.key);
      if (other === undefined) found.set(entry.key, entry);
      else {
        const message = `the ${kind} ${quote(entry.key)} is also declared at ${placeOf(other.keyOrigin)}`;
        reporter.report({
          code: "TW106",
          at: entry.keyOrigin,
          message,
          hint: "rename or delete one of them",
        });
      }
    }
  }
  return new Map([...found].sort(([a], [b]) => compareText(a, b)));
}

function collectDefaults(roots: readonly SourceNode[], reporter: Reporter): SourceNode | undefined {
  let first: SourceEntry | undefined;
  for (const root of roots) {
    const entry = findEntry(root, "defaults");
    if (entry === undefined) continue;
    if (first === undefined) {
      first = entry;
      continue;
    }
    const message = `defaults are also declared at ${placeOf(first.keyOrigin)}, and they are for the whole project`;
    reporter.report({ code: "TW106", at: entry.keyOrigin, message, hint: "keep them in one file" });
  }
  return first?.value;
}

/** Detects clashes: `payment:process` and `payment-process` would both become `enqueuePaymentProcess`. */
function checkIdentifiers(
  kind: "event" | "task" | "workflow",
  entries: ReadonlyMap<string, SourceEntry>,
  reporter: Reporter,
): void {
  const owners = new Map<string, SourceEntry>();
  const byPlace = [...entries.values()].sort((a, b) => comparePlace(a.keyOrigin, b.keyOrigin));
  for (const entry of byPlace) {
    const identifier = identifierOf(entry.key);
    const claims = [
      [`identifier:${identifier.toLowerCase()}`, `the identifier ${identifier}`],
      [`path:${modulePathOf(entry.key).toLowerCase()}`, `the file ${modulePathOf(entry.key)}.ts`],
    ] as const;
    const clash = claims.find(([claim]) => owners.has(claim));
    const other = clash === undefined ? undefined : owners.get(clash[0]);
    if (clash !== undefined && other !== undefined) {
      const message = `the ${kind} ${quote(entry.key)} gives ${clash[1]}, as ${quote(other.key)} at ${placeOf(other.keyOrigin)} does`;
      reporter.report({ code: "TW106", at: entry.keyOrigin, message, hint: "rename one of them" });
    }
    for (const [claim] of claims) if (!owners.has(claim)) owners.set(claim, entry);
  }
}

function comparePlace(a: Origin, b: Origin): number {
  return compareText(a.source.file, b.source.file) || a.start - b.start;
}

export function placeOf(origin: Origin): string {
  return `${origin.source.file}:${positionAt(origin.source, origin.start).line}`;
}
