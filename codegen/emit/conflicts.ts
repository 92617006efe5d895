/**
 * Conflicts that YAML allows and JavaScript does not: found here, where the names in the generated code are
 * known.
 */
import type { Diagnostic } from "../model/diagnostic.js";
import type { ProjectModel, SourcePosition, TaskModel } from "../model/project.js";
import { quote } from "../model/quote.js";
import { RESERVED_TYPE_NAMES, taskTypeNames } from "./type-names.js";

export function findConflicts(project: ProjectModel): Diagnostic[] {
  const types = new Set(taskTypeNames(project));
  return project.tasks.flatMap((task) => errorConflicts(task, types));
}

function errorConflicts(task: TaskModel, types: ReadonlySet<string>): Diagnostic[] {
  return task.errors
    .filter((error) => RESERVED_TYPE_NAMES.has(error.name) || types.has(error.name))
    .map((error) =>
      problem(
        task.definition.name,
        task.source,
        "TW301",
        `expected a name of its own for the error ${quote(error.name)}, got one that generated code uses`,
        {
          hint: `rename it, for example to ${quote(`${error.name}Failure`)}`,
        },
      ),
    );
}

function problem(
  owner: string,
  source: SourcePosition,
  code: Diagnostic["code"],
  message: string,
  { hint }: { readonly hint: string },
): Diagnostic {
  const { file, line, column } = source;
  return {
    code,
    severity: "error",
    message: `${owner}: ${message}`,
    file,
    line,
    column,
    hint,
    frame: "",
  };
}
