/**
 * Steps of a workflow as a graph: the kind of each step, what it needs, and which steps have certainly ended
 * when it begins.
 */
import { quote } from "../../model/quote.js";
import { nameProblem } from "../check-names.js";
import { checkShape } from "./check-step-shape.js";
import { didYouMean } from "../did-you-mean.js";
import type { Reporter } from "../reporter.js";
import { circlesOf, stepsBefore, stepsEnded, stepOrder } from "./step-order.js";
import { findEntry, type SourceEntry, type SourceNode, textOf } from "../source.js";

export interface GraphStep {
  readonly name: string;
  readonly entry: SourceEntry;
  /** A step with neither task nor workflow only waits. */
  readonly task?: string;
  readonly workflow?: string;
  /** The event that it waits for. */
  readonly event?: string;
  /** Without duplicates and unknown names. */
  readonly needs: readonly string[];
  readonly join: number;
  readonly fansOut: boolean;
  readonly mayBeSkipped: boolean;
  readonly onFailure: string;
}

export interface StepGraph {
  readonly steps: ReadonlyMap<string, GraphStep>;
  /** In topological order: each step after those it needs. */
  readonly order: readonly string[];
  readonly before: ReadonlyMap<string, ReadonlySet<string>>;
  readonly ended: ReadonlyMap<string, ReadonlySet<string>>;
  /** Steps whose predecessors are unknown, because they, or steps before them, need an unknown step. */
  readonly unclear: ReadonlySet<string>;
}

export function stepGraph(entries: readonly SourceEntry[], reporter: Reporter): StepGraph {
  const names = entries.map((entry) => entry.key);
  const lost = new Set<string>();
  const steps = new Map<string, GraphStep>();
  for (const entry of entries) {
    const problem = nameProblem("step", entry.key, entry.keyOrigin);
    if (problem !== undefined) reporter.report(problem);
    checkShape(entry, reporter);
    const needs = needsOf(entry, names, lost, reporter);
    steps.set(entry.key, graphStep(entry, needs, reporter));
  }
  const needs = new Map(Array.from(steps, ([name, step]) => [name, step.needs]));
  for (const circle of circlesOf(needs)) reportCircle(circle, steps, reporter);
  const before = stepsBefore(needs);
  const joins = new Map(Array.from(steps, ([name, { join }]) => [name, join]));
  const unclear = names.filter(
    (name) => lost.has(name) || [...(before.get(name) ?? [])].some((n) => lost.has(n)),
  );
  return {
    steps,
    order: stepOrder(needs),
    before,
    ended: stepsEnded(needs, joins),
    unclear: new Set(unclear),
  };
}

function graphStep(entry: SourceEntry, needs: readonly string[], reporter: Reporter): GraphStep {
  const { key: name, value } = entry;
  const task = textOf(findEntry(value, "task")?.value);
  const workflow = textOf(findEntry(value, "workflow")?.value);
  const event = textOf(findEntry(value, "waitFor")?.value);
  return {
    name,
    entry,
    ...(task === undefined ? {} : { task }),
    ...(workflow === undefined ? {} : { workflow }),
    ...(event === undefined ? {} : { event }),
    needs,
    join: joinOf(findEntry(value, "join"), needs.length, reporter),
    fansOut: findEntry(value, "forEach") !== undefined,
    mayBeSkipped: findEntry(value, "if") !== undefined,
    onFailure: textOf(findEntry(value, "onFailure")?.value) ?? "fail",
  };
}

function needsOf(
  { key, value }: SourceEntry,
  names: readonly string[],
  lost: Set<string>,
  reporter: Reporter,
): string[] {
  const found = new Set<string>();
  for (const node of needNodes(value)) {
    const need = textOf(node);
    if (need === undefined) continue;
    const at = node.origin;
    if (!names.includes(need)) {
      lost.add(key);
      const others = names.filter((name) => name !== key);
      const steps = others.length === 0 ? "there is no other step" : `steps: ${others.join(", ")}`;
      const hint = didYouMean(need, others) ?? steps;
      reporter.report({ code: "TW201", at, message: `no step ${quote(need)} in this workflow`, hint });
    } else if (found.has(need)) {
      reporter.report({
        code: "TW201",
        at,
        message: `${quote(need)} is needed twice`,
        hint: "delete one of them",
      });
    } else found.add(need);
  }
  return [...found].sort();
}

function needNodes(step: SourceNode): readonly SourceNode[] {
  const needs = findEntry(step, "needs")?.value;
  return needs?.kind === "list" ? needs.items : [];
}

function joinOf(entry: SourceEntry | undefined, needs: number, reporter: Reporter): number {
  const written = entry?.value.kind === "scalar" ? entry.value.value : "all";
  const join = written === "any" ? 1 : typeof written === "number" ? written : needs;
  if (entry === undefined) return needs;
  const report = (message: string, severity: "error" | "warning", hint: string): void =>
    reporter.report({ code: "TW208", severity, at: entry.value.origin, message, hint });
  if (needs === 0)
    report("join says how many of needs must have ended, and there are none", "error", "delete it");
  else if (join > needs)
    report(`join waits for ${join} steps, and needs names ${needs}`, "error", `expected at most ${needs}`);
  else if (needs === 1) report("with one step in needs there is nothing to join", "warning", "delete it");
  return Math.max(1, join);
}

function reportCircle(
  circle: readonly string[],
  steps: ReadonlyMap<string, GraphStep>,
  reporter: Reporter,
): void {
  const [first = "", next = first] = circle;
  const entry = steps.get(first)?.entry;
  const node = entry === undefined ? undefined : needNodes(entry.value).find((need) => textOf(need) === next);
  if (node === undefined) return;
  const message =
    circle.length === 1
      ? `the step ${quote(first)} waits for itself`
      : `these steps wait for each other: ${[...circle, first].join(" -> ")}`;
  reporter.report({ code: "TW202", at: node.origin, message, hint: "delete one of these needs" });
}
