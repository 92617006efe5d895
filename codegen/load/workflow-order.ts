/** Workflows of which steps are runs of others: in which order they are checked, and what may not be. */
import { MAX_NESTING, MAX_STEPS_IN_ALL } from "../model/definition-workflow.js";
import { quote } from "../model/quote.js";
import type { Reporter } from "./reporter.js";
import { circlesOf } from "./step-order.js";
import { entriesOf, findEntry, type SourceEntry, type SourceNode, textOf } from "./source.js";

interface Size {
  /** With the steps of the workflows in it, each as often as it stands there. */
  readonly steps: number;
  readonly depth: number;
}

/** Each after those that its steps run. */
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
  const visit = (name: string): Size => {
    const known = sizes.get(name);
    const entry = workflows.get(name);
    if (known !== undefined || entry === undefined) return known ?? { steps: 0, depth: 0 };
    // Of a circle: whoever leads back to it counts nothing more.
    sizes.set(name, { steps: 0, depth: 0 });
    const inner = (children.get(name) ?? []).map(visit);
    const own = entriesOf(findEntry(entry.value, "steps")?.value).length;
    const size = {
      steps: inner.reduce((sum, { steps }) => sum + steps, own),
      depth: Math.max(0, ...inner.map(({ depth }) => depth + 1)),
    };
    // Again, so that it stands behind them.
    sizes.delete(name);
    sizes.set(name, size);
    if (circles.length === 0 && inner.length > 0) checkSize(entry, size, reporter);
    return size;
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
