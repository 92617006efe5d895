/**
 * A small pretty printer: lists stay on one line if they fit, else they get one line per item. People read
 * generated code (in reviews, by "go to definition"), and running prettier would take longer than the rest of
 * the generation.
 */

const WIDTH = 110;
const INDENT = "  ";

/** Text, a sequence, or a bracketed list. Text with line feeds is indented to its position. */
export type Layout = string | readonly Layout[] | Group;

export interface Group {
  readonly open: string;
  readonly items: readonly Layout[];
  readonly separator: "," | ";";
  readonly close: string;
  /** Whether each item gets its own line even if all would fit on one. */
  readonly broken: boolean;
}

/** `[a, b]`, `f(a, b)`, `{ a, b }`: separated by commas, with spaces inside braces. */
export function list(open: string, items: readonly Layout[], close: string): Group {
  return { open, items, separator: ",", close, broken: false };
}

/** The members of an interface or type, each on its own line. */
export function members(open: string, items: readonly Layout[], close: string): Group {
  return { open, items, separator: ";", close, broken: true };
}

/** Members on one line if they fit. */
export function inlineMembers(items: readonly Layout[]): Group {
  return { open: "{", items, separator: ";", close: "}", broken: false };
}

/** The text of a layout that starts at column 0. */
export function render(layout: Layout): string {
  return renderAt(layout, 0, "");
}

function renderAt(layout: Layout, column: number, indent: string): string {
  if (typeof layout === "string") return layout.replaceAll("\n", `\n${indent}`);
  if (isGroup(layout)) return renderGroup(layout, column, indent);
  let text = "";
  for (const part of layout) text += renderAt(part, columnAfter(text, column), indent);
  return text;
}

function renderGroup(group: Group, column: number, indent: string): string {
  if (group.items.length === 0) return `${group.open}${group.close}`;
  const oneLine = flat(group);
  if (oneLine !== undefined && column + oneLine.length < WIDTH) return oneLine;
  const inner = indent + INDENT;
  const lines = group.items.map(
    (item) => `${inner}${renderAt(item, inner.length, inner)}${group.separator}\n`,
  );
  return `${group.open}\n${lines.join("")}${indent}${group.close}`;
}

function columnAfter(text: string, column: number): number {
  const lineStart = text.lastIndexOf("\n");
  return lineStart < 0 ? column + text.length : text.length - lineStart - 1;
}

/** The one-line form, or `undefined` if some part needs several lines. */
function flat(layout: Layout): string | undefined {
  if (typeof layout === "string") return layout.includes("\n") ? undefined : layout;
  if (!isGroup(layout)) return joined(layout, "");
  if (layout.items.length === 0) return `${layout.open}${layout.close}`;
  if (layout.broken) return undefined;
  const inner = joined(layout.items, `${layout.separator} `);
  const space = layout.open.endsWith("{") ? " " : "";
  return inner === undefined ? undefined : `${layout.open}${space}${inner}${space}${layout.close}`;
}

function joined(parts: readonly Layout[], between: string): string | undefined {
  const texts: string[] = [];
  for (const part of parts) {
    const text = flat(part);
    if (text === undefined) return undefined;
    texts.push(text);
  }
  return texts.join(between);
}

function isGroup(layout: Layout): layout is Group {
  return typeof layout === "object" && "open" in layout;
}
