/**
 * Turns texts into a ProjectModel and collects every problem. Reads no disk: files come as a map, `$ref`s
 * through `readRef`.
 */
import type { DefinitionFile } from "../model/definition-file.js";
import { compareText, type Diagnostic } from "../model/diagnostic.js";
import type { ProjectModel } from "../model/project.js";
import { buildProject } from "./build-project.js";
import { checkFollowUps } from "./check-follow-ups.js";
import { checkBatches } from "./check-batches.js";
import { checkEvents, checkObservers } from "./check-observers.js";
import { checkReferences } from "./check-references.js";
import { checkSchedules } from "./check-schedules.js";
import { checkStructure } from "./check-structure.js";
import { checkTasks } from "./check-tasks.js";
import { checkWaitsFor } from "./check-waits-for.js";
import { checkWorkflows, compileInputs } from "./workflows/check-workflows.js";
import { collectDeclarations } from "./declarations.js";
import { createSchemaLibrary } from "./payload/library.js";
import { createReporter, MAX_PROBLEMS, type Reporter, untilTooMany } from "./reporter.js";
import type { Origin, SourceNode } from "./source.js";
import { parseSource } from "./yaml-source.js";

export interface LoadResult {
  /** Absent if any diagnostic is an error. */
  readonly project: ProjectModel | undefined;
  /** Sorted by file and line. */
  readonly diagnostics: readonly Diagnostic[];
}

/**
 * Reads the text of a schema file. `file` is relative to the project, normalised, and never begins with `..`.
 */
export type ReadReference = (
  file: string,
) => { readonly text: string } | { readonly problem: string; readonly hint?: string };

/** Path (relative to the project) -> text. */
export type SourceFiles = ReadonlyMap<string, string>;

/** The parsed files of the last run, so that only changed files are parsed again. */
export type LoadCache = Map<string, ParsedFile>;

interface ParsedFile {
  readonly text: string;
  readonly root: SourceNode | undefined;
  readonly content: DefinitionFile | undefined;
  readonly diagnostics: readonly Diagnostic[];
}

/** Loads definition files that are already in memory. */
export function loadSources(files: SourceFiles, readRef: ReadReference, cache?: LoadCache): LoadResult {
  return loadInto(createReporter(MAX_PROBLEMS), files, readRef, cache);
}

/** Like `loadSources`, with a reporter that already contains the problems of reading the files. */
export function loadInto(
  reporter: Reporter,
  files: SourceFiles,
  readRef: ReadReference,
  cache: LoadCache = new Map(),
): LoadResult {
  const project = untilTooMany(() => check(reporter, files, readRef, cache));
  return { project: reporter.hasErrors() ? undefined : project, diagnostics: reporter.sorted() };
}

function check(
  reporter: Reporter,
  files: SourceFiles,
  readRef: ReadReference,
  cache: LoadCache,
): ProjectModel | undefined {
  const roots: SourceNode[] = [];
  const contents: DefinitionFile[] = [];
  for (const file of cache.keys()) if (!files.has(file)) cache.delete(file);
  for (const [file, text] of [...files].sort(([a], [b]) => compareText(a, b))) {
    const known = cache.get(file);
    const parsed = known?.text === text ? known : parseFile(file, text);
    cache.set(file, parsed);
    reporter.addAll(parsed.diagnostics);
    if (parsed.root !== undefined) roots.push(parsed.root);
    if (parsed.content !== undefined) contents.push(parsed.content);
  }
  const isIncomplete = roots.length < files.size;
  const declarations = collectDeclarations(roots, reporter);
  // A name that seems unknown may be declared in the file that could not be parsed.
  if (!isIncomplete) checkReferences(declarations, reporter);
  checkBatches(declarations, reporter);
  const documents = createDocumentReader(readRef, reporter);
  const library = createSchemaLibrary({
    reporter,
    schemas: declarations.schemas,
    readDocument: documents.read,
    isIncomplete,
  });
  const events = checkEvents(declarations.events, library, reporter);
  const inputs = compileInputs(declarations.workflows, library, reporter);
  const tasks = checkTasks(declarations.tasks, library, reporter);
  checkWaitsFor(declarations.tasks, events, library, reporter);
  checkSchedules(declarations.schedules, { tasks, inputs, library, reporter });
  const followUps = checkFollowUps(declarations.tasks, tasks, library, reporter);
  const observers = checkObservers({ declarations, events, tasks, inputs, library, reporter });
  const workflows = checkWorkflows({ declarations, events, tasks, inputs, library, reporter });
  if (reporter.hasErrors()) return undefined;
  return buildProject({
    contents,
    declarations,
    tasks,
    followUps,
    events,
    observers,
    workflows,
    library,
    files: [...files.keys(), ...documents.files()],
  });
}

function parseFile(file: string, text: string): ParsedFile {
  const reporter = createReporter(MAX_PROBLEMS);
  const root = untilTooMany(() => parseSource(file, text, reporter));
  const content = root === undefined ? undefined : untilTooMany(() => checkStructure(root, reporter));
  return { text, root, content, diagnostics: reporter.sorted() };
}

/** Reads each schema file once, however many `$ref`s name it. */
function createDocumentReader(readRef: ReadReference, reporter: Reporter) {
  const documents = new Map<string, SourceNode | undefined>();
  const read = (file: string, at: Origin): SourceNode | undefined => {
    if (documents.has(file)) return documents.get(file);
    const found = readRef(file);
    if ("problem" in found) {
      reporter.report({ code: "TW123", at, message: found.problem, hint: found.hint });
      return undefined;
    }
    const root = parseSource(file, found.text, reporter);
    documents.set(file, root);
    return root;
  };
  return { read, files: (): string[] => [...documents.keys()] };
}
