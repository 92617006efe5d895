/**
 * `generated/workflows.md`: each workflow as a picture that editors and code hosts draw (Mermaid). It says names, and words of
 * ours, and nothing else: text from a definition could be markup.
 */
import {
  formatDuration,
  type WorkflowDefinition,
  type WorkflowStep,
} from "../../runtime/definition/index.js";
import type { ProjectModel } from "../model/project.js";
import { GENERATED_MARK } from "./manifest.js";

export function emitWorkflowGraphs({ workflows }: ProjectModel): string {
  const sections = workflows.map(({ definition }) => [
    `## ${definition.name}`,
    "",
    "```mermaid",
    "flowchart TD",
    ...graphLines(definition).map((line) => `  ${line}`),
    "```",
    "",
  ]);
  return [`<!-- ${GENERATED_MARK}. Do not edit. -->`, "", "# Workflows", "", ...sections.flat()].join("\n");
}

/** Steps go by numbers: `end` and `style` are words of Mermaid. */
function graphLines({ steps }: WorkflowDefinition): string[] {
  const numbers = new Map(steps.map((step, index) => [step.name, index]));
  return [
    ...steps.map((step, index) => `s${index}${boxOf(step)}`),
    ...steps.flatMap((step, index) => step.needs.map((need) => `s${numbers.get(need)} --> s${index}`)),
    ...steps.flatMap(({ compensate }, index) =>
      compensate === undefined ? [] : [`s${index} -. undone by .-> u${index}["${compensate.task}"]`],
    ),
  ];
}

function boxOf(step: WorkflowStep): string {
  const { name, needs, join, job, delayMs, forEach, maxParallel, onFailure } = step;
  const words = [
    name,
    ...(job === undefined ? [] : [job.task]),
    ...(delayMs === undefined ? [] : [`waits ${formatDuration(delayMs)}`]),
    ...(forEach === undefined ? [] : ["for each item"]),
    ...(maxParallel === undefined ? [] : [`${maxParallel} at a time`]),
    ...(step.if === undefined ? [] : ["on a condition"]),
    ...(join === undefined ? [] : [`after ${join} of ${needs.length}`]),
    ...(onFailure === undefined || onFailure === "fail" ? [] : [`on failure: ${onFailure}`]),
  ];
  const [open, close] = forEach !== undefined ? ["[[", "]]"] : job === undefined ? ["([", "])"] : ["[", "]"];
  return `${open}"${words.join("<br>")}"${close}`;
}
