/**
 * The content of a workflow's picture, independent of its format: a box for each step and each compensation,
 * and arrows. It contains only names and our own words, because other text from a definition could be markup.
 */
import {
  formatDuration,
  type WorkflowDefinition,
  type WorkflowStep,
} from "../../runtime/definition/index.js";

export interface Box {
  /** Unique in the picture. Steps are numbered, because `end` and `style` are keywords of Mermaid. */
  readonly id: string;
  readonly kind: "job" | "run" | "fan-out" | "wait" | "compensation";
  /** At least one line; the first is the name. */
  readonly lines: readonly string[];
}

export interface Arrow {
  readonly from: string;
  readonly to: string;
  readonly kind: "next" | "undo";
}

export interface WorkflowShape {
  readonly boxes: readonly Box[];
  readonly arrows: readonly Arrow[];
}

export function workflowShape({ steps }: WorkflowDefinition): WorkflowShape {
  const ids = new Map(steps.map((step, index) => [step.name, `s${index}`]));
  const undone = steps.flatMap(({ compensate }, index) =>
    compensate === undefined ? [] : [{ from: `s${index}`, to: `u${index}`, task: compensate.task }],
  );
  return {
    boxes: [
      ...steps.map((step, index) => ({ id: `s${index}`, kind: kindOf(step), lines: linesOf(step) })),
      ...undone.map(({ to, task }) => ({ id: to, kind: "compensation" as const, lines: [task] })),
    ],
    arrows: [
      ...steps.flatMap((step, index) =>
        step.needs.map((need) => ({ from: ids.get(need) ?? "", to: `s${index}`, kind: "next" as const })),
      ),
      ...undone.map(({ from, to }) => ({ from, to, kind: "undo" as const })),
    ],
  };
}

function kindOf({ job, child, forEach }: WorkflowStep): Box["kind"] {
  if (forEach !== undefined) return "fan-out";
  if (child !== undefined) return "run";
  return job === undefined ? "wait" : "job";
}

function linesOf(step: WorkflowStep): string[] {
  const { name, needs, join, job, child, delayMs, waitFor, forEach, maxParallel, onFailure } = step;
  return [
    name,
    ...(job === undefined ? [] : [job.task]),
    ...(child === undefined ? [] : [`runs ${child.workflow}`]),
    ...(delayMs === undefined ? [] : [`waits ${formatDuration(delayMs)}`]),
    ...(waitFor === undefined
      ? []
      : [`waits for ${waitFor.event}`, `at most ${formatDuration(waitFor.timeoutMs)}`]),
    ...(forEach === undefined ? [] : ["for each item"]),
    ...(maxParallel === undefined ? [] : [`${maxParallel} at a time`]),
    ...(step.if === undefined ? [] : ["on a condition"]),
    ...(join === undefined ? [] : [`after ${join} of ${needs.length}`]),
    ...(onFailure === undefined || onFailure === "fail" ? [] : [`on failure: ${onFailure}`]),
  ];
}
