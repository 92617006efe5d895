/**
 * Turns definition files into a ProjectModel. Reports every problem of every file in one run; returns no
 * project if there is an error. Must not write or fetch anything, nor run anything that a definition names.
 */
import { type LoadCache, loadInto, type LoadResult, type ReadReference } from "./load-sources.js";
import { createReferenceReader, readDefinitionFiles } from "./read-files.js";
import { createReporter, MAX_PROBLEMS } from "./reporter.js";

export {
  loadSources,
  type LoadCache,
  type LoadResult,
  type ReadReference,
  type SourceFiles,
} from "./load-sources.js";

export interface LoadOptions {
  /** Folder of the project: paths in diagnostics are relative to it, and nothing outside it is read. */
  readonly root: string;
  /** Folder with the definition files, relative to `root`. Default `tasks`. */
  readonly tasksDir?: string;
  /**
   * Kept by the caller between runs (initially `new Map()`), so that unchanged files are not parsed again.
   */
  readonly cache?: LoadCache;
}

export interface LoadedProject extends LoadResult {
  /**
   * The files on which the result depends: definition files and schema files named by a `$ref`, including
   * missing ones.
   */
  readonly files: readonly string[];
}

/** Reads and checks the definition files of a project. */
export async function loadProject(options: LoadOptions): Promise<LoadedProject> {
  const { root, tasksDir = "tasks" } = options;
  const reporter = createReporter(MAX_PROBLEMS);
  const files = await readDefinitionFiles(root, tasksDir, reporter);
  if (files.size === 0 && !reporter.hasErrors()) {
    reporter.reportFile(
      "TW109",
      tasksDir,
      "no definition files (*.yaml) in this folder",
      'write one, or run "weft init"',
    );
  }
  const referred = new Set<string>();
  const read = createReferenceReader(root);
  const readRef: ReadReference = (file) => {
    referred.add(file);
    return read(file);
  };
  const result = loadInto(reporter, files, readRef, options.cache);
  return { ...result, files: [...files.keys(), ...referred] };
}
