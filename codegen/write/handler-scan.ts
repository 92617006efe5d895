/** Finds the handlers of a project anywhere under `tasks/handlers/`. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import type { HandlerLocation, HandlerMap, OutputPaths } from "../emit/index.js";
import { didYouMean } from "../load/did-you-mean.js";
import { createReporter, type Reporter } from "../load/reporter.js";
import { createSourceText } from "../load/source.js";
import { compareText, type Diagnostic } from "../model/diagnostic.js";
import type { ProjectModel, TaskModel } from "../model/project.js";
import { quote } from "../model/quote.js";
import { type DefineFunction, type FoundHandler, type HandlerFile, readHandlerFile } from "./handler-file.js";

export interface HandlerScan {
  readonly diagnostics: readonly Diagnostic[];
  readonly handlers: HandlerMap;
  /** Tasks that need a stub: they have no handler anywhere, and the stub's path is free. */
  readonly missing: readonly TaskModel[];
}

/** The result by file content: watch reads 500 files again, but analyses only the changed one. */
export type HandlerCache = Map<string, HandlerFile>;

const MODULE = /\.(?:ts|mts|js|mjs)$/;
/** Type declarations and tests are not handler files, even if they call `defineHandler`. */
const NOT_A_HANDLER = /\.(?:d|spec|test)\.[cm]?[jt]s$/;

export async function scanHandlers(
  root: string,
  project: ProjectModel,
  paths: OutputPaths,
  cache: HandlerCache,
): Promise<HandlerScan> {
  const reporter = createReporter();
  const tasks = new Map(project.tasks.map((task) => [task.definition.name, task]));
  const handlers = new Map<string, HandlerLocation>();
  const seen = new Map<string, HandlerFile>();
  for (const file of handlerFiles(root, paths.handlersDir)) {
    const text = readFileSync(path.join(root, file), "utf8");
    const key = `${file}\n${text}`;
    const read = cache.get(key) ?? (await readHandlerFile(file, text));
    seen.set(key, read);
    reportUnreadable(reporter, file, read);
    for (const handler of distinct(read)) addHandler(handler, { file, text, tasks, handlers, reporter });
  }
  cache.clear();
  for (const [key, read] of seen) cache.set(key, read);
  const without = project.tasks.filter((task) => !handlers.has(task.definition.name));
  const missing = without.filter((task) => !existsSync(path.join(root, paths.stub(task))));
  for (const task of without) if (!missing.includes(task)) reportUnclaimed(reporter, task, paths);
  return { diagnostics: reporter.sorted(), handlers, missing };
}

/** Sorted. Links are not followed, so that no file outside the project is read. */
function handlerFiles(root: string, handlersDir: string): readonly string[] {
  const folder = path.join(root, handlersDir);
  if (!existsSync(folder)) return [];
  const entries = readdirSync(folder, { withFileTypes: true }).toSorted((a, b) =>
    compareText(a.name, b.name),
  );
  return entries.flatMap((entry) => {
    const name = `${handlersDir}/${entry.name}`;
    if (entry.isDirectory() && entry.name !== "node_modules") return handlerFiles(root, name);
    return entry.isFile() && MODULE.test(entry.name) && !NOT_A_HANDLER.test(entry.name) ? [name] : [];
  });
}

/** Both sides of a conflict may have the same handler. */
function distinct({ kind, handlers }: HandlerFile): readonly FoundHandler[] {
  return kind === "conflict" ? [...new Map(handlers.map((one) => [one.task, one])).values()] : handlers;
}

interface Context {
  readonly file: string;
  readonly text: string;
  readonly tasks: ReadonlyMap<string, TaskModel>;
  readonly handlers: Map<string, HandlerLocation>;
  readonly reporter: Reporter;
}

function addHandler(found: FoundHandler, { file, text, tasks, handlers, reporter }: Context): void {
  const at = { source: createSourceText(file, text), start: found.start, end: found.end };
  const task = tasks.get(found.task);
  if (task === undefined) {
    reporter.report({
      code: "TW310",
      severity: "warning",
      at,
      message: `expected the name of a task, got ${quote(found.task)}, which no definition has`,
      hint: didYouMean(found.task, tasks.keys()) ?? "delete this handler, or define the task",
    });
    return;
  }
  const other = handlers.get(found.task);
  if (other !== undefined) {
    reporter.report({
      code: "TW311",
      at,
      message: `expected one handler for ${quote(found.task)}, got a second one; the first is in ${other.file}`,
      hint: "delete one of the two",
    });
    return;
  }
  handlers.set(found.task, { file, exportName: found.exportName });
  const define = defineOf(task);
  if (found.define === define) return;
  reporter.report({
    code: "TW162",
    severity: "warning",
    at,
    message: `expected ${define}, because ${quote(found.task)} ${define === "defineHandler" ? "declares no batch" : "declares batch"}, got ${found.define}`,
    hint: `${define}(${quote(found.task)}, async (${define === "defineHandler" ? "job" : "jobs"}, ctx) => { ... })`,
  });
}

function defineOf({ definition }: TaskModel): DefineFunction {
  return definition.batch === undefined ? "defineHandler" : "defineBatchHandler";
}

function reportUnreadable(reporter: Reporter, file: string, read: HandlerFile): void {
  if (read.kind === "read") return;
  const problem = read.kind === "conflict" ? "merge conflict markers" : "syntax errors";
  const at = { source: createSourceText(file, ""), start: 0, end: 0 };
  const message = `expected a readable handler file, got ${problem}; the file was left alone`;
  reporter.report({ code: "TW312", severity: "warning", at, message, hint: "repair the file" });
}

function reportUnclaimed(reporter: Reporter, task: TaskModel, paths: OutputPaths): void {
  const { name } = task.definition;
  reporter.report({
    code: "TW313",
    severity: "warning",
    at: { source: createSourceText(paths.stub(task), ""), start: 0, end: 0 },
    message: `expected a handler for ${quote(name)} here, got a file that exports none`,
    hint: `export default ${defineOf(task)}(${quote(name)}, async (${defineOf(task) === "defineHandler" ? "job" : "jobs"}, ctx) => { ... })`,
  });
}
