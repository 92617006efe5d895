/** `generated/errors.ts`: a class per declared error. The name of the class selects its rule in YAML. */
import { compareText } from "../model/diagnostic.js";
import type { ErrorModel, ProjectModel } from "../model/project.js";
import { identifier, jsdoc, literal } from "./source-text.js";

export function emitErrors(project: ProjectModel): string {
  const uses = errorUses(project);
  if (uses.size === 0) return "export {};\n";
  const names = [...uses.keys()].toSorted(compareText);
  const classes = names.map((name) => errorClass(name, uses.get(name) ?? []));
  return [`import { DeclaredError } from "taskweft/generated-v1";\n`, ...classes].join("\n");
}

interface ErrorUse {
  readonly task: string;
  readonly error: ErrorModel;
}

function errorUses(project: ProjectModel): ReadonlyMap<string, readonly ErrorUse[]> {
  const uses = new Map<string, ErrorUse[]>();
  for (const task of project.tasks) {
    for (const error of task.errors) {
      const known = uses.get(error.name) ?? [];
      uses.set(error.name, [...known, { task: task.definition.name, error }]);
    }
  }
  return uses;
}

function errorClass(name: string, uses: readonly ErrorUse[]): string {
  const descriptions = new Set(uses.map((use) => use.error.description).filter((text) => text !== undefined));
  const tasks = uses.map((use) => `\`${use.task}\``).join(", ");
  return `${jsdoc([...descriptions, `Declared by ${tasks}.`])}export class ${identifier(name)} extends DeclaredError {
  override readonly name = ${literal(name)};
}
`;
}
