/**
 * A problem of a definition, located where a person can fix it. The loader collects all of them before
 * anything is generated; diagnostic-format.ts formats them.
 */

/** The meaning of each code. A code keeps its meaning for ever: people search for it and suppress by it. */
export const DIAGNOSTIC_CODES = {
  TW101: "The file is not YAML that taskweft reads.",
  TW102: "A key that the format does not have.",
  TW103: "A required key is missing.",
  TW104: "A value of the wrong type or out of range.",
  TW105: "The file is larger or deeper than any real definition.",
  TW106: "Two definitions claim one name, identifier or file path.",
  TW107: "A name outside the alphabet, or a reserved word.",
  TW108: "A queue, retry policy, schema, task or event that nothing declares.",
  TW109: "A file that cannot be read, or that lies outside the project.",
  TW110: "Control characters that hide what a reader sees.",
  TW120: "A payload, result or schema that cannot be understood.",
  TW121: "A JSON Schema keyword that taskweft does not enforce.",
  TW122: "A pattern that does not compile or can take exponential time.",
  TW123: "A $ref that leads nowhere or out of the project.",
  TW130: "A ${{ }} expression that cannot be parsed.",
  TW131: "A ${{ }} expression that does not fit the schema it reads.",
  TW132: "Two limits of which only one can hold for a job.",
  TW140: "A cron expression or time zone that cannot be read.",
  TW141: "A schedule's payload or input that its task or workflow does not take.",
  TW142: "An onExhausted task that cannot take what it is told.",
  TW143: "Two limits of a task that have different keys.",
  TW150: "A task with both idempotency and dedupe.",
  TW151: "A replaced job would be of another group.",
  TW152: "A debounce whose maxWait is shorter than its wait.",
  TW153: "A delay for a job whose task debounces.",
  TW160: "A batch that a limit never lets come together.",
  TW161: "A batch that may wait longer than its jobs may.",
  TW162: "A handler for one job of a task with batches, or the other way round.",
  TW163: "A batch of an isolated task.",
  TW164: "Turns between keys that a limit does not let be taken.",
  TW180: "A condition that is none, or whose parts cannot be compared.",
  TW181: "An observer's payload that its task does not take.",
  TW182: "A sensitive value that goes where tools would show it.",
  TW200: "A step that is none, or a key that does not go with it.",
  TW201: "A need that is no step of the workflow, or stands there twice.",
  TW202: "Steps that wait for each other.",
  TW203: "A read of a step that does not come before.",
  TW204: "A read of a step that gives no result.",
  TW205: "A step's payload that its task does not take.",
  TW206: "A forEach that is no list.",
  TW207: "A read of item or index where there is none.",
  TW208: "A join that cannot come about.",
  TW209: "A step of a task whose limit has keys, or whose keys take turns.",
  TW210: "A compensation that nothing leads to, or that has nothing to undo.",
  TW211: "A timeout that is missing, or a rule for one that is.",
  TW212: "A wait whose match does not say which run an event is for.",
  TW213: "An action that is not one of a job and a run.",
  TW214: "A schedule that is not one of a job and a run, or a key that does not go with it.",
  TW215: "A step with a workflow and something else, or a key that does not go with a workflow.",
  TW216: "Workflows that run each other.",
  TW217: "A workflow that is too large with the workflows of its steps.",
  TW220: "A field by which a handler cannot wait for an event.",
  TW221: "A batch that waits for an event.",
} as const;
export type DiagnosticCode = keyof typeof DIAGNOSTIC_CODES | `TW2${number}` | `TW3${number}`;

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
