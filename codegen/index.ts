/**
 * The generator as a library: YAML definitions in, typed code out. It reads and writes files of one project
 * only; it prints nothing, exits nothing and runs no code of the project.
 */
import { createRunCache, type GenerateOptions, type GenerateResult, runOnce } from "./write/run.js";
import { watchProject, type Watcher } from "./write/watch.js";

export type { Diagnostic } from "./model/diagnostic.js";
export { DIAGNOSTIC_FORMATS, type DiagnosticFormat, formatDiagnostics } from "./model/diagnostic-format.js";
export type { GenerateOptions, GenerateResult, PendingChange } from "./write/run.js";
export type { Watcher } from "./write/watch.js";

/**
 * Generates once. Problems of the definitions are part of the result; rejects only for unexpected errors such
 * as a full disk.
 */
export function generate(options: GenerateOptions): Promise<GenerateResult> {
  return runOnce(options, createRunCache());
}

/** Generates now and after every change of a definition or handler, until `close()`. */
export function watch(
  options: Omit<GenerateOptions, "check">,
  onRun: (result: GenerateResult) => void,
): Watcher {
  return watchProject(options, onRun);
}
