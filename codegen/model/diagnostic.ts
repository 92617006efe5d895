/**
 * A problem of a definition, located where a person can fix it. The loader collects all of them before
 * anything is generated; diagnostic-format.ts formats them.
 */

/** The meaning of each code. A code keeps its meaning for ever: people search for it and suppress by it. */
export const DIAGNOSTIC_CODES = {
  TW101: "The file is not valid YAML, or uses YAML that taskweft does not accept.",
  TW102: "An unknown key.",
  TW103: "A required key is missing.",
  TW104: "A value of the wrong type or out of range.",
  TW105: "The file is larger or deeper than any real definition.",
  TW106: "Two definitions share one name, identifier or file path.",
  TW107: "A name with characters that are not allowed, or a reserved word.",
  TW108: "A queue, retry policy, schema, task or event that is not declared.",
  TW109: "A file that cannot be read, or that is outside the project.",
  TW110: "Control characters that hide what a reader sees.",
  TW120: "A payload, result or schema that cannot be understood.",
  TW121: "A JSON Schema keyword that taskweft does not enforce.",
  TW122: "A pattern that does not compile or can take exponential time.",
  TW123: "A $ref that leads nowhere or out of the project.",
  TW130: "A ${{ }} expression that cannot be parsed.",
  TW131: "A ${{ }} expression that does not fit the schema it reads.",
  TW132: "A limit of a task and one of its queue: a job can count in only one of them.",
  TW140: "A cron expression or time zone that cannot be read.",
  TW141: "A schedule's payload or input that does not fit its task's or workflow's schema.",
  TW142: "An onExhausted task whose payload does not fit the data about the dead job.",
  TW143: "Two limits of a task with different keys.",
  TW150: "A task with both idempotency and dedupe.",
  TW151: "A dedupe that could replace a job with one of another limit group.",
  TW152: "A debounce whose maxWait is shorter than its wait.",
  TW153: "A delay for a job of a task with debounce.",
  TW160: "A batch that a limit keeps from filling up.",
  TW161: "A batch that may wait longer than startWithin allows.",
  TW162: "A handler for single jobs of a task with batch, or the other way round.",
  TW163: "A batch on an isolated task.",
  TW164: "Turns between keys (fairness) that conflict with a limit.",
  TW180: "A condition that is not true or false, or a comparison that makes no sense.",
  TW181: "An observer's payload that does not fit its task's schema.",
  TW182: "A sensitive value that would reach a field that tools show.",
  TW200: "A step that does nothing or several things, or a key that does not go with it.",
  TW201: "A need that is not a step of the workflow, or is listed twice.",
  TW202: "A cycle of steps that need each other.",
  TW203: "A read of a step that does not come before the reader.",
  TW204: "A read of a step that has no result.",
  TW205: "A step's payload that does not fit its task's schema.",
  TW206: "A forEach that is not a list.",
  TW207: "A read of item or index outside a fan-out.",
  TW208: "A join that can never be reached.",
  TW209: "A step of a task whose limit has a key, or that uses fairness.",
  TW210: "A compensation that nothing triggers, or a trigger with nothing to compensate.",
  TW211: "A timeout that is missing, or onTimeout without a timeout.",
  TW212: "A wait whose match does not identify the run that an event is for.",
  TW213: "An action that is not either a job or a run, or has a key that does not go with it.",
  TW214: "A schedule that is not either a job or a run, or has a key that does not go with it.",
  TW215: "A step with a workflow and something else, or a key that does not go with a workflow.",
  TW216: "A cycle of workflows that run each other.",
  TW217: "A workflow that is too large, counting the steps of its child workflows.",
  TW220: "A field by which a handler cannot wait for an event.",
  TW221: "A task with batch that waits for events.",
  TW301: "An error class has a name that generated code uses.",
  TW302: "A field has a name that every JavaScript object has.",
  TW310: "A handler for a task that no definition has; the file is left alone.",
  TW311: "Two handlers for one task.",
  TW312:
    "A handler file with conflict markers or syntax errors; the file is left alone, and no second stub is made.",
  TW313: "The file where the stub would go exists and exports no handler.",
  TW320:
    "The output folder, or a file in it, is not ours to write: outside the project, a link that leads out of it, or written by somebody else.",
  TW321: "A file that is no longer generated was edited; it is left alone.",
  TW390: "(watch) an unforeseen failure, such as a full disk; the next save tries again.",
} as const;
export type DiagnosticCode = keyof typeof DIAGNOSTIC_CODES;

export interface Diagnostic {
  readonly code: DiagnosticCode;
  /** After an `error` nothing is generated. */
  readonly severity: "error" | "warning";
  /** What was expected and what was found. One line, printable. */
  readonly message: string;
  /** Relative to the project, with `/`. */
  readonly file: string;
  /** Counts from 1. */
  readonly line: number;
  /** Counts from 1, in UTF-16 code units. */
  readonly column: number;
  /** First column after the marked text; absent if nothing is marked. */
  readonly endColumn?: number;
  /** What to do, e.g. `did you mean "critical"?`. */
  readonly hint?: string;
  /** The source line with carets under the marked text; empty if the file could not be read. */
  readonly frame: string;
}

/** In reading order: by file, line, column, then code. */
export function compareDiagnostics(a: Diagnostic, b: Diagnostic): number {
  return compareText(a.file, b.file) || a.line - b.line || a.column - b.column || compareText(a.code, b.code);
}

/** By code unit, so the order is the same on every machine, unlike with `localeCompare`. */
export function compareText(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
