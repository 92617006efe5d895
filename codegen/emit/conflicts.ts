/** What the definitions may say and JavaScript cannot: found here, where the names of the generated code are known. */
import { declaredFields } from "./schema-walk.js";
import type { Diagnostic } from "../model/diagnostic.js";
import type { ProjectModel, TaskModel } from "../model/project.js";
import { quote } from "../model/quote.js";
import { RESERVED_TYPE_NAMES, taskTypeNames } from "./type-names.js";

export function findConflicts(project: ProjectModel): Diagnostic[] {
  const types = new Set(taskTypeNames(project));
  return project.tasks.flatMap((task) => [...errorConflicts(task, types), ...fieldConflicts(task)]);
}

function errorConflicts(task: TaskModel, types: ReadonlySet<string>): Diagnostic[] {
  return task.errors
    .filter((error) => RESERVED_TYPE_NAMES.has(error.name) || types.has(error.name))
    .map((error) =>
      problem(
        task,
        "TW301",
        `expected a name of its own for the error ${quote(error.name)}, got one that generated code uses`,
        {
          hint: `rename it, for example to ${quote(`${error.name}Failure`)}`,
        },
      ),
    );
}

/** Every JavaScript object has these keys, so a validator cannot tell a missing field from a present one. */
function fieldConflicts(task: TaskModel): Diagnostic[] {
  const fields = [task.payload, ...(task.result === undefined ? [] : [task.result])].flatMap(declaredFields);
  return [...new Set(fields)]
    .filter((name) => name in Object.prototype)
    .map((name) =>
      problem(
        task,
        "TW302",
        `expected a field name that not every JavaScript object has, got ${quote(name)}`,
        {
          hint: "rename the field",
        },
      ),
    );
}

function problem(
  task: TaskModel,
  code: Diagnostic["code"],
  message: string,
  { hint }: { readonly hint: string },
): Diagnostic {
  const { file, line, column } = task.source;
  return {
    code,
    severity: "error",
    message: `${task.definition.name}: ${message}`,
    file,
    line,
    column,
    hint,
    frame: "",
  };
}
