/** `generated/types.ts`: the payload and result of every task, and the map from which everything else is inferred. */
import type { JsonSchema, JsonSchemaNode, JsonSchemaProperty } from "../model/json-schema.js";
import type { ProjectModel, TaskModel } from "../model/project.js";
import { type Layout, inlineMembers, members, render } from "./layout.js";
import { identifier, jsdoc, literal, typeKey } from "./source-text.js";
import { typeExpression } from "./type-expression.js";
import type { TypeNames } from "./type-names.js";

type ObjectNode = JsonSchemaNode & { kind: "object" };

/** Types of unchanged schemas, by content; watch keeps one over its runs. */
export type TypeCache = Map<string, string>;

export async function emitTypes(project: ProjectModel, names: TypeNames, cache: TypeCache): Promise<string> {
  const shared = names.types.map(({ typeName, node, scope }) =>
    declaration(
      typeName,
      { root: node, definitions: scope.definitions },
      scope,
      node.description,
      names,
      cache,
    ),
  );
  const own = project.tasks.flatMap((task) => taskDeclarations(task, names, cache));
  const declarations = await Promise.all([...shared, ...own]);
  return [
    ...declarations,
    queueNames(project),
    taskMap(project),
    "export type TaskName = keyof TaskMap;\n",
  ].join("\n");
}

function taskDeclarations(task: TaskModel, names: TypeNames, cache: TypeCache): Promise<string>[] {
  const { identifier: name, payload, result } = task;
  const own = [
    declaration(`${name}Payload`, payload, payload, describe("Payload", task, payload), names, cache),
  ];
  if (result === undefined) return own;
  return [
    ...own,
    declaration(`${name}Result`, result, result, describe("Result", task, result), names, cache),
  ];
}

function describe(part: string, task: TaskModel, schema: JsonSchema): string {
  return [`${part} of \`${task.definition.name}\`.`, schema.root.description ?? ""].join(" ").trimEnd();
}

async function declaration(
  typeName: string,
  schema: JsonSchema,
  scope: JsonSchema,
  description: string | undefined,
  names: TypeNames,
  cache: TypeCache,
): Promise<string> {
  const refs = scope.definitions.map(({ name }) => [name, names.resolve(scope, name)]);
  const key = JSON.stringify([typeName, description, schema.root, refs]);
  const known = cache.get(key);
  if (known !== undefined) return known;
  const text = await declarationText(typeName, schema.root, description, (name) =>
    names.resolve(scope, name),
  );
  cache.set(key, text);
  return text;
}

async function declarationText(
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

function typeOf(node: JsonSchemaNode, resolve: (definition: string) => string): Promise<Layout> | Layout {
  if (node.kind === "ref") return identifier(resolve(node.name));
  if (node.kind === "object") return isEmpty(node) ? "Record<string, never>" : objectType(node, resolve, "{");
  return typeExpression(node, (inner) => Promise.resolve(typeOf(inner, resolve)));
}

/** `interface X {}` would accept every value, so a closed object without fields needs a type of its own. */
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

/** Further keys. TypeScript wants the declared fields to fit the index signature, so their types join it. */
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

function taskMap(project: ProjectModel): string {
  const entries = project.tasks.map(({ definition, identifier: name, result }): Layout => {
    const resultType = result === undefined ? "void" : `${name}Result`;
    return [
      `${typeKey(definition.name)}: `,
      inlineMembers([`payload: ${name}Payload`, `result: ${resultType}`]),
    ];
  });
  const comment = "/** Every task with its payload and result. */\n";
  if (entries.length === 0) return `${comment}export type TaskMap = Record<never, never>;\n`;
  return `${comment}${render(members("export interface TaskMap {", entries, "}"))}\n`;
}
