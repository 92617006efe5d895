/**
 * A definition file as a plain tree in which every key and value has its position. Built once from YAML
 * (yaml-source.ts); everything after it reads this tree and does not depend on the YAML library.
 */

export interface SourceText {
  /** Relative to the project, with `/`. */
  readonly file: string;
  readonly text: string;
  /** Offset of the first character of each line. */
  readonly lineStarts: readonly number[];
}

/** A range of characters in one file. */
export interface Origin {
  readonly source: SourceText;
  readonly start: number;
  readonly end: number;
}

export type ScalarValue = string | number | boolean | null;

export interface SourceMap {
  readonly kind: "map";
  readonly entries: readonly SourceEntry[];
  readonly origin: Origin;
}
export interface SourceList {
  readonly kind: "list";
  readonly items: readonly SourceNode[];
  readonly origin: Origin;
}
export interface SourceScalar {
  readonly kind: "scalar";
  readonly value: ScalarValue;
  readonly origin: Origin;
}
export type SourceNode = SourceMap | SourceList | SourceScalar;

export interface SourceEntry {
  readonly key: string;
  readonly keyOrigin: Origin;
  readonly value: SourceNode;
}

export function createSourceText(file: string, text: string): SourceText {
  const lineStarts = [0];
  for (let index = text.indexOf("\n"); index !== -1; index = text.indexOf("\n", index + 1)) {
    lineStarts.push(index + 1);
  }
  return { file, text, lineStarts };
}

/** Line and column of an offset, both counted from 1. */
export function positionAt(source: SourceText, offset: number): { line: number; column: number } {
  let low = 0;
  let high = source.lineStarts.length - 1;
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (source.lineStarts[middle]! <= offset) low = middle;
    else high = middle - 1;
  }
  return { line: low + 1, column: offset - source.lineStarts[low]! + 1 };
}

/** Start of a range, for people. */
export function sourceOf(origin: Origin): { file: string; line: number; column: number } {
  return { file: origin.source.file, ...positionAt(origin.source, origin.start) };
}

/** The text of a line (from 1) without its line break. */
export function lineText(source: SourceText, line: number): string {
  const start = source.lineStarts[line - 1] ?? source.text.length;
  const end = (source.lineStarts[line] ?? source.text.length + 1) - 1;
  const text = source.text.slice(start, end);
  return text.endsWith("\r") ? text.slice(0, -1) : text;
}

export function findEntry(node: SourceNode | undefined, key: string): SourceEntry | undefined {
  return node?.kind === "map" ? node.entries.find((entry) => entry.key === key) : undefined;
}

export function entriesOf(node: SourceNode | undefined): readonly SourceEntry[] {
  return node?.kind === "map" ? node.entries : [];
}

export function textOf(node: SourceNode | undefined): string | undefined {
  return node?.kind === "scalar" && typeof node.value === "string" ? node.value : undefined;
}

/** The value as plain data. Every key becomes an own property, so that no key can set a prototype. */
export function toPlain(node: SourceNode): unknown {
  if (node.kind === "scalar") return node.value;
  if (node.kind === "list") return node.items.map(toPlain);
  const plain: Record<string, unknown> = {};
  for (const { key, value } of node.entries) {
    Object.defineProperty(plain, key, {
      value: toPlain(value),
      configurable: true,
      enumerable: true,
      writable: true,
    });
  }
  return plain;
}

/** How a message names the node: `a map`, `"critcal"`, `nothing`. */
export function describeNode(node: SourceNode, quote: (text: string) => string): string {
  if (node.kind === "map") return "a map";
  if (node.kind === "list") return "a list";
  if (node.value === null) return "nothing";
  return typeof node.value === "string" ? quote(node.value) : String(node.value);
}
