/**
 * Emission: a pure function from the model to the texts of all generated files. It reads no disk and no
 * clock: every byte depends only on its arguments. write/ decides which files to write.
 */
import { compareText } from "../model/diagnostic.js";
import { projectJsonSchema } from "../model/definition-json-schema.js";
import type { ProjectModel, SourcePosition, TaskModel } from "../model/project.js";
import { emitAlerts } from "./alerts.js";
import { contractText, emitContracts, heardSecrets, type HeardSecrets } from "./contracts.js";
import { emitEnqueue, enqueueText } from "./enqueue.js";
import { emitIndex, emitRegistry, emitWorker } from "./entry-files.js";
import { emitErrors } from "./errors.js";
import { emitEvents } from "./events.js";
import { emitGrafana } from "./grafana.js";
import type { HandlerLocation, HandlerMap } from "./handler-location.js";
import { contentHash, emitManifest, GENERATED_MARK, taskEntry } from "./manifest.js";
import type { OutputPaths } from "./output-paths.js";
import { commentLine } from "./source-text.js";
import { emitSchemas, type SchemaTexts, schemaTexts, tasksByNamespace } from "./schemas.js";
import { allocateTypeNames, type TypeNames } from "./type-names.js";
import { emitTypes, taskTypeTexts } from "./types.js";
import { emitWorkflowPage } from "./workflow-page.js";
import { emitWorkflowPicture, hasPicture } from "./workflow-picture.js";
import { emitWorkflows } from "./workflows.js";

export { type CheckCache, checkSource } from "./check-source.js";
export { findConflicts } from "./conflicts.js";
export type { HandlerLocation, HandlerMap } from "./handler-location.js";
export { emitStub } from "./handler-stub.js";
export { contentHash, GENERATED_MARK, MANIFEST_FORMAT, withLineFeeds } from "./manifest.js";
export { outputPaths, type OutputPaths } from "./output-paths.js";
export { type Token, tokenize, TokenProblem } from "./source-tokens.js";

export interface EmitOptions {
  readonly paths: OutputPaths;
  /** Whether the user has a middleware file. */
  readonly hasMiddleware: boolean;
  /** Version of this package, for the manifest. */
  readonly version: string;
  /** Cached texts of unchanged parts; watch keeps one cache for all its runs. */
  readonly cache: EmitCache;
}

export interface EmitCache {
  /** The texts of each task, keyed by the task's content. */
  tasks: ReadonlyMap<string, TaskTexts>;
  /** The validators of each namespace, by file. */
  namespaces: ReadonlyMap<string, NamespaceText>;
  /**
   * The picture of each workflow, keyed by its definition: its layout takes longer than everything else about
   * it.
   */
  pictures: ReadonlyMap<string, string>;
}

interface TaskTexts {
  readonly contract: string;
  readonly enqueue: string;
  readonly manifestEntry: string;
  readonly schemas: SchemaTexts;
  readonly types: Promise<readonly string[]>;
}

interface NamespaceText {
  /** The texts from which `text` was made. */
  readonly parts: readonly SchemaTexts[];
  readonly text: string;
  readonly hash: string;
}

export function createEmitCache(): EmitCache {
  return { tasks: new Map(), namespaces: new Map(), pictures: new Map() };
}

/** All files under `generated/`: path (relative to the project, with `/`) to text. */
export async function emitProject(
  input: ProjectModel,
  handlers: HandlerMap,
  options: EmitOptions,
): Promise<Map<string, string>> {
  const project = sorted(input);
  const { cache, paths } = options;
  const names = allocateTypeNames(project);
  const kept = project.tasks.map((task) => keptTexts(task, project, names, cache));
  const texts = kept.map(([, text]) => text);
  // Only the entries in use are kept, so that a watch of many hours does not grow with every edit.
  cache.tasks = new Map(kept);
  cache.namespaces = namespaceTexts(project, texts, options);
  const handlerOf = (task: TaskModel): HandlerLocation =>
    handlers.get(task.definition.name) ?? { file: paths.stub(task), exportName: "default" };
  const whole = {
    [paths.contracts]: emitContracts(
      project,
      paths,
      texts.map((text) => text.contract),
    ),
    [paths.enqueue]: emitEnqueue(
      project,
      paths,
      texts.map((text) => text.enqueue),
    ),
    [paths.errors]: emitErrors(project),
    // Left out if empty, so that the code of a project without events does not change.
    ...(project.events.length === 0 ? {} : { [paths.events]: emitEvents(project, names, paths) }),
    ...(project.workflows.length === 0
      ? {}
      : { [paths.workflows]: await emitWorkflows(project, names, paths) }),
    [paths.index]: emitIndex(project, paths),
    [paths.registry]: emitRegistry(project, paths, handlerOf, options.hasMiddleware),
    [paths.types]: await emitTypes(
      project,
      names,
      texts.map((text) => text.types),
    ),
    [paths.worker]: emitWorker(paths),
  };
  const sources = sourcesOf([
    ...project.tasks,
    ...project.events.flatMap((event) => [event, ...event.observers]),
    ...project.workflows,
  ]);
  const head = header(sources.length === 0 ? project.files : sources);
  const files = new Map(Object.entries(whole).map(([path, text]) => [path, `${head}${text}`]));
  files.set(paths.tasksSchema, tasksSchema(project));
  files.set(paths.grafana, emitGrafana(project));
  files.set(paths.alerts, `# ${GENERATED_MARK}. Do not edit.\n\n${emitAlerts(project)}`);
  for (const [path, text] of await workflowPictures(project, options)) files.set(path, text);
  const hashes = new Map([...files].map(([path, text]) => [path, contentHash(text)]));
  for (const [file, { text, hash }] of cache.namespaces) {
    files.set(file, text);
    hashes.set(file, hash);
  }
  const entries = texts.map((text) => text.manifestEntry);
  const generator = { name: "taskweft", version: options.version } as const;
  return files.set(paths.manifest, emitManifest(project, hashes, entries, paths.outDir, generator));
}

