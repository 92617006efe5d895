/**
 * One run of the generator: load, find handlers, emit, plan, write. After any error, nothing is written or
 * deleted.
 */
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import {
  type CheckCache,
  createEmitCache,
  type EmitCache,
  emitProject,
  emitStub,
  findConflicts,
  outputPaths,
  type OutputPaths,
} from "../emit/index.js";
import { type LoadCache, loadProject } from "../load/index.js";
import { compareDiagnostics, type Diagnostic } from "../model/diagnostic.js";
import type { ProjectModel } from "../model/project.js";
import { applyPlan } from "./apply.js";
import { type HandlerCache, scanHandlers } from "./handler-scan.js";
import { shortDiff } from "./line-diff.js";
import { checkFolder, OutputProblem } from "./output-folder.js";
import { type Plan, planOutput } from "./plan.js";

export interface GenerateOptions {
  /** The project: the folder that contains `tasks/`. */
  readonly root: string;
  /** Writes nothing and reports what would change. Default false. */
  readonly check?: boolean;
  /** Folder of the definitions, relative to the root. Default `tasks`. */
  readonly tasksDir?: string;
  /** Folder of the generated code, relative to the root; used by taskweft alone. Default `generated`. */
  readonly outDir?: string;
}

/** A change that a run would make; only with `check`. */
export interface PendingChange {
  readonly path: string;
  /**
   * `missing`: to be written. `stale`: to be replaced. `orphan`: to be deleted. `stub`: a handler to be
   * created.
   */
  readonly kind: "missing" | "orphan" | "stale" | "stub";
  /** For stale files: the lines that differ, shortened. */
  readonly diff?: string;
}

export interface GenerateResult {
  /**
   * `ok`: generated or up to date. `invalid`: a diagnostic is an error, and nothing was changed. `stale`:
   * with `check`, a run would change something.
   */
  readonly status: "ok" | "invalid" | "stale";
  /** Sorted by file and line. Warnings do not prevent generation. */
  readonly diagnostics: readonly Diagnostic[];
  /** Files written or, with `check`, to be written. Relative to the root, sorted. */
  readonly written: readonly string[];
  /** Files deleted or to be deleted. */
  readonly deleted: readonly string[];
  /** Handlers created or to be created. */
  readonly stubs: readonly string[];
  readonly unchanged: readonly string[];
  /** The changes a run would make, and why; empty without `check`. */
  readonly pending: readonly PendingChange[];
  /** Number of tasks in the definitions; 0 if they could not be read. */
  readonly tasks: number;
  readonly elapsedMs: number;
}

/** State that is kept between the runs of one watch. */
export interface RunCache {
  readonly checked: CheckCache;
  readonly emit: EmitCache;
  readonly handlers: HandlerCache;
  readonly load: LoadCache;
  /** Files that the last run read or looked for. */
  files: readonly string[];
}

export function createRunCache(): RunCache {
  return { checked: new Map(), emit: createEmitCache(), handlers: new Map(), load: new Map(), files: [] };
}

export async function runOnce(options: GenerateOptions, cache: RunCache): Promise<GenerateResult> {
  const startedAt = performance.now();
  const root = path.resolve(options.root);
  const tasksDir = options.tasksDir ?? "tasks";
  const paths = outputPaths(options.outDir ?? "generated", tasksDir);
  const loaded = await loadProject({ root, tasksDir, cache: cache.load });
  const done = (outcome: Outcome): GenerateResult => ({
    ...toResult(outcome, options.check === true),
    tasks: loaded.project?.tasks.length ?? 0,
    elapsedMs: performance.now() - startedAt,
  });
  cache.files = loaded.files;
  if (loaded.project === undefined) return done({ diagnostics: loaded.diagnostics, plan: undefined });
  const outcome = await prepare(root, loaded.project, loaded.diagnostics, paths, cache);
  if (outcome.plan !== undefined && options.check !== true) applyPlan(root, outcome.plan, paths.manifest);
  return done(outcome);
}

interface Outcome {
  readonly diagnostics: readonly Diagnostic[];
  /** Absent if there are errors. */
  readonly plan: Plan | undefined;
}

async function prepare(
  root: string,
  project: ProjectModel,
  loaded: readonly Diagnostic[],
  paths: OutputPaths,
  cache: RunCache,
): Promise<Outcome> {
  const before = [...loaded, ...findConflicts(project)];
  try {
    checkFolder(root, paths.handlersDir);
  } catch (error) {
    return standsInTheWay(error, before);
  }
  const scan = await scanHandlers(root, project, paths, cache.handlers);
  const diagnostics = [...before, ...scan.diagnostics];
  if (diagnostics.some((diagnostic) => diagnostic.severity === "error"))
    return { diagnostics, plan: undefined };
  const files = await emitProject(project, scan.handlers, {
    paths,
    hasMiddleware: existsSync(path.join(root, paths.middleware)),
    version: packageVersion(),
    cache: cache.emit,
  });
  const stubs = new Map<string, string>();
  for (const task of scan.missing) stubs.set(paths.stub(task), await emitStub(task, paths));
  try {
    const plan = planOutput(root, files, stubs, paths, cache.checked);
    return { diagnostics: [...diagnostics, ...plan.diagnostics], plan };
  } catch (error) {
    return standsInTheWay(error, diagnostics);
  }
}

function standsInTheWay(error: unknown, diagnostics: readonly Diagnostic[]): Outcome {
  if (!(error instanceof OutputProblem)) throw error;
  return { diagnostics: [...diagnostics, outputDiagnostic(error)], plan: undefined };
}

function toResult(
  { diagnostics, plan }: Outcome,
  check: boolean,
): Omit<GenerateResult, "elapsedMs" | "tasks"> {
  const sorted = diagnostics.toSorted(compareDiagnostics);
  const invalid = plan === undefined;
  const pending = check && plan !== undefined ? pendingChanges(plan) : [];
  return {
    status: invalid ? "invalid" : pending.length > 0 ? "stale" : "ok",
    diagnostics: sorted,
    written: plan?.writes.map((write) => write.path) ?? [],
    deleted: plan?.deletes ?? [],
    stubs: plan?.stubs.map((stub) => stub.path) ?? [],
    unchanged: plan?.unchanged ?? [],
    pending,
  };
}

function pendingChanges(plan: Plan): PendingChange[] {
  return [
    ...plan.writes.map(({ path: file, text, before }): PendingChange => {
      if (before === undefined) return { path: file, kind: "missing" };
      return { path: file, kind: "stale", diff: shortDiff(before, text) };
    }),
    ...plan.deletes.map((file): PendingChange => ({ path: file, kind: "orphan" })),
    ...plan.stubs.map((stub): PendingChange => ({ path: stub.path, kind: "stub" })),
  ];
}

function outputDiagnostic(problem: OutputProblem): Diagnostic {
  return {
    code: "TW320",
    severity: "error",
    message: problem.message,
    file: problem.file,
    line: 1,
    column: 1,
    frame: "",
  };
}

let version: string | undefined;

/** Reads our own package.json, which is two folders up in the sources and three in a build. */
function packageVersion(): string {
  version ??=
    findVersion(new URL("../../package.json", import.meta.url)) ??
    findVersion(new URL("../../../package.json", import.meta.url));
  return version ?? "unknown";
}

function findVersion(url: URL): string | undefined {
  try {
    const found = JSON.parse(readFileSync(url, "utf8")) as { name?: unknown; version?: unknown };
    return found.name === "taskweft" && typeof found.version === "string" ? found.version : undefined;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}
