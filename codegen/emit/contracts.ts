/**
 * `generated/contracts.ts`: each task's resolved settings and validators, in the form that the runtime takes.
 */
import type {
  FollowUpRule,
  QueueDefinition,
  SensitivePath,
  TaskDefinition,
} from "../../runtime/definition/index.js";
import type { JsonValue } from "../model/json-schema.js";
import type { ProjectModel, TaskModel } from "../model/project.js";
import { keyFunction } from "./key-function.js";
import { type Layout, list, render } from "./layout.js";
import type { OutputPaths } from "./output-paths.js";
import { identifier, literal, lowerFirst, modulePath, propertyKey } from "./source-text.js";
import { sensitivePaths } from "./sensitive-paths.js";
import { schemasConstant, tasksByNamespace } from "./schemas.js";

export function emitContracts(
  project: ProjectModel,
  paths: OutputPaths,
  contractTexts: readonly string[],
): string {
  const door = [
    ...(project.tasks.length === 0 ? [] : ["defineContract"]),
    ...(project.tasks.some(hasKey) ? ["keyText"] : []),
    "type QueueDefinition",
  ];
  return [
    render(["import ", list("{", door, "}"), ` from "taskweft/generated-v1";\n`]),
    ...schemasImports(project, paths),
    typeImports(project, paths),
    "\n",
    ...contractTexts.map((text) => `${text}\n`),
    "/** All tasks, sorted by name. */\n",
    render([
      "export const contracts = ",
      list("[", project.tasks.map(contractConstant), "]"),
      " as const;\n",
    ]),
    "\n/** All queues, sorted by name. */\n",
    render([
      "export const queues: readonly QueueDefinition[] = ",
      list("[", project.queues.map(queueLayout), "]"),
      ";\n",
    ]),
  ].join("");
}

/**
 * Paths of the sensitive fields in the events that a task waits for, by event name; events without such
 * fields are left out.
 */
export type HeardSecrets = readonly (readonly [event: string, paths: readonly SensitivePath[]])[];

export function heardSecrets({ definition }: TaskModel, { events }: ProjectModel): HeardSecrets {
  const heard = events.filter(({ name }) => Object.hasOwn(definition.waitsFor ?? {}, name));
  return heard
    .map(({ name, payload }) => [name, sensitivePaths(payload)] as const)
    .filter(([, paths]) => paths.length > 0);
}

/** The contract of one task. A pure function of its arguments, so that watch can cache the result. */
export function contractText(task: TaskModel, heard: HeardSecrets): string {
  const result = task.result === undefined ? "void" : `${task.identifier}Result`;
  const generics = `${identifier(`${task.identifier}Payload`)}, ${result}`;
  const fields = { ...list("{", contractFields(task, heard), "}"), broken: true };
  return render([`export const ${contractConstant(task)} = defineContract<${generics}>(`, fields, ");\n"]);
}

export function contractConstant(task: TaskModel): string {
  return identifier(`${lowerFirst(task.identifier)}Contract`);
}

function contractFields(task: TaskModel, heard: HeardSecrets): Layout[] {
  const { definition } = task;
  const { backoff, maxRetries } = definition.retry;
  const retry = list("{", [`maxRetries: ${literal(maxRetries)}`, ["backoff: ", objectLayout(backoff)]], "}");
  return [
    `name: ${literal(definition.name)}`,
    `queue: ${literal(definition.queue)}`,
    `timeoutMs: ${literal(definition.timeoutMs)}`,
    ...(definition.startWithinMs === undefined
      ? []
      : [`startWithinMs: ${literal(definition.startWithinMs)}`]),
    ["retry: ", retry],
    ["retention: ", objectLayout({ ...definition.retention })],
    ...(definition.idempotency === undefined
      ? []
      : [["idempotency: ", objectLayout({ ...definition.idempotency })]]),
    ...(task.idempotencyKey === undefined ? [] : [`idempotencyKey: ${keyFunction(task.idempotencyKey)}`]),
    ...(definition.dedupe === undefined ? [] : [["dedupe: ", objectLayout({ ...definition.dedupe })]]),
    ...(task.dedupeKey === undefined ? [] : [`dedupeKey: ${keyFunction(task.dedupeKey)}`]),
    ...(definition.concurrency === undefined
      ? []
      : [["concurrency: ", objectLayout({ ...definition.concurrency })]]),
    ...(task.concurrencyKey === undefined ? [] : [`concurrencyKey: ${keyFunction(task.concurrencyKey)}`]),
    ...(task.fairnessKey === undefined ? [] : [`fairnessKey: ${keyFunction(task.fairnessKey)}`]),
    ...(definition.batch === undefined ? [] : [["batch: ", objectLayout({ ...definition.batch })]]),
    ...(task.batchKey === undefined ? [] : [`batchKey: ${keyFunction(task.batchKey)}`]),
    ...(definition.rateLimit === undefined
      ? []
      : [["rateLimit: ", objectLayout({ ...definition.rateLimit })]]),
    ...(task.rateLimitKey === undefined ? [] : [`rateLimitKey: ${keyFunction(task.rateLimitKey)}`]),
    ...(definition.durability === undefined ? [] : [`durability: ${literal(definition.durability)}`]),
    ...(definition.isolate === undefined ? [] : [["isolate: ", objectLayout({ ...definition.isolate })]]),
    ...(definition.onExhausted === undefined
      ? []
      : [["onExhausted: ", followUpLayout(definition.onExhausted)]]),
    ...(definition.waitsFor === undefined ? [] : [["waitsFor: ", waitsLayout(definition.waitsFor)]]),
    ["errors: ", list("{", errorRules(task), "}")],
    `hash: ${literal(definition.hash)}`,
    `schemas: ${schemasConstant(task)}`,
    ...sensitiveField(task),
    ...heardField(heard),
  ];
}

