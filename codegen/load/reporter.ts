/** Collects the problems of a run. Checks continue after a problem, so that one run reports all of them. */
import { type Diagnostic, type DiagnosticCode, compareDiagnostics } from "../model/diagnostic.js";
import { printable } from "../model/quote.js";
import { type Origin, type SourceText, lineText, positionAt } from "./source.js";

export interface Problem {
  readonly code: DiagnosticCode;
  readonly at: Origin;
  readonly message: string;
  readonly hint?: string | undefined;
  /** Default `error`. */
  readonly severity?: Diagnostic["severity"];
}

export interface Reporter {
  /** @throws TooManyProblems at the limit. */
  report(problem: Problem): void;
  /** For files without text to show. */
  reportFile(code: DiagnosticCode, file: string, message: string, hint?: string): void;
  /**
   * Adds the problems of another reporter.
   * @throws TooManyProblems at the limit.
   */
  addAll(diagnostics: readonly Diagnostic[]): void;
  hasErrors(): boolean;
  /** Sorted and without duplicates: a schema that ten tasks use is reported once. */
  sorted(): Diagnostic[];
}

/** Nobody reads more, and a hostile file of 1 MiB can contain a million problems. */
export const MAX_PROBLEMS = 1000;

class TooManyProblems extends Error {}

/** The result of the checks, or `undefined` if they were stopped because of too many problems. */
export function untilTooMany<Result>(check: () => Result): Result | undefined {
  try {
    return check();
  } catch (error) {
    if (error instanceof TooManyProblems) return undefined;
    throw error;
  }
}

/** `limit`: the checks stop after this many problems; run them in `untilTooMany`. */
export function createReporter(limit = Number.POSITIVE_INFINITY): Reporter {
  const found = new Map<string, Diagnostic>();
  const add = (diagnostic: Diagnostic): void => {
    const { code, file, line, column, message } = diagnostic;
    found.set(JSON.stringify([file, line, column, code, message]), diagnostic);
  };
  const addLimited = (diagnostic: Diagnostic): void => {
    if (found.size >= limit) {
      const message = `more than ${limit} problems; the rest is not shown`;
      add({ ...diagnostic, code: "TW105", severity: "error", message });
      throw new TooManyProblems(message);
    }
    add(diagnostic);
  };
  return {
    report: (problem) => addLimited(toDiagnostic(problem)),
    reportFile: (code, file, message, hint) =>
      add({
        code,
        severity: "error",
        message: printable(message),
        file,
        line: 1,
        column: 1,
        ...(hint === undefined ? {} : { hint }),
        frame: "",
      }),
    addAll: (diagnostics) => diagnostics.forEach(addLimited),
    hasErrors: () => [...found.values()].some((diagnostic) => diagnostic.severity === "error"),
    sorted: () => [...found.values()].sort(compareDiagnostics),
  };
}

function toDiagnostic({ code, at, message, hint, severity = "error" }: Problem): Diagnostic {
  const { line, column } = positionAt(at.source, at.start);
  const end = positionAt(at.source, Math.max(at.end, at.start));
  const width = lineText(at.source, line).length;
  const endColumn = end.line === line ? end.column : width + 1;
  return {
    code,
    severity,
    message: printable(message),
    file: at.source.file,
    line,
    column,
    ...(endColumn > column ? { endColumn } : {}),
    ...(hint === undefined ? {} : { hint: printable(hint) }),
    frame: frameOf(at.source, line, column, endColumn),
  };
}

const MAX_FRAME_WIDTH = 140;

/**
 * The source line (`> 4 |     queue: critcal`) and a line of carets. Long lines are cut around the column.
 */
function frameOf(source: SourceText, line: number, column: number, endColumn: number): string {
  const full = lineText(source, line);
  const from = full.length > MAX_FRAME_WIDTH ? Math.max(0, column - 1 - MAX_FRAME_WIDTH / 2) : 0;
  const shown = printable(full.slice(from, from + MAX_FRAME_WIDTH));
  const carets = Math.max(1, Math.min(endColumn - column, shown.length - (column - 1 - from)));
  const gutter = String(line);
  return [
    `> ${gutter} | ${shown}`,
    `  ${" ".repeat(gutter.length)} | ${" ".repeat(column - 1 - from)}${"^".repeat(carets)}`,
  ].join("\n");
}
