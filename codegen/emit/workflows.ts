/**
 * `generated/workflows.ts`: a typed start function per workflow, its definition, and its mappings for the
 * user's compiler.
 */
import type { WorkflowDefinition } from "../../runtime/definition/index.js";
import { compareText } from "../model/diagnostic.js";
import type { ProjectModel, WorkflowModel } from "../model/project.js";
import { keyFunction } from "./key-function.js";
import { type Layout, list, render } from "./layout.js";
import { mappingsOf, type TypedLayout } from "./mappings.js";
import type { OutputPaths } from "./output-paths.js";
import { doorImport } from "./door-import.js";
import { checksOf } from "./quick-check.js";
import { definitionConstants, scopeOf } from "./schemas.js";
import { identifier, jsdoc, literal, lowerFirst, modulePath, propertyKey } from "./source-text.js";
import { helpersOf } from "./template-source.js";
import { inputTypeName, outputTypeName, type TypeNames } from "./type-names.js";
import { supportCode, supportOf, zodLayout } from "./zod.js";

export async function emitWorkflows(
  project: ProjectModel,
  names: TypeNames,
  paths: OutputPaths,
): Promise<string> {
  const { workflows } = project;
  const scheduled = new Set(
    project.schedules.flatMap((schedule) => ("workflow" in schedule ? [schedule.workflow] : [])),
  );
  const mappings = await Promise.all(workflows.map((workflow) => mappingsOf(workflow, project, names)));
  const scopes = workflows.map(({ input }) => scopeOf(input, "strict", names));
  const nodes = workflows.flatMap(({ input }) => [
    input.root,
    ...input.definitions.map((definition) => definition.schema),
  ]);
  const checks = workflows.map(({ input }) => checksOf("inputFits", input, names));
  const constants = new Map([
    ...scopes.flatMap(definitionConstants),
    ...checks.flatMap((check) => check.constants),
  ]);
  const byName = new Map(workflows.map((workflow) => [workflow.definition.name, workflow]));
  const constantOf = (name: string): string => definitionConstant(byName.get(name)!);
  const parts = [
    ...supportCode(supportOf(nodes)),
    ...[...constants].toSorted(([a], [b]) => compareText(a, b)).map(([, text]) => text),
    ...innermostFirst(workflows).flatMap(({ workflow, index }) => [
      definitionText(workflow, scheduled.has(workflow.definition.name), constantOf),
      startText(workflow, [
        ...checks[index]!.field,
        ["input: () => ", zodLayout(workflow.input.root, scopes[index]!)],
      ]),
    ]),
    mappingsText(workflows, mappings),
  ];
  const code = parts.join("\n");
  const helpers = checks.flatMap((check) => check.helpers);
  return `${imports(workflows, mappings, paths, helpers)}\n${code}`;
}

/** In an order in which each constant is declared before it is used. */
function innermostFirst(
  workflows: readonly WorkflowModel[],
): readonly { readonly workflow: WorkflowModel; readonly index: number }[] {
  const depths = new Map(workflows.map(({ definition }) => [definition.name, depthOf(definition)]));
  const depth = ({ workflow }: { readonly workflow: WorkflowModel }): number =>
    depths.get(workflow.definition.name) ?? 0;
  return workflows.map((workflow, index) => ({ workflow, index })).toSorted((a, b) => depth(a) - depth(b));
}

function depthOf({ children = {} }: WorkflowDefinition): number {
  return Math.max(0, ...Object.values(children).map((child) => 1 + depthOf(child)));
}

/** For example `startOrderCheckout`. */
export function startName({ identifier: name }: WorkflowModel): string {
  return identifier(`start${name}`);
}

