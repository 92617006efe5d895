/** `generated/enqueue.ts`: a typed function per task, and `enqueue` by name. */
import type { ProjectModel, TaskModel } from "../model/project.js";
import { contractConstant, payloadAndResult } from "./contracts.js";
import { list, render } from "./layout.js";
import type { OutputPaths } from "./output-paths.js";
import { identifier, jsdoc, modulePath } from "./source-text.js";

export function emitEnqueue(
  project: ProjectModel,
  paths: OutputPaths,
  functionTexts: readonly string[],
): string {
  const functions = project.tasks.length === 0 ? [] : ["createEnqueueFunction", "type EnqueueFunction"];
  const door = ["createEnqueueByName", "type EnqueueByName", ...functions].toSorted(byNameOnly);
  const contracts = ["contracts", ...project.tasks.map(contractConstant), "queues"].toSorted(byNameOnly);
  const types = [...project.tasks.flatMap(payloadAndResult), "QueueName", "TaskMap"].toSorted(byNameOnly);
  return [
    render(["import ", list("{", door, "}"), ` from "taskweft/generated-v1";\n`]),
    render(["import ", list("{", contracts, "}"), ` from ${modulePath(paths.enqueue, paths.contracts)};\n`]),
    render(["import type ", list("{", types, "}"), ` from ${modulePath(paths.enqueue, paths.types)};\n`]),
    "\n",
    ...functionTexts.map((text) => `${text}\n`),
    jsdoc(["Enqueues by name; the name picks the types of payload and result."]),
    "export const enqueue: EnqueueByName<TaskMap, QueueName> = createEnqueueByName(contracts, queues);\n",
  ].join("");
}

/**
 * The declaration of one task's function. A pure function of the task, so that watch can cache the result.
 */
export function enqueueText(task: TaskModel): string {
  const { identifier: name, result, source } = task;
  const types = `${name}Payload, ${result === undefined ? "void" : `${name}Result`}, QueueName`;
  return [
    jsdoc([
      task.description ?? `Enqueues \`${task.definition.name}\`.`,
      task.owner === undefined ? undefined : `Owner: ${task.owner}`,
      `@see ${source.file}:${source.line}`,
    ]),
    `export const ${identifier(`enqueue${name}`)}: EnqueueFunction<${types}> =\n`,
    `  createEnqueueFunction(${contractConstant(task)}, queues);\n`,
  ].join("");
}

function byNameOnly(a: string, b: string): number {
  return a.replace("type ", "") < b.replace("type ", "") ? -1 : 1;
}
