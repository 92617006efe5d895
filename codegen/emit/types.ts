/**
 * `generated/types.ts`: the payload and result of every task, and the map from which everything else is
 * inferred.
 */
import type { JsonSchema, JsonSchemaNode, JsonSchemaProperty } from "../model/json-schema.js";
import type { EventModel, ProjectModel, TaskModel, WorkflowModel } from "../model/project.js";
import { type Layout, inlineMembers, members, render } from "./layout.js";
import { identifier, jsdoc, literal, typeKey } from "./source-text.js";
import { typeExpression } from "./type-expression.js";
import { eventTypeName, inputTypeName, outputTypeName, type TypeNames } from "./type-names.js";

type ObjectNode = JsonSchemaNode & { kind: "object" };

export async function emitTypes(
  project: ProjectModel,
  names: TypeNames,
  taskTypes: readonly Promise<readonly string[]>[],
): Promise<string> {
  const shared = names.types.map(({ typeName, node, scope }) =>
    declaration(typeName, node, node.description, (name) => names.resolve(scope, name)),
  );
  const events = project.events.map((event) => eventType(event, names));
  const declarations = [
    ...(await Promise.all(shared)),
    ...(await Promise.all(taskTypes)).flat(),
    ...(await Promise.all(events)),
    ...(await Promise.all(project.workflows.flatMap((workflow) => workflowTypes(workflow, names)))),
  ];
  return [
    ...declarations,
    queueNames(project),
    taskMap(project),
    "export type TaskName = keyof TaskMap;\n",
  ].join("\n");
}

/**
 * The declarations of one task's payload and result. Depends only on the task and the names of its
 * definitions.
 */
export function taskTypeTexts(task: TaskModel, names: TypeNames): Promise<readonly string[]> {
  const parts = { Payload: task.payload, ...(task.result === undefined ? {} : { Result: task.result }) };
  return Promise.all(
    Object.entries(parts).map(([part, schema]) =>
      declaration(`${task.identifier}${part}`, schema.root, describe(part, task, schema), (name) =>
        names.resolve(schema, name),
      ),
    ),
  );
}

function eventType(event: EventModel, names: TypeNames): Promise<string> {
  const { name, payload, description = "" } = event;
  const text = [`Payload of \`${name}\`.`, description].join(" ").trimEnd();
  const resolve = (definition: string): string => names.resolve(payload, definition);
  return declaration(eventTypeName(event), payload.root, text, resolve);
}

function workflowTypes(workflow: WorkflowModel, names: TypeNames): Promise<string>[] {
  const { definition, input, output } = workflow;
  const one = (typeName: string, schema: JsonSchema, what: string): Promise<string> => {
    const text = `${what} of \`${definition.name}\`. ${schema.root.description ?? ""}`.trimEnd();
    return declaration(typeName, schema.root, text, (name) => names.resolve(schema, name));
  };
  return [
    one(inputTypeName(workflow), input, "Input"),
    ...(output === undefined ? [] : [one(outputTypeName(workflow), output, "Output")]),
  ];
}

/** The inline type of a schema, for code outside types.ts. */
export function typeLayout(schema: JsonSchema, names: TypeNames): Promise<Layout> {
  return typeOf(schema.root, (name) => names.resolve(schema, name));
}

function describe(part: string, task: TaskModel, schema: JsonSchema): string {
  return [`${part} of \`${task.definition.name}\`.`, schema.root.description ?? ""].join(" ").trimEnd();
}