/** The loader sorts too, but other callers must get the same bytes. */
function sorted(project: ProjectModel): ProjectModel {
  return {
    ...project,
    events: project.events
      .map((event) => ({
        ...event,
        observers: event.observers.toSorted((a, b) => compareText(a.name, b.name)),
      }))
      .toSorted((a, b) => compareText(a.name, b.name)),
    queues: project.queues.toSorted((a, b) => compareText(a.name, b.name)),
    schedules: project.schedules.toSorted((a, b) => compareText(a.name, b.name)),
    tasks: project.tasks.toSorted((a, b) => compareText(a.definition.name, b.definition.name)),
    workflows: project.workflows.toSorted((a, b) => compareText(a.definition.name, b.definition.name)),
  };
}

function keptTexts(
  task: TaskModel,
  project: ProjectModel,
  names: TypeNames,
  cache: EmitCache,
): readonly [string, TaskTexts] {
  const schemas = [task.payload, ...(task.result === undefined ? [] : [task.result])];
  const refs = schemas.map((schema) => schema.definitions.map(({ name }) => names.resolve(schema, name)));
  const heard = heardSecrets(task, project);
  const key = JSON.stringify([task, refs, heard]);
  return [key, cache.tasks.get(key) ?? taskTexts(task, names, heard)];
}

function taskTexts(task: TaskModel, names: TypeNames, heard: HeardSecrets): TaskTexts {
  return {
    contract: contractText(task, heard),
    enqueue: enqueueText(task),
    manifestEntry: taskEntry(task),
    schemas: schemaTexts(task, names),
    types: taskTypeTexts(task, names),
  };
}

/** The page of the workflows and their pictures, by path. */
async function workflowPictures(
  { workflows }: ProjectModel,
  { cache, paths }: EmitOptions,
): Promise<Map<string, string>> {
  if (workflows.length === 0) return new Map();
  const kept = new Map<string, string>();
  const files = new Map<string, string>();
  for (const { definition } of workflows.filter((workflow) => hasPicture(workflow.definition))) {
    const key = JSON.stringify(definition);
    const text = cache.pictures.get(key) ?? (await emitWorkflowPicture(definition));
    kept.set(key, text);
    files.set(paths.workflowPicture(definition.name), text);
  }
  cache.pictures = kept;
  return files.set(
    paths.workflowPage,
    emitWorkflowPage(workflows, (name) => {
      const path = paths.workflowPicture(name);
      return files.has(path) ? path.slice(paths.outDir.length + 1) : undefined;
    }),
  );
}

/**
 * Reuses the text of a namespace in which no task has changed. `texts`: those of each task of the project.
 */
function namespaceTexts(
  project: ProjectModel,
  texts: readonly TaskTexts[],
  { cache, paths }: EmitOptions,
): ReadonlyMap<string, NamespaceText> {
  const schemas = new Map(project.tasks.map((task, index) => [task, texts[index]?.schemas]));
  return new Map(
    Array.from(tasksByNamespace(project, paths), ([file, tasks]) => {
      const parts = tasks.map((task) => schemas.get(task)).filter((part) => part !== undefined);
      const kept = cache.namespaces.get(file);
      if (kept?.parts.length === parts.length && parts.every((part, index) => part === kept.parts[index]))
        return [file, kept];
      const text = `${header(sourcesOf(tasks))}${emitSchemas(file, parts, paths)}`;
      return [file, { parts, text, hash: contentHash(text) }];
    }),
  );
}

function sourcesOf(models: readonly { readonly source: SourcePosition }[]): readonly string[] {
  return models.map((model) => model.source.file);
}

function header(files: readonly string[]): string {
  const sources = [...new Set(files)].toSorted(compareText);
  const from = sources.length === 0 ? "" : ` from ${sources.map(commentLine).join(", ")}`;
  return `// ${GENERATED_MARK}${from}. Do not edit.\n\n`;
}

/** The schema of the format with this project's names, for completion in editors. */
function tasksSchema(project: ProjectModel): string {
  const { $schema, ...schema } = projectJsonSchema({
    events: project.events.map((event) => event.name),
    queues: project.queues.map((queue) => queue.name),
    retryPolicies: project.retryPolicies ?? [],
    schemas: project.schemas ?? [],
    tasks: project.tasks.map((task) => task.definition.name),
    workflows: project.workflows.map((workflow) => workflow.definition.name),
  });
  return `${JSON.stringify({ $schema, $comment: `${GENERATED_MARK}. Do not edit.`, ...schema }, undefined, 2)}\n`;
}
