/** Tables without borders. Columns are padded; on a terminal the table is cut to its width. */
import type { TextOutput } from "../io.js";
import type { Colors } from "./colors.js";
import { printable } from "./sanitize.js";

export interface Column<Row> {
  readonly header: string;
  readonly value: (row: Row) => string;
  /** `right` is for numbers. Default `left`. */
  readonly align?: "left" | "right";
  /** Whether the column may be cut with `…` on a narrow terminal. Default false. */
  readonly shrinks?: boolean;
}

const GAP = "  ";
const NARROWEST = 8;

/** The table as text. In a pipe nothing is cut. */
export function formatTable<Row>(
  columns: readonly Column<Row>[],
  rows: readonly Row[],
  output: TextOutput,
  colors: Colors,
): string {
  const cells = rows.map((row) => columns.map((column) => printable(column.value(row))));
  const natural = columns.map((column, index) =>
    cells.reduce((widest, row) => Math.max(widest, row[index]!.length), column.header.length),
  );
  const widths = output.isTTY === true ? fit(natural, columns, output.columns ?? 80) : natural;
  const line = (texts: readonly string[]) =>
    texts
      .map((text, index) => pad(cut(text, widths[index]!), widths[index]!, columns[index]!))
      .join(GAP)
      .trimEnd();
  const header = colors.dim(line(columns.map((column) => column.header)));
  return [header, ...cells.map(line)].join("\n");
}

/** Shrinks the widest shrinkable column until the line fits or no column can shrink any more. */
function fit<Row>(
  natural: readonly number[],
  columns: readonly Column<Row>[],
  available: number,
): readonly number[] {
  const widths = [...natural];
  const total = () => widths.reduce((sum, width) => sum + width, GAP.length * (widths.length - 1));
  while (total() > available) {
    const widest = widths.reduce(
      (best, width, index) =>
        columns[index]!.shrinks === true && width > NARROWEST && width > (widths[best] ?? 0) ? index : best,
      -1,
    );
    if (widest < 0) break;
    widths[widest] = widths[widest]! - 1;
  }
  return widths;
}

function cut(text: string, width: number): string {
  return text.length <= width ? text : `${text.slice(0, width - 1)}…`;
}

function pad<Row>(text: string, width: number, column: Column<Row>): string {
  return column.align === "right" ? text.padStart(width) : text.padEnd(width);
}
