/** Orders workflows with child workflows for the checks, and rejects cycles and oversized nesting. */
import { MAX_NESTING, MAX_STEPS_IN_ALL } from "../../model/definition-workflow.js";
import { quote } from "../../model/quote.js";
import type { Reporter } from "../reporter.js";
import { circlesOf } from "./step-order.js";
import { entriesOf, findEntry, type SourceEntry, type SourceNode, textOf } from "../source.js";

interface Size {
  /** Number of steps, including those of child workflows, each counted as often as it occurs. */
  readonly steps: number;
  readonly depth: number;
}

/** In topological order: each workflow after its child workflows. */
export function workflowOrder(
  workflows: ReadonlyMap<string, SourceEntry>,
  reporter: Reporter,
): readonly string[] {
  const children = new Map(
    Array.from(workflows, ([name, { value }]) => [
      name,
      childNodes(value).flatMap((node) => textOf(node) ?? []),
    ]),
  );
  const circles = circlesOf(children);
  for (const circle of circles) reportCircle(circle, workflows, reporter);
  const sizes = new Map<string, Size>();
  const measure = (name: string, entry: SourceEntry): void => {
    const inner = (children.get(name) ?? []).map((child) => sizes.get(child) ?? { steps: 0, depth: 0 });
    const own = entriesOf(findEntry(entry.value, "steps")?.value).length;
    const size = {
      steps: inner.reduce((sum, { steps }) => sum + steps, own),
      depth: Math.max(0, ...inner.map(({ depth }) => depth + 1)),
    };
    // Inserted again, so that the workflow comes after its children.
    sizes.delete(name);
    sizes.set(name, size);
    if (circles.length === 0 && inner.length > 0) checkSize(entry, size, reporter);
  };
  // With a stack of its own: a chain of workflows may be longer than that of calls.
  const visit = (start: string): void => {
    const waiting = [start];
    const open = new Set<string>();
    for (let name = waiting.at(-1); name !== undefined; name = waiting.at(-1)) {
      const entry = workflows.get(name);
      if (entry !== undefined && !sizes.has(name)) {
        // Provisional size, so that a cycle counts nothing more when it returns here.
        sizes.set(name, { steps: 0, depth: 0 });
        open.add(name);
        waiting.push(...(children.get(name) ?? []).filter((child) => !sizes.has(child)).toReversed());
        continue;
      }
      waiting.pop();
      if (entry !== undefined && open.delete(name)) measure(name, entry);
    }
  };
  for (const name of workflows.keys()) visit(name);
  return [...sizes.keys()];
}

function childNodes(workflow: SourceNode): readonly SourceNode[] {
  return entriesOf(findEntry(workflow, "steps")?.value).flatMap(
    ({ value }) => findEntry(value, "workflow")?.value ?? [],
  );
}

function reportCircle(
  circle: readonly string[],
  workflows: ReadonlyMap<string, SourceEntry>,
  reporter: Reporter,
): void {
  const [first = "", next = first] = circle;
  const entry = workflows.get(first);
  const node = entry && childNodes(entry.value).find((child) => textOf(child) === next);
  if (node === undefined) return;
  const message =
    circle.length === 1
      ? `the workflow ${quote(first)} runs itself`
      : `these workflows run each other: ${[...circle, first].join(" -> ")}`;
  const hint = "a run would never end; delete one of these steps, or start the next run in a handler";
  reporter.report({ code: "TW216", at: node.origin, message, hint });
}

function checkSize({ key, keyOrigin }: SourceEntry, { steps, depth }: Size, reporter: Reporter): void {
  const hint = "start one of these workflows in a handler instead";
  if (depth > MAX_NESTING) {
    const message = `the workflows in ${quote(key)} are nested ${depth} deep; expected at most ${MAX_NESTING}`;
    reporter.report({ code: "TW217", at: keyOrigin, message, hint });
  } else if (steps > MAX_STEPS_IN_ALL) {
    const message = `${quote(key)} has ${steps} steps with those of the workflows in it; expected at most ${MAX_STEPS_IN_ALL}`;
    reporter.report({ code: "TW217", at: keyOrigin, message, hint });
  }
}
