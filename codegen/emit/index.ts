/**
 * Emission: a pure function from the model to the texts of all generated files. It reads no disk, knows no clock, and
 * every byte depends only on its arguments. Deciding what to write is the business of write/.
 */
import { compareText } from "../model/diagnostic.js";
import { projectJsonSchema } from "../model/definition-json-schema.js";
import type { ProjectModel, TaskModel } from "../model/project.js";
import { type ContractTexts, contractTexts, emitContracts } from "./contracts.js";
import { emitEnqueue, enqueueText } from "./enqueue.js";
import { emitIndex, emitRegistry, emitWorker } from "./entry-files.js";
import { emitErrors } from "./errors.js";
import type { HandlerLocation, HandlerMap } from "./handler-location.js";
import { contentHash, emitManifest, GENERATED_MARK, taskEntry } from "./manifest.js";
import type { OutputPaths } from "./output-paths.js";
import { commentLine } from "./source-text.js";
import { emitTaskSchemas } from "./task-schemas.js";
import { allocateTypeNames, type TypeNames } from "./type-names.js";
import { emitTypes, taskTypeTexts } from "./types.js";

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

/** What each task adds to the files, by the content of the task. */
export type EmitCache = Map<string, TaskTexts>;

interface TaskTexts extends ContractTexts {
  readonly enqueue: string;
  readonly manifestEntry: string;
  /** The whole file, and its hash. */
  readonly schemas: string;
  readonly schemasHash: string;
  readonly types: Promise<readonly string[]>;
}

export function createEmitCache(): EmitCache {
  return new Map();
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
  const kept = project.tasks.map((task) => keptTexts(task, names, options));
  const texts = kept.map(([, text]) => text);
  // Only what is in use stays: a watch of many hours must not grow with every edit.
  cache.clear();
  for (const [key, text] of kept) cache.set(key, text);
  const handlerOf = (task: TaskModel): HandlerLocation =>
    handlers.get(task.definition.name) ?? { file: paths.stub(task), exportName: "default" };
  const whole = {
    [paths.contracts]: emitContracts(project, paths, texts),
    [paths.enqueue]: emitEnqueue(
      project,
      paths,
      texts.map((text) => text.enqueue),
    ),
    [paths.errors]: emitErrors(project),
    [paths.index]: emitIndex(paths),
    [paths.registry]: emitRegistry(project, paths, handlerOf),
    [paths.types]: await emitTypes(
      project,
      names,
      texts.map((text) => text.types),
    ),
    [paths.worker]: emitWorker(paths),
  };
  const head = header(sourcesOf(project));
  const files = new Map(Object.entries(whole).map(([path, text]) => [path, `${head}${text}`]));
  files.set(paths.tasksSchema, tasksSchema(project));
  const hashes = new Map([...files].map(([path, text]) => [path, contentHash(text)]));
  for (const [index, task] of project.tasks.entries()) {
    files.set(paths.schemas(task), texts[index]?.schemas ?? "");
    hashes.set(paths.schemas(task), texts[index]?.schemasHash ?? "");
  }
  const entries = texts.map((text) => text.manifestEntry);
  const generator = { name: "taskweft", version: options.version } as const;
  return files.set(paths.manifest, emitManifest(project, hashes, entries, paths.outDir, generator));
}

/** The loader sorts too; a caller who does not must get the same bytes. */
function sorted(project: ProjectModel): ProjectModel {
  return {
    ...project,
    queues: project.queues.toSorted((a, b) => compareText(a.name, b.name)),
    tasks: project.tasks.toSorted((a, b) => compareText(a.definition.name, b.definition.name)),
  };
}

function keptTexts(
  task: TaskModel,
  names: TypeNames,
  { cache, paths }: EmitOptions,
): readonly [string, TaskTexts] {
  const schemas = [task.payload, ...(task.result === undefined ? [] : [task.result])];
  const refs = schemas.map((schema) => schema.definitions.map(({ name }) => names.resolve(schema, name)));
  const key = JSON.stringify([task, refs, paths.outDir]);
  return [key, cache.get(key) ?? taskTexts(task, names, paths)];
}

function taskTexts(task: TaskModel, names: TypeNames, paths: OutputPaths): TaskTexts {
  const schemas = `${header([task.source.file])}${emitTaskSchemas(task, names, paths)}`;
  return {
    ...contractTexts(task, paths),
    enqueue: enqueueText(task),
    manifestEntry: taskEntry(task),
    schemas,
    schemasHash: contentHash(schemas),
    types: taskTypeTexts(task, names),
  };
}

function sourcesOf(project: ProjectModel): readonly string[] {
  const files = project.tasks.length === 0 ? project.files : project.tasks.map((task) => task.source.file);
  return [...new Set(files)].toSorted(compareText);
}

function header(sources: readonly string[]): string {
  const from = sources.length === 0 ? "" : ` from ${sources.map(commentLine).join(", ")}`;
  return `// ${GENERATED_MARK}${from}. Do not edit.\n\n`;
}

/** The format's schema with this project's names, for completion in editors. */
function tasksSchema(project: ProjectModel): string {
  const { $schema, ...schema } = projectJsonSchema({
    queues: project.queues.map((queue) => queue.name),
    retryPolicies: project.retryPolicies ?? [],
    schemas: project.schemas ?? [],
  });
  return `${JSON.stringify({ $schema, $comment: `${GENERATED_MARK}. Do not edit.`, ...schema }, undefined, 2)}\n`;
}
