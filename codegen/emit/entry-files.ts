/** The modules that programs import: `index.ts` (producers), `registry.ts` and `worker.ts` (workers). */
import { compareText } from "../model/diagnostic.js";
import type { ProjectModel, TaskModel } from "../model/project.js";
import type { HandlerLocation } from "./handler-location.js";
import { type Layout, list, members, render } from "./layout.js";
import type { OutputPaths } from "./output-paths.js";
import { emitSchedules, scheduledImports } from "./schedules.js";
import { modulePath, propertyAccess, typeKey } from "./source-text.js";
import { startName } from "./workflows.js";

const DEFINE_BATCH_HANDLER = `
/** Ties a handler of many jobs at once to its task, for tasks that declare \`batch\`. */
export const defineBatchHandler: DefineBatchHandler<TaskMap> = createDefineBatchHandler<TaskMap>();
`;

/**
 * The module for producers. It must never load a handler: an API server would load every dependency of every
 * job.
 */
export function emitIndex(project: ProjectModel, paths: OutputPaths): string {
  // `defineBatchHandler` is emitted only for projects that have batches.
  const hasBatches = project.tasks.some(({ definition }) => definition.batch !== undefined);
  const hasEvents = project.events.length > 0;
  const starts = project.workflows.map(startName);
  const workflows =
    starts.length === 0
      ? ""
      : render(["export ", list("{", starts, "}"), ` from ${modulePath(paths.index, paths.workflows)};\n`]);
  const events = hasEvents ? `export * from ${modulePath(paths.index, paths.events)};\n` : "";
  return `import {
${hasBatches ? "  createDefineBatchHandler,\n" : ""}  createDefineHandler,
  createDefineMiddleware,
${hasBatches ? "  type DefineBatchHandler,\n" : ""}  type DefineHandler,
  type DefineMiddleware,
} from "taskweft/generated-v1";
import type { TaskMap } from ${modulePath(paths.index, paths.types)};

export { connect, createClient, PermanentError } from "taskweft/generated-v1";
export * from ${modulePath(paths.index, paths.enqueue)};
export * from ${modulePath(paths.index, paths.errors)};
${events}${workflows}export type * from ${modulePath(paths.index, paths.types)};

/** Ties a handler to its task: the name picks the types of payload and result. */
export const defineHandler: DefineHandler<TaskMap> = createDefineHandler<TaskMap>();
${hasBatches ? DEFINE_BATCH_HANDLER : ""}
/** Makes the layers that run around every handler; \`${paths.middleware}\` exports them as its default. */
export const defineMiddleware: DefineMiddleware<TaskMap> = createDefineMiddleware<TaskMap>();
`;
}

/**
 * In this module, a missing handler file, a handler of another task or a handler of a wrong type is a compile
 * error.
 */
export function emitRegistry(
  project: ProjectModel,
  paths: OutputPaths,
  handlerOf: (task: TaskModel) => HandlerLocation,
  hasMiddleware: boolean,
): string {
  const entries = project.tasks.map((task): Layout => {
    const { file, exportName } = handlerOf(task);
    const load = `import(${modulePath(paths.registry, file)})`;
    return `${typeKey(task.definition.name)}: () => ${load}.then((module) => module${propertyAccess(exportName, false)})`;
  });
  const handlers = { ...members("{", entries, "}"), separator: "," } as const;
  const scheduled = scheduledImports(project);
  const loadMiddleware = `import(${modulePath(paths.registry, paths.middleware)})`;
  const registryFields = [
    "contracts",
    "queues",
    "handlers",
    ...(project.schedules.length === 0 ? [] : ["schedules"]),
    ...startedBySteps(project, paths),
    ...(hasMiddleware ? [`middleware: () => ${loadMiddleware}.then((module) => module.default)`] : []),
  ];
  const isolated = project.tasks.some(({ definition }) => definition.isolate !== undefined);
  return [
    doorImport([...scheduled.door, ...(isolated ? ["isolatedIn"] : [])]),
    render([
      "import ",
      list("{", ["contracts", "queues", ...scheduled.contracts], "}"),
      ` from ${modulePath(paths.registry, paths.contracts)};\n`,
    ]),
    render([
      "import type ",
      list("{", [...scheduled.types, "TaskMap"].toSorted(compareText), "}"),
      ` from ${modulePath(paths.registry, paths.types)};\n`,
    ]),
    ...(scheduled.workflows.length === 0
      ? []
      : [
          render([
            "import ",
            list("{", scheduled.workflows, "}"),
            ` from ${modulePath(paths.registry, paths.workflows)};\n`,
          ]),
        ]),
    render(["\nconst handlers: HandlerImports<TaskMap> = ", handlers, ";\n"]),
    ...emitSchedules(project),
    ...registryStatement(registryFields, isolated),
  ].join("");
}

/** Workflows that are started by steps: workers check their inputs and load nothing else of them. */
function startedBySteps({ workflows }: ProjectModel, paths: OutputPaths): readonly Layout[] {
  const inner = new Set(workflows.flatMap(({ definition }) => Object.keys(definition.children ?? {})));
  const starts = workflows.filter(({ definition }) => inner.has(definition.name)).map(startName);
  if (starts.length === 0) return [];
  const load = `import(${modulePath(paths.registry, paths.workflows)})`;
  const all = list(
    "[",
    starts.map((start) => `module.${start}`),
    "]",
  );
  return [[`workflows: () => ${load}.then((module) => `, all, ")"]];
}

function doorImport(functions: readonly string[]): string {
  if (functions.length === 0)
    return `import type { HandlerImports, Registry } from "taskweft/generated-v1";\n`;
  return `import { ${[...functions, "type HandlerImports", "type Registry"].join(", ")} } from "taskweft/generated-v1";\n`;
}

function registryStatement(fields: readonly Layout[], isolated: boolean): string[] {
  const value = list("{", fields, "}");
  if (!isolated) {
    return [
      "\n/** Everything that a worker process runs. */\n",
      render(["export const registry: Registry = ", value, ";\n"]),
    ];
  }
  return [
    "\n/** Everything that a worker process runs. The threads and processes of isolated tasks import this module as well. */\n",
    render(["export const registry: Registry = isolatedIn(import.meta.url, ", value, ");\n"]),
  ];
}

export function emitWorker(paths: OutputPaths): string {
  return `import { runWorker } from "taskweft/generated-v1";
import { registry } from ${modulePath(paths.worker, paths.registry)};

await runWorker(registry);
`;
}
