/** `generated/events.ts`: a typed emit function per event, with its validator and observers. */
import type {
  ActionModel,
  EventModel,
  ObserverModel,
  ProjectModel,
  StartModel,
  TaskModel,
  WorkflowModel,
} from "../model/project.js";
import { compareText } from "../model/diagnostic.js";
import { contractConstant } from "./contracts.js";
import { doorImport } from "./door-import.js";
import { expressionSource, joinsOf, rootsOf } from "./expression-source.js";
import { type Layout, inlineMembers, list, render } from "./layout.js";
import type { OutputPaths } from "./output-paths.js";
import { checksOf } from "./quick-check.js";
import { definitionConstants, scopeOf } from "./schemas.js";
import { identifier, jsdoc, literal, modulePath, typeKey } from "./source-text.js";
import { helpersOf, parameters, templateRoots, valueLayout } from "./template-source.js";
import { type TypeNames, eventTypeName, inputTypeName } from "./type-names.js";
import { startName } from "./workflows.js";
import { supportCode, supportOf, zodLayout } from "./zod.js";

export function emitEvents(project: ProjectModel, names: TypeNames, paths: OutputPaths): string {
  const { events } = project;
  const scopes = events.map((event) => scopeOf(event.payload, "strict", names));
  const nodes = events.flatMap(({ payload }) => [
    payload.root,
    ...payload.definitions.map((definition) => definition.schema),
  ]);
  const checks = events.map(({ payload }) => checksOf("payloadFits", payload, names));
  const constants = new Map([
    ...scopes.flatMap(definitionConstants),
    ...checks.flatMap((check) => check.constants),
  ]);
  const body = events.map((event, index) => {
    const schema = zodLayout(event.payload.root, scopes[index]!);
    return eventText(event, [...checks[index]!.field, ["payload: () => ", schema]], project);
  });
  const parts = [
    ...supportCode(supportOf(nodes)),
    ...[...constants].toSorted(([a], [b]) => compareText(a, b)).map(([, text]) => text),
    ...body,
  ];
  const code = parts.join("\n");
  const helpers = checks.flatMap((check) => check.helpers);
  return `${imports(project, paths, helpers)}\n${code}`;
}

/** Imports only what the code uses, because the user's compiler may reject unused imports. */
function imports(project: ProjectModel, paths: OutputPaths, helpers: readonly string[]): string {
  const observers = project.events.flatMap((event) => event.observers);
  const used = new Set([
    ...observers.flatMap(({ when }) => (when === undefined ? [] : joinsOf(when))),
    ...observers
      .flatMap((observer) => observer.actions)
      .flatMap((action) =>
        "workflow" in action
          ? ["defineStart", ...helpersOf(action.input)]
          : ["defineAction", ...helpersOf(action.payload)],
      ),
  ]);
  const started = [...new Set(project.events.flatMap((event) => startedBy(event, project)))];
  const door = ["createEmitFunction", ...used, ...helpers, "defineEvent", "type EmitFunction", "z"];
  const tasks = [...new Set(project.events.flatMap((event) => tasksOf(event, project)))];
  const contracts = [...tasks.map(contractConstant), "queues"].toSorted(compareText);
  const events = project.events.map((event) => identifier(eventTypeName(event)));
  const inputs = started.map((workflow) => identifier(inputTypeName(workflow)));
  const types = [...events, ...tasks.map(payloadType), ...inputs].toSorted(compareText);
  const starts = started.map(startName).toSorted(compareText);
  return [
    doorImport(door),
    render(["import ", list("{", contracts, "}"), ` from ${modulePath(paths.events, paths.contracts)};\n`]),
    render(["import type ", list("{", types, "}"), ` from ${modulePath(paths.events, paths.types)};\n`]),
    starts.length === 0
      ? ""
      : render(["import ", list("{", starts, "}"), ` from ${modulePath(paths.events, paths.workflows)};\n`]),
  ].join("");
}

function payloadType(task: TaskModel): string {
  return identifier(`${task.identifier}Payload`);
}

function tasksOf({ observers }: EventModel, project: ProjectModel): TaskModel[] {
  return observers.flatMap(({ actions }) =>
    actions.flatMap((action) => ("workflow" in action ? [] : [taskOf(action, project)])),
  );
}

function startedBy({ observers }: EventModel, project: ProjectModel): WorkflowModel[] {
  return observers.flatMap(({ actions }) =>
    actions.flatMap((action) => ("workflow" in action ? [workflowOf(action, project)] : [])),
  );
}

function workflowOf({ workflow }: StartModel, { workflows }: ProjectModel): WorkflowModel {
  const found = workflows.find(({ definition }) => definition.name === workflow);
  if (found === undefined) throw new Error(`an action names the workflow "${workflow}", which is not there`);
  return found;
}

