/**
 * `generated/workflows.md`: each workflow as a Mermaid graph, which editors and code hosts draw, with a link
 * to its SVG.
 */
import type { WorkflowModel } from "../model/project.js";
import { GENERATED_MARK } from "./manifest.js";
import { type Box, type WorkflowShape, workflowShape } from "./workflow-shape.js";

/** `pictureOf`: path from the page to the workflow's picture; `undefined` if there is none. */
export function emitWorkflowPage(
  workflows: readonly WorkflowModel[],
  pictureOf: (workflow: string) => string | undefined,
): string {
  const sections = workflows.map(({ definition }) => {
    const picture = pictureOf(definition.name);
    return [
      `## ${definition.name}`,
      "",
      "```mermaid",
      "flowchart TD",
      ...graphLines(workflowShape(definition)).map((line) => `  ${line}`),
      "```",
      "",
      ...(picture === undefined ? [] : [`[As SVG](${picture})`, ""]),
    ];
  });
  return [`<!-- ${GENERATED_MARK}. Do not edit. -->`, "", "# Workflows", "", ...sections.flat()].join("\n");
}

const BRACKETS = {
  compensation: ["[", "]"],
  "fan-out": ["[[", "]]"],
  job: ["[", "]"],
  run: ["{{", "}}"],
  wait: ["([", "])"],
} as const;

function graphLines({ boxes, arrows }: WorkflowShape): string[] {
  return [
    ...boxes.map((box) => `${box.id}${boxText(box)}`),
    ...arrows.map(({ from, to, kind }) => `${from} ${kind === "next" ? "-->" : "-. undone by .->"} ${to}`),
  ];
}

function boxText({ kind, lines }: Box): string {
  const [open, close] = BRACKETS[kind];
  return `${open}"${lines.join("<br>")}"${close}`;
}
