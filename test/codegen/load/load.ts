/** Loads definitions from text and shows the diagnostics as tests compare them. */
import { loadSources, type LoadResult } from "../../../codegen/load/index.js";
import type { TaskModel } from "../../../codegen/model/project.js";

/** Files by path; a single text is `tasks/a.yaml`. `schemas`: what `$ref` can read. */
export function load(
  files: string | Record<string, string>,
  schemas: Record<string, string> = {},
): LoadResult {
  const sources = typeof files === "string" ? { "tasks/a.yaml": files } : files;
  return loadSources(new Map(Object.entries(sources)), (file) => {
    const text = schemas[file];
    return text === undefined ? { problem: `${file} cannot be read: it does not exist` } : { text };
  });
}

/** `line:column code message | hint`, one a diagnostic. */
export function problems(
  files: string | Record<string, string>,
  schemas: Record<string, string> = {},
): string[] {
  return load(files, schemas).diagnostics.map(
    ({ line, column, code, message, hint }) =>
      `${line}:${column} ${code} ${message}${hint === undefined ? "" : ` | ${hint}`}`,
  );
}

/** A file with one task, `a:b`, whose body is given; its first line is line 4. */
export function taskFile(body: string, head = "version: 1"): string {
  const lines = body.split("\n").map((line) => `    ${line}`);
  return [head, "tasks:", "  a:b:", ...lines, ""].join("\n");
}

/** The single task of definitions that must be without problems. */
export function taskOf(
  files: string | Record<string, string>,
  schemas: Record<string, string> = {},
): TaskModel {
  const { project, diagnostics } = load(files, schemas);
  const [task] = project?.tasks ?? [];
  if (task === undefined) throw new Error(`no task: ${JSON.stringify(diagnostics, undefined, 2)}`);
  return task;
}