function taskOf({ task }: ActionModel, project: ProjectModel): TaskModel {
  const found = project.tasks.find(({ definition }) => definition.name === task);
  if (found === undefined) throw new Error(`an action names the task "${task}", which is not there`);
  return found;
}

function eventText(event: EventModel, validators: readonly Layout[], project: ProjectModel): string {
  const { name, source, description, observers } = event;
  const type = identifier(eventTypeName(event));
  const heard = observers.map((observer): Layout => {
    const tasks = observer.actions.flatMap((action) => ("workflow" in action ? [] : [action.task]));
    const names = [...new Set(tasks)].toSorted(compareText).map((task) => literal(task));
    return `${typeKey(observer.name)}: ${names.length === 0 ? "never" : names.join(" | ")}`;
  });
  const fields: Layout[] = [
    `name: ${literal(name)}`,
    ...validators,
    [
      "observers: ",
      list(
        "[",
        observers.map((observer) => observerLayout(observer, event, project)),
        "]",
      ),
    ],
  ];
  if (event.keepMs !== undefined) fields.push(`keepMs: ${literal(event.keepMs)}`);
  const waits = waitFieldsOf(name, project);
  if (waits.length > 0) fields.push(["waitFields: ", list("[", waits, "]")]);
  const handlers = handlerFieldsOf(name, project);
  if (handlers.length > 0) fields.push(["handlerFields: ", list("[", handlers, "]")]);
  const comment = jsdoc([description ?? `Emits \`${name}\`.`, `@see ${source.file}:${source.line}`]);
  const map = heard.length === 0 ? "Record<never, never>" : inlineMembers(heard);
  const definition = [`defineEvent<${type}>(`, { ...list("{", fields, "}"), broken: true }, ")"];
  return [
    comment,
    render([
      `export const ${identifier(`emit${event.identifier}`)}: EmitFunction<${type}, `,
      map,
      "> = createEmitFunction(",
      definition,
      ", queues);\n",
    ]),
  ].join("");
}

/** The fields by which workflow steps wait for the event. */
function waitFieldsOf(event: string, { workflows }: ProjectModel): readonly Layout[] {
  const waits = workflows.flatMap(({ definition }) => definition.steps.map((step) => step.waitFor));
  return distinctLists(waits.flatMap((wait) => (wait?.event === event ? [wait.field] : [])));
}

/** The fields by which handlers wait for the event. */
function handlerFieldsOf(event: string, { tasks }: ProjectModel): readonly Layout[] {
  return distinctLists(
    tasks.flatMap(({ definition: { waitsFor = {} } }) =>
      Object.hasOwn(waitsFor, event) ? [waitsFor[event] ?? []] : [],
    ),
  );
}

function distinctLists(all: readonly (readonly string[])[]): readonly Layout[] {
  const texts = new Set(all.map((names) => JSON.stringify(names)));
  return [...texts].toSorted(compareText).map((text) =>
    list(
      "[",
      (JSON.parse(text) as string[]).map((name) => literal(name)),
      "]",
    ),
  );
}

function observerLayout(observer: ObserverModel, event: EventModel, project: ProjectModel): Layout {
  const { name, when, actions } = observer;
  const condition =
    when === undefined ? [] : [`when: ${parameters(rootsOf(when))} => ${expressionSource(when)}`];
  return list(
    "{",
    [
      `name: ${literal(name)}`,
      ...condition,
      [
        "actions: ",
        list(
          "[",
          actions.map((action) =>
            "workflow" in action ? startLayout(action, event, project) : actionLayout(action, event, project),
          ),
          "]",
        ),
      ],
    ],
    "}",
  );
}

function startLayout(action: StartModel, event: EventModel, project: ProjectModel): Layout {
  const workflow = workflowOf(action, project);
  const make: Layout = [`${parameters(templateRoots(action.input))} => (`, valueLayout(action.input), ")"];
  const open = `defineStart<${identifier(eventTypeName(event))}, ${identifier(inputTypeName(workflow))}>(`;
  return list(open, [literal(action.workflow), startName(workflow), make], ")");
}

function actionLayout(action: ActionModel, event: EventModel, project: ProjectModel): Layout {
  const { payload, delayMs, queue } = action;
  const settings = [
    ...(delayMs === undefined ? [] : [`delayMs: ${literal(delayMs)}`]),
    ...(queue === undefined ? [] : [`queue: ${literal(queue)}`]),
  ];
  const make: Layout = [`${parameters(templateRoots(payload))} => (`, valueLayout(payload), ")"];
  const more = settings.length === 0 ? [] : [list("{", settings, "}")];
  const task = taskOf(action, project);
  // Both type arguments are explicit, because inference would widen the literals of a payload.
  const open = `defineAction<${identifier(eventTypeName(event))}, ${payloadType(task)}>(`;
  return list(open, [contractConstant(task), make, ...more], ")");
}
