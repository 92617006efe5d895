/**
 * `generated/workflows/<name>.svg`: the picture of a workflow. Codegen does the layout, so that docs and
 * dashboards need no tool to show it.
 */
import type { WorkflowDefinition } from "../../runtime/definition/index.js";
import { GENERATED_MARK } from "./manifest.js";
import { type Box, type WorkflowShape, workflowShape } from "./workflow-shape.js";

/** Larger workflows have no picture: it would be unreadable, and its layout takes seconds. */
const MOST_STEPS = 150;

const CHAR_WIDTH = 7.3;
const LINE_HEIGHT = 17;
const PADDING = 12;
const MARGIN = 16;

/** Follows the reader's colour scheme; `undo` is dashed, like compensations in the page. */
export const PICTURE_STYLE: readonly string[] = [
  "text { font: 12px ui-monospace, Menlo, Consolas, monospace; fill: #1f2328; text-anchor: middle; }",
  ".name { font-weight: 600; }",
  ".box { fill: #f6f8fa; stroke: #59636e; }",
  ".fan-out { stroke-width: 3; }",
  ".arrow { fill: none; stroke: #59636e; }",
  ".head { fill: #59636e; }",
  ".compensation, .undo { stroke-dasharray: 4 3; }",
  "@media (prefers-color-scheme: dark) {",
  "text { fill: #f0f6fc; } .box { fill: #151b23; stroke: #9198a1; } .arrow { stroke: #9198a1; } .head { fill: #9198a1; }",
  "}",
];

interface Point {
  readonly x: number;
  readonly y: number;
}

/** The result of dagre. Its own types do not resolve as ES modules. */
interface Layout {
  graph(): { readonly width: number; readonly height: number };
  /** Centre and size of a box. */
  node(id: string): Point & { readonly width: number; readonly height: number };
  edge(from: string, to: string): { readonly points: readonly Point[] };
}

export function hasPicture({ steps }: WorkflowDefinition): boolean {
  return steps.length <= MOST_STEPS;
}

export async function emitWorkflowPicture(definition: WorkflowDefinition): Promise<string> {
  const shape = workflowShape(definition);
  const graph = await layOut(shape);
  const { left, width } = breadth(shape, graph);
  const height = whole(graph.graph().height);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="${left} 0 ${width} ${height}" width="${width}" height="${height}" role="img">`,
    `<!-- ${GENERATED_MARK}. Do not edit. -->`,
    `<title>${definition.name}</title>`,
    "<style>",
    ...PICTURE_STYLE,
    "</style>",
    '<marker id="head" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8" orient="auto"><path class="head" d="M0 0 L8 4 L0 8 Z"/></marker>',
    ...shape.arrows.map(({ from, to, kind }) => {
      const line = graph.edge(from, to).points.map(({ x, y }) => `${whole(x)} ${whole(y)}`);
      return `<path class="arrow ${kind}" marker-end="url(#head)" d="M${line.join(" L")}"/>`;
    }),
    ...shape.boxes.flatMap((box) => boxLines(box, graph)),
    "</svg>",
    "",
  ].join("\n");
}

/** The layout's own width covers the boxes alone: arrows may run past them, on the left beyond 0. */
function breadth({ arrows }: WorkflowShape, graph: Layout): { left: number; width: number } {
  const points = arrows.flatMap(({ from, to }) => graph.edge(from, to).points.map(({ x }) => whole(x)));
  const left = Math.min(0, ...points.map((x) => x - MARGIN / 2));
  const right = Math.max(whole(graph.graph().width), ...points.map((x) => x + MARGIN / 2));
  return { left, width: right - left };
}

/** Loads the library only if there is something to draw, because most projects have no workflows. */
async function layOut({ boxes, arrows }: WorkflowShape): Promise<Layout> {
  const dagre = await import("@dagrejs/dagre");
  const graph = new dagre.Graph();
  graph.setGraph({ marginx: MARGIN, marginy: MARGIN, nodesep: 28, ranksep: 36 });
  for (const { id, lines } of boxes) {
    const width = Math.max(...lines.map((line) => line.length)) * CHAR_WIDTH + 2 * PADDING;
    graph.setNode(id, { width, height: lines.length * LINE_HEIGHT + PADDING });
  }
  for (const { from, to } of arrows) graph.setEdge(from, to, {});
  dagre.layout(graph);
  return graph as Layout;
}

function boxLines({ id, kind, lines }: Box, graph: Layout): string[] {
  const { x, y, width, height } = graph.node(id);
  const [left, top] = [whole(x - width / 2), whole(y - height / 2)];
  const corner = kind === "wait" ? whole(height / 2) : 6;
  const first = y - ((lines.length - 1) * LINE_HEIGHT) / 2 + 4;
  const rect = (inset: number): string =>
    `<rect class="box ${kind}" x="${left + inset}" y="${top + inset}" width="${whole(width) - 2 * inset}" height="${whole(height) - 2 * inset}" rx="${corner}"/>`;
  return [
    rect(0),
    // A child workflow is drawn as a box within a box.
    ...(kind === "run" ? [rect(3)] : []),
    ...lines.map(
      (line, index) =>
        `<text${index === 0 ? ' class="name"' : ""} x="${whole(x)}" y="${whole(first + index * LINE_HEIGHT)}">${line}</text>`,
    ),
  ];
}

/** Rounds to whole pixels, so that the file does not depend on a machine's arithmetic. */
function whole(value: number): number {
  return Math.round(value);
}