async function declaration(
  typeName: string,
  node: JsonSchemaNode,
  description: string | undefined,
  resolve: (definition: string) => string,
): Promise<string> {
  const comment = jsdoc([description]);
  const name = identifier(typeName);
  if (node.kind === "object" && !isEmpty(node)) {
    return `${comment}${render(await objectType(node, resolve, `export interface ${name} {`))}\n`;
  }
  return `${comment}${render([`export type ${name} = `, await typeOf(node, resolve), ";"])}\n`;
}

async function typeOf(node: JsonSchemaNode, resolve: (definition: string) => string): Promise<Layout> {
  if (node.kind === "ref") return identifier(resolve(node.name));
  if (node.kind === "object") return isEmpty(node) ? "Record<string, never>" : objectType(node, resolve, "{");
  return typeExpression(node, (inner) => typeOf(inner, resolve));
}

/** `interface X {}` would accept every value, so a closed object without fields needs a special type. */
function isEmpty(node: ObjectNode): boolean {
  return node.properties.length === 0 && node.additional === false;
}

async function objectType(
  node: ObjectNode,
  resolve: (name: string) => string,
  open: string,
): Promise<Layout> {
  const types = await Promise.all(node.properties.map((property) => typeOf(property.schema, resolve)));
  const fields = node.properties.map((property, index): Layout => {
    const mark = property.required ? "" : "?";
    return [propertyComment(property), `${typeKey(property.name)}${mark}: `, types[index] ?? "never"];
  });
  return members(open, [...fields, ...(await indexSignature(node, types, resolve))], "}");
}

/**
 * The index signature for further keys. TypeScript requires the declared fields to be assignable to it, so
 * their types are included.
 */
async function indexSignature(
  node: ObjectNode,
  types: readonly Layout[],
  resolve: (name: string) => string,
): Promise<Layout[]> {
  if (node.additional === false) return [];
  if (node.additional === true) return ["[key: string]: unknown"];
  const own = await typeOf(node.additional, resolve);
  const optional = node.properties.some((property) => !property.required) ? [" | undefined"] : [];
  const distinct = new Map([own, ...types].map((type) => [render(type), type]));
  const union = [...distinct.values()].flatMap((type, index): Layout[] =>
    index === 0 ? [type] : [" | ", type],
  );
  return [["[key: string]: ", ...union, ...optional]];
}

function propertyComment({ schema }: JsonSchemaProperty): string {
  const format =
    schema.kind === "string" && schema.format !== undefined ? `@format ${schema.format}` : undefined;
  return jsdoc([schema.description, schema.deprecated === true ? "@deprecated" : undefined, format]);
}

function queueNames(project: ProjectModel): string {
  const names = project.queues.map((queue) => literal(queue.name)).join(" | ");
  return `/** The declared queues. */\nexport type QueueName = ${names === "" ? "never" : names};\n`;
}

/** The events that a handler may wait for, with the fields that identify them. */
function waitsLayout(
  waits: NonNullable<TaskModel["definition"]["waitsFor"]>,
  { events }: ProjectModel,
): Layout {
  const entries = Object.entries(waits).map(([name, fields]): Layout => {
    const event = events.find((candidate) => candidate.name === name);
    if (event === undefined) throw new Error(`a task waits for the event "${name}", which is not there`);
    const by = fields.map((field) => literal(field)).join(" | ");
    return [`${typeKey(name)}: `, inlineMembers([`event: ${identifier(eventTypeName(event))}`, `by: ${by}`])];
  });
  return ["waits: ", inlineMembers(entries)];
}

function taskMap(project: ProjectModel): string {
  const entries = project.tasks.map(({ definition, identifier: name, result }): Layout => {
    const resultType = result === undefined ? "void" : `${name}Result`;
    const batch = definition.batch === undefined ? [] : ["batch: true"];
    const waits = definition.waitsFor === undefined ? [] : [waitsLayout(definition.waitsFor, project)];
    return [
      `${typeKey(definition.name)}: `,
      inlineMembers([`payload: ${name}Payload`, `result: ${resultType}`, ...batch, ...waits]),
    ];
  });
  const comment = "/** Every task with its payload and result. */\n";
  if (entries.length === 0) return `${comment}export type TaskMap = Record<never, never>;\n`;
  return `${comment}${render(members("export interface TaskMap {", entries, "}"))}\n`;
}
