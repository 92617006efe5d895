/** What the definitions may say and JavaScript cannot: found here, where the names of the generated code are known. */
import { declaredFields } from "./schema-walk.js";
import type { Diagnostic } from "../model/diagnostic.js";
import type { JsonSchema } from "../model/json-schema.js";
import type { ProjectModel, SourcePosition, TaskModel } from "../model/project.js";
import { quote } from "../model/quote.js";
import { RESERVED_TYPE_NAMES, taskTypeNames } from "./type-names.js";

export function findConflicts(project: ProjectModel): Diagnostic[] {
  const types = new Set(taskTypeNames(project));
  return [
    ...project.tasks.flatMap((task) => [...errorConflicts(task, types), ...fieldConflicts(task)]),
    ...project.workflows.flatMap(({ definition, source, input }) =>
      schemaConflicts(definition.name, source, [input]),
    ),
    ...project.events.flatMap(({ name, source, payload }) => schemaConflicts(name, source, [payload])),
  ];
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

function fieldConflicts({ definition, source, payload, result }: TaskModel): Diagnostic[] {
  return schemaConflicts(definition.name, source, [payload, ...(result === undefined ? [] : [result])]);
}

/** Every JavaScript object has these keys, so a validator cannot tell a missing field from a present one. */
function schemaConflicts(
  owner: string,
  source: SourcePosition,
  schemas: readonly JsonSchema[],
): Diagnostic[] {
  const fields = schemas.flatMap(declaredFields);
  return [...new Set(fields)]
    .filter((name) => name in Object.prototype)
    .map((name) =>
      problem(
        owner,
        source,
        "TW302",
        `expected a field name that not every JavaScript object has, got ${quote(name)}`,
        {
          hint: "rename the field",
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
