/** The schedules of a project, as its registry contains them. */
import { compareText } from "../model/diagnostic.js";
import type {
  JobScheduleModel,
  ProjectModel,
  RunScheduleModel,
  ScheduleModel,
  WorkflowModel,
} from "../model/project.js";
import { contractConstant } from "./contracts.js";
import { type Layout, list, render } from "./layout.js";
import { literal } from "./source-text.js";
import { inputTypeName } from "./type-names.js";
import { definitionConstant } from "./workflows.js";

/** Their imports by module; each list is sorted. */
export interface ScheduledImports {
  readonly door: readonly string[];
  readonly contracts: readonly string[];
  readonly types: readonly string[];
  readonly workflows: readonly string[];
}

export function scheduledImports(project: ProjectModel): ScheduledImports {
  const runs = project.schedules.flatMap((one) => ("workflow" in one ? [workflowOf(one, project)] : []));
  const contracts = project.schedules.flatMap((one) => ("task" in one ? [constantOf(one, project)] : []));
  return {
    door: [
      ...(runs.length === 0 ? [] : ["defineRunSchedule"]),
      ...(contracts.length === 0 ? [] : ["defineSchedule"]),
    ],
    contracts: unique(contracts),
    types: unique(runs.map(inputTypeName)),
    workflows: unique(runs.map(definitionConstant)),
  };
}

function unique(names: readonly string[]): readonly string[] {
  return [...new Set(names)].toSorted(compareText);
}

/** Empty if there are no schedules, so that the registry of such a project does not change. */
export function emitSchedules(project: ProjectModel): readonly string[] {
  if (project.schedules.length === 0) return [];
  const entries = project.schedules.map((one) => scheduleLayout(one, project));
  return [render(["\nconst schedules = ", list("[", entries, "]"), ";\n"])];
}

/**
 * The contract types the payload, and the type of an input is explicit, so that the user's compiler checks
 * both.
 */
function scheduleLayout(schedule: ScheduleModel, project: ProjectModel): Layout {
  const { name, cron, timezone, missed, overlap, jitterMs } = schedule;
  const carried = "workflow" in schedule ? { input: schedule.input } : { payload: schedule.payload };
  const settings = Object.entries({ name, cron, timezone, missed, overlap, jitterMs, ...carried });
  const fields = list(
    "{",
    settings.map(([key, value]) => `${key}: ${literal(value)}`),
    "}",
  );
  if ("task" in schedule) return [`defineSchedule(${constantOf(schedule, project)}, `, fields, ")"];
  const workflow = workflowOf(schedule, project);
  return [`defineRunSchedule<${inputTypeName(workflow)}>(${definitionConstant(workflow)}, `, fields, ")"];
}

function constantOf({ name, task: wanted }: JobScheduleModel, project: ProjectModel): string {
  const task = project.tasks.find(({ definition }) => definition.name === wanted);
  if (task === undefined) throw new Error(`the schedule "${name}" is for a task that is not there`);
  return contractConstant(task);
}

function workflowOf({ name, workflow: wanted }: RunScheduleModel, project: ProjectModel): WorkflowModel {
  const workflow = project.workflows.find(({ definition }) => definition.name === wanted);
  if (workflow === undefined) throw new Error(`the schedule "${name}" is for a workflow that is not there`);
  return workflow;
}
