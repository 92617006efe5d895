/**
 * Emission: a pure function from the model to the texts of all generated files. It reads no disk, knows no clock, and
 * every byte depends only on its arguments. Deciding what to write is the business of write/.
 */
import { compareText } from "../model/diagnostic.js";
import { projectJsonSchema } from "../model/definition-json-schema.js";
import type { ProjectModel, TaskModel } from "../model/project.js";
import { emitContracts, contractText } from "./contracts.js";
import { emitEnqueue, enqueueText } from "./enqueue.js";
import { emitIndex, emitRegistry, emitWorker } from "./entry-files.js";
import { emitErrors } from "./errors.js";
import type { HandlerLocation, HandlerMap } from "./handler-location.js";
import { emitManifest, GENERATED_MARK } from "./manifest.js";
import type { OutputPaths } from "./output-paths.js";
import { commentLine } from "./source-text.js";
import { emitTaskSchemas } from "./task-schemas.js";
import { allocateTypeNames, type TypeNames } from "./type-names.js";
import { emitTypes, type TypeCache } from "./types.js";

export { checkSource } from "./check-source.js";
export { findConflicts } from "./conflicts.js";
export type { HandlerLocation, HandlerMap } from "./handler-location.js";
export { emitStub } from "./handler-stub.js";
export { contentHash, GENERATED_MARK, MANIFEST_FORMAT, withLineFeeds } from "./manifest.js";
export { outputPaths, type OutputPaths } from "./output-paths.js";
export { type Token, tokenize, TokenProblem } from "./source-tokens.js";

export interface EmitOptions {
  readonly paths: OutputPaths;
  /** Version of this package, for the manifest. */
  readonly version: string;
  /** Texts of unchanged parts; watch keeps one over its runs. */
  readonly cache: EmitCache;
}

/** Texts by the content that they were made from. */
export interface EmitCache {
  readonly tasks: Map<string, TaskTexts>;
  readonly types: TypeCache;
}

interface TaskTexts {
  readonly contract: string;
  readonly enqueue: string;
  readonly schemas: string;
}

export function createEmitCache(): EmitCache {
  return { tasks: new Map(), types: new Map() };
}

/** Path (relative to the project, `/`) to text, of everything under `generated/`. */
export async function emitProject(
  input: ProjectModel,
  handlers: HandlerMap,
  options: EmitOptions,
): Promise<Map<string, string>> {
  const project = sorted(input);
  const { cache, paths } = options;
  const names = allocateTypeNames(project);
  const texts = project.tasks.map((task) => taskTexts(task, names, options));
  const handlerOf = (task: TaskModel): HandlerLocation =>
    handlers.get(task.definition.name) ?? { file: paths.stub(task), exportName: "default" };
  const files = new Map<string, string>();
  const add = (path: string, sources: readonly string[], text: string): void => {
    files.set(path, `${header(sources)}${text}`);
  };
  const all = sourcesOf(project.tasks, project);
  add(
    paths.contracts,
    all,
    emitContracts(
      project,
      paths,
      texts.map((text) => text.contract),
    ),
  );
  add(
    paths.enqueue,
    all,
    emitEnqueue(
      project,
      paths,
      texts.map((text) => text.enqueue),
    ),
  );
  add(paths.errors, all, emitErrors(project));
  add(paths.index, all, emitIndex(paths));
  add(paths.registry, all, emitRegistry(project, paths, handlerOf));
  add(paths.types, all, await emitTypes(project, names, cache.types));
  add(paths.worker, all, emitWorker(paths));
  for (const [index, task] of project.tasks.entries()) {
    add(paths.schemas(task), [task.source.file], texts[index]?.schemas ?? "");
  }
  files.set(paths.tasksSchema, tasksSchema(project));
  const generator = { name: "taskweft", version: options.version } as const;
  return files.set(paths.manifest, emitManifest(project, files, paths.outDir, generator));
}

/** The loader sorts too; a caller who does not must get the same bytes. */
function sorted(project: ProjectModel): ProjectModel {
  return {
    ...project,
    queues: project.queues.toSorted((a, b) => compareText(a.name, b.name)),
    tasks: project.tasks.toSorted((a, b) => compareText(a.definition.name, b.definition.name)),
  };
}

function taskTexts(task: TaskModel, names: TypeNames, { cache, paths }: EmitOptions): TaskTexts {
  const schemas = [task.payload, ...(task.result === undefined ? [] : [task.result])];
  const refs = schemas.map((schema) => schema.definitions.map(({ name }) => names.resolve(schema, name)));
  const key = JSON.stringify([task, refs, paths.outDir]);
  const known = cache.tasks.get(key);
  if (known !== undefined) return known;
  const made = {
    contract: contractText(task),
    enqueue: enqueueText(task),
    schemas: emitTaskSchemas(task, names, paths),
  };
  cache.tasks.set(key, made);
  return made;
}

function sourcesOf(tasks: readonly TaskModel[], project: ProjectModel): readonly string[] {
  const files = tasks.length === 0 ? project.files : tasks.map((task) => task.source.file);
  return [...new Set(files)].toSorted(compareText);
}

function header(sources: readonly string[]): string {
  const from = sources.length === 0 ? "" : ` from ${sources.map(commentLine).join(", ")}`;
  return `// ${GENERATED_MARK}${from}. Do not edit.\n\n`;
}

/** The format's schema with this project's names, for completion in editors. */
function tasksSchema(project: ProjectModel): string {
  const { $schema, ...schema } = projectJsonSchema({ queues: project.queues.map((queue) => queue.name) });
  return `${JSON.stringify({ $schema, $comment: `${GENERATED_MARK}. Do not edit.`, ...schema }, undefined, 2)}\n`;
}
