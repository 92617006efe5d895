/** Paths of all files in a user's project. Relative to its root, with `/`. */
import type { TaskModel } from "../model/project.js";

export interface OutputPaths {
  readonly alerts: string;
  readonly contracts: string;
  readonly enqueue: string;
  readonly errors: string;
  /** Only in projects with events. */
  readonly events: string;
  readonly grafana: string;
  readonly handlersDir: string;
  readonly index: string;
  readonly manifest: string;
  /** Belongs to the user and may not exist. */
  readonly middleware: string;
  readonly outDir: string;
  readonly registry: string;
  readonly tasksSchema: string;
  readonly types: string;
  readonly worker: string;
  /** This file and the pictures exist only in projects with workflows. */
  readonly workflows: string;
  readonly workflowPage: string;
  readonly workflowPicture: (workflow: string) => string;
  /** The validators of the task's namespace, the first segment of its name. */
  readonly schemas: (task: TaskModel) => string;
  /** Path of the stub for a missing handler. */
  readonly stub: (task: TaskModel) => string;
}

export function outputPaths(outDir: string, tasksDir: string): OutputPaths {
  return {
    alerts: `${outDir}/alerts.yaml`,
    contracts: `${outDir}/contracts.ts`,
    enqueue: `${outDir}/enqueue.ts`,
    errors: `${outDir}/errors.ts`,
    events: `${outDir}/events.ts`,
    grafana: `${outDir}/grafana.json`,
    handlersDir: `${tasksDir}/handlers`,
    index: `${outDir}/index.ts`,
    manifest: `${outDir}/manifest.json`,
    middleware: `${tasksDir}/middleware.ts`,
    outDir,
    registry: `${outDir}/registry.ts`,
    schemas: (task) => `${outDir}/schemas/${namespaceOf(task)}.ts`,
    stub: (task) => `${tasksDir}/handlers/${task.modulePath}.ts`,
    tasksSchema: `${outDir}/tasks.schema.json`,
    types: `${outDir}/types.ts`,
    worker: `${outDir}/worker.ts`,
    workflowPage: `${outDir}/workflows.md`,
    workflowPicture: (workflow) => `${outDir}/workflows/${workflow.replaceAll(":", "/")}.svg`,
    workflows: `${outDir}/workflows.ts`,
  };
}

/** `payment` for `payment:process`. A name with one segment is its own namespace. */
function namespaceOf({ modulePath }: TaskModel): string {
  return modulePath.split("/")[0] ?? modulePath;
}