function sensitiveField({ payload }: TaskModel): Layout[] {
  const paths = sensitivePaths(payload);
  return paths.length === 0 ? [] : [["sensitive: ", pathsLayout(paths)]];
}

function heardField(heard: HeardSecrets): Layout[] {
  const events = heard.map(([event, paths]): Layout => [`${propertyKey(event)}: `, pathsLayout(paths)]);
  return events.length === 0 ? [] : [["sensitiveEvents: ", list("{", events, "}")]];
}

function pathsLayout(paths: readonly SensitivePath[]): Layout {
  return list(
    "[",
    paths.map((path) => literal([...path])),
    "]",
  );
}

function errorRules(task: TaskModel): Layout[] {
  return Object.entries(task.definition.errors)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, rule]): Layout => [`${propertyKey(name)}: `, objectLayout({ ...rule })]);
}

function followUpLayout({ task, fields }: FollowUpRule): Layout {
  return list("{", [`task: ${literal(task)}`, `fields: ${literal([...fields])}`], "}");
}

function waitsLayout(waits: NonNullable<TaskDefinition["waitsFor"]>): Layout {
  return list(
    "{",
    Object.entries(waits).map(([event, fields]) => `${propertyKey(event)}: ${literal([...fields])}`),
    "}",
  );
}

function objectLayout(value: { readonly [key: string]: JsonValue }): Layout {
  return list(
    "{",
    Object.entries(value).map(([key, member]) => `${propertyKey(key)}: ${literal(member)}`),
    "}",
  );
}

function queueLayout({ name, weight, concurrency, maxPending, rateLimit }: QueueDefinition): Layout {
  return objectLayout({
    name,
    weight,
    ...(concurrency === undefined ? {} : { concurrency }),
    ...(maxPending === undefined ? {} : { maxPending }),
    ...(rateLimit === undefined ? {} : { rateLimit: { ...rateLimit } }),
  });
}

function hasKey(task: TaskModel): boolean {
  const { batchKey, concurrencyKey, dedupeKey, fairnessKey, idempotencyKey, rateLimitKey } = task;
  return [batchKey, concurrencyKey, dedupeKey, fairnessKey, idempotencyKey, rateLimitKey].some(
    (key) => key !== undefined,
  );
}

function schemasImports(project: ProjectModel, paths: OutputPaths): string[] {
  return Array.from(tasksByNamespace(project, paths), ([file, tasks]) => {
    const from = modulePath(paths.contracts, file);
    return render(["import ", list("{", tasks.map(schemasConstant), "}"), ` from ${from};\n`]);
  });
}

function typeImports(project: ProjectModel, paths: OutputPaths): string {
  if (project.tasks.length === 0) return "";
  const names = project.tasks.flatMap(payloadAndResult);
  return render([
    "import type ",
    list("{", names, "}"),
    ` from ${modulePath(paths.contracts, paths.types)};\n`,
  ]);
}

export function payloadAndResult(task: TaskModel): string[] {
  return [`${task.identifier}Payload`, ...(task.result === undefined ? [] : [`${task.identifier}Result`])];
}
