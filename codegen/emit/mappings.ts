/**
 * Prints the mappings of a workflow as functions, typed by what a step reads on one side and by its task's
 * payload on the other.
 */
import type { MappingModel, ProjectModel, ReadModel, WorkflowModel } from "../model/project.js";
import { type Layout, inlineMembers, list } from "./layout.js";
import { references } from "./schema-walk.js";
import { identifier, literal, propertyKey, typeKey } from "./source-text.js";
import { templateRoots, valueLayout } from "./template-source.js";
import { eventTypeName, inputTypeName, outputTypeName, type TypeNames } from "./type-names.js";
import { typeLayout } from "./types.js";

export interface TypedLayout {
  readonly layout: Layout;
  /** Types that the text names. */
  readonly types: readonly string[];
}

/** `{ steps: { charge: { if, forEach, with, compensate } }, output }`, with a function for each mapping. */
export async function mappingsOf(
  workflow: WorkflowModel,
  project: ProjectModel,
  names: TypeNames,
): Promise<TypedLayout> {
  const made = await Promise.all(
    workflow.mappings.map(async (mapping) => ({
      mapping,
      ...(await mappingFunction(mapping, workflow, project, names)),
    })),
  );
  const steps = new Map<string, Layout[]>();
  const own: Layout[] = [];
  for (const { mapping, layout } of made) {
    const member: Layout = [`${mapping.part}: `, layout];
    if (mapping.step === undefined) own.push(member);
    else steps.set(mapping.step, [...(steps.get(mapping.step) ?? []), member]);
  }
  const entries = Array.from(steps, ([step, members]): Layout => [
    `${propertyKey(step)}: `,
    list("{", members, "}"),
  ]);
  return {
    layout: list("{", [["steps: ", list("{", entries, "}")], ...own], "}"),
    types: made.flatMap(({ types }) => types),
  };
}

async function mappingFunction(
  mapping: MappingModel,
  workflow: WorkflowModel,
  project: ProjectModel,
  names: TypeNames,
): Promise<TypedLayout> {
  const { part, value, task, workflow: child, event, item, reads } = mapping;
  const types = new Set<string>();
  const named = (name: string): string => {
    types.add(name);
    return identifier(name);
  };
  const roots = [...new Set(templateRoots(value))];
  const needsItem = part === "forEach" || roots.includes("item");
  const itemType = item === undefined || !needsItem ? "unknown" : await typeLayout(item, names);
  for (const reference of item === undefined || !needsItem ? [] : references(item.root))
    named(names.resolve(item!, reference));
  const members = roots.map((root): Layout => {
    if (root === "input") return `input: ${named(inputTypeName(workflow))}`;
    if (root === "index") return "index: number";
    if (root === "run") return "run: { id: string }";
    if (root === "event") return `event: ${named(eventType(event, project))}`;
    if (root === "item") return ["item: ", itemType];
    return ["steps: ", inlineMembers(reads.map((one) => readLayout(one, project, named)))];
  });
  const parameter: Layout[] =
    roots.length === 0 ? ["()"] : [list("({", roots, "}"), ": ", inlineMembers(members), ")"];
  const returns: Record<MappingModel["part"], () => Layout> = {
    compensate: () => named(`${taskIdentifier(task, project)}Payload`),
    forEach: () => ["(", itemType, ")[]"],
    if: () => "boolean",
    match: () => "boolean",
    output: () => named(outputTypeName(workflow)),
    with: () =>
      named(
        child === undefined
          ? `${taskIdentifier(task, project)}Payload`
          : inputTypeName(workflowNamed(child, project)),
      ),
  };
  const body = value.kind === "object" ? ["(", valueLayout(value), ")"] : valueLayout(value);
  const layout = [...parameter, ": ", returns[part](), " => ", body];
  return { layout, types: [...types] };
}

function readLayout(
  { step, task, workflow, event, statuses, list: items, optional, ended }: ReadModel,
  project: ProjectModel,
  named: (name: string) => string,
): Layout {
  const name = resultType({ task, workflow, event }, project);
  const result = name === undefined ? "" : named(name);
  const type = items === undefined ? result : `${items.mayHoldNull ? `(${result} | null)` : result}[]`;
  const fields: Layout[] = [
    ...(name === undefined ? [] : [`result${optional ? "?" : ""}: ${type}`]),
    ...(statuses === undefined
      ? []
      : [`status${ended ? "" : "?"}: ${statuses.map((status) => literal(status)).join(" | ")}`]),
  ];
  return [`${typeKey(step)}: `, inlineMembers(fields)];
}

function resultType(
  { task, workflow, event }: { readonly [Kind in "event" | "task" | "workflow"]: string | undefined },
  project: ProjectModel,
): string | undefined {
  if (event !== undefined) return eventType(event, project);
  if (workflow !== undefined) return outputTypeName(workflowNamed(workflow, project));
  return task === undefined ? undefined : `${taskIdentifier(task, project)}Result`;
}

function workflowNamed(name: string, project: ProjectModel): WorkflowModel {
  const workflow = project.workflows.find(({ definition }) => definition.name === name);
  if (workflow === undefined) throw new Error(`a step runs the workflow "${name}", which is not there`);
  return workflow;
}

function eventType(name: string | undefined, project: ProjectModel): string {
  const event = project.events.find((one) => one.name === name);
  if (event === undefined) throw new Error(`a step waits for the event "${name}", which is not there`);
  return eventTypeName(event);
}

function taskIdentifier(name: string | undefined, project: ProjectModel): string {
  const task = project.tasks.find(({ definition }) => definition.name === name);
  if (task === undefined) throw new Error(`a step names the task "${name}", which is not there`);
  return task.identifier;
}