/** Imports only what the code uses, because the user's compiler may reject unused imports. */
function imports(
  workflows: readonly WorkflowModel[],
  mappings: readonly TypedLayout[],
  paths: OutputPaths,
  checkHelpers: readonly string[],
): string {
  const keys = workflows.flatMap(({ idempotency }) =>
    idempotency?.key.some((part) => part.kind === "expression") === true ? ["keyText"] : [],
  );
  const values = workflows.flatMap((workflow) => workflow.mappings.map(({ value }) => value));
  const helpers = new Set([...keys, ...values.flatMap(helpersOf)]);
  const types = ["type StartFunction", "type WorkflowDefinition"];
  const door = [...types, "createStartFunction", "defineWorkflow", ...helpers, ...checkHelpers, "z"];
  const own = workflows.flatMap((workflow) => [inputTypeName(workflow), outputTypeName(workflow)]);
  const used = new Set([...own, ...mappings.flatMap((mapping) => mapping.types)]);
  used.delete("void");
  return [
    doorImport(door),
    `import { queues } from ${modulePath(paths.workflows, paths.contracts)};\n`,
    render([
      "import type ",
      list("{", [...used].toSorted(compareText).map(identifier), "}"),
      ` from ${modulePath(paths.workflows, paths.types)};\n`,
    ]),
  ].join("");
}

/** For example `orderCheckoutWorkflow`. */
export function definitionConstant({ identifier: name }: WorkflowModel): string {
  return identifier(`${lowerFirst(name)}Workflow`);
}

/** Exported if the registry needs the definition for a schedule that starts runs. */
function definitionText(
  workflow: WorkflowModel,
  isScheduled: boolean,
  constantOf: (workflow: string) => string,
): string {
  const {
    name,
    hash,
    queue,
    steps,
    output,
    timeoutMs,
    onTimeout,
    keepMs,
    children = {},
  } = workflow.definition;
  const fields = dataFields({ name, hash, queue, steps, output, timeoutMs, onTimeout, keepMs });
  const inner = Object.keys(children).map((child) => `${propertyKey(child)}: ${constantOf(child)}`);
  const held: Layout[] = inner.length === 0 ? [] : [["children: ", list("{", inner, "}")]];
  const body = { ...list("{", [...fields, ...held], "}"), broken: true };
  const keyword = isScheduled ? "export const" : "const";
  return render([`${keyword} ${definitionConstant(workflow)}: WorkflowDefinition = `, body, ";\n"]);
}

/** Prints plain data, which may need several lines. */
function dataLayout(value: unknown): Layout {
  if (Array.isArray(value)) return list("[", value.map(dataLayout), "]");
  if (typeof value !== "object" || value === null) return literal(value as string | number | boolean | null);
  return list("{", dataFields(value), "}");
}

function dataFields(value: object): Layout[] {
  return Object.entries(value)
    .filter(([, member]) => member !== undefined)
    .map(([key, member]): Layout => [`${propertyKey(key)}: `, dataLayout(member)]);
}

function startText(workflow: WorkflowModel, validators: readonly Layout[]): string {
  const { definition, source, description, owner, idempotency } = workflow;
  const types = `${inputTypeName(workflow)}, ${outputTypeName(workflow)}`;
  const key =
    idempotency === undefined
      ? []
      : [
          [
            "idempotency: ",
            list(
              "{",
              [`key: ${keyFunction(idempotency.key, "input")}`, `ttlMs: ${literal(idempotency.ttlMs)}`],
              "}",
            ),
          ],
        ];
  const fields: Layout[] = [`definition: ${definitionConstant(workflow)}`, ...validators, ...key];
  return [
    jsdoc([
      description ?? `Starts a run of \`${definition.name}\`.`,
      owner === undefined ? undefined : `Owner: ${owner}`,
      `@see ${source.file}:${source.line}`,
    ]),
    render([
      `export const ${startName(workflow)}: StartFunction<${types}> = createStartFunction(defineWorkflow<${types}>(`,
      { ...list("{", fields, "}"), broken: true },
      "), queues);\n",
    ]),
  ].join("");
}

function mappingsText(workflows: readonly WorkflowModel[], mappings: readonly TypedLayout[]): string {
  const entries = workflows.map(({ definition }, index): Layout => [
    `${propertyKey(definition.name)}: `,
    mappings[index]?.layout ?? "{}",
  ]);
  return [
    jsdoc([
      "The mappings of the workflows for the TypeScript compiler: a type mismatch is an error here. Never called.",
    ]),
    render(["export const mappings = ", { ...list("{", entries, "}"), broken: true }, ";\n"]),
  ].join("");
}
