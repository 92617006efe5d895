// Workflows without generated files: definitions written by hand, started on a test's project.
import { createStartFunction, type RunHandle } from "taskweft/generated-v1";
import type {
  Expression,
  StepJob,
  StepWait,
  TaskContract,
  WorkflowDefinition,
  WorkflowStep,
} from "../../runtime/definition/index.js";
import { parseStepOutcome, type StepOutcome } from "../../runtime/protocol/index.js";
import { evaluate } from "../../runtime/workflow/index.js";
import type { Project } from "./project.js";
import { ANYTHING } from "./task.js";
import { emitterOf } from "./waits.js";

export const path = (...segments: (string | number)[]): Expression => ["path", ...segments];
export const value = (constant: unknown): Expression => ["value", constant];
/** The items of a fan-out where they are stored each by itself: those of a value or an input are read there. */
export const stored = (items: readonly unknown[]): Expression => ["list", items.map(value)];
export const object = (fields: Record<string, Expression>): Expression => ["object", fields];

/** Of a fan-out that reads nothing. */
export function itemsOf(forEach: Expression | undefined): readonly unknown[] {
  return forEach === undefined ? [] : (evaluate(forEach, {}) as readonly unknown[]);
}

/** A job of the task, with `n` as its payload. */
export function jobOf(task: TaskContract<never, never>, n: Expression = value(1)): StepJob {
  return { task: task.name, queue: task.queue, hash: task.hash, payload: object({ n }) };
}

export function workflow(
  steps: readonly WorkflowStep[],
  more: Partial<WorkflowDefinition> = {},
): WorkflowDefinition {
  return { name: "test:flow", hash: "0a1b2c3d", queue: "default", keepMs: 600_000, steps, ...more };
}

/** A step that is a run of the workflow, and where a definition has it. */
export function childOf(
  definition: WorkflowDefinition,
  input: Expression = object({}),
): Pick<WorkflowStep, "child"> {
  return { child: { workflow: definition.name, input } };
}

export function children(
  ...definitions: readonly WorkflowDefinition[]
): Pick<WorkflowDefinition, "children"> {
  return { children: Object.fromEntries(definitions.map((one) => [one.name, one])) };
}

export async function start(
  project: Project,
  definition: WorkflowDefinition,
  input: unknown = {},
  id?: string,
): Promise<RunHandle<unknown>> {
  const startIt = createStartFunction({ definition, input: () => ANYTHING }, project.queues);
  return await startIt(input, { client: project.client, ...(id === undefined ? {} : { id }) });
}

/** `completed`, or the code of the error that `result()` rejects with. */
export async function endOf(run: RunHandle<unknown>): Promise<string> {
  try {
    await run.result({ timeout: "50s" });
    return "completed";
  } catch (error) {
    return (error as Error).message.split(":", 1)[0] ?? "";
  }
}

/** How the steps of a run ended, by what stands after its id. */
export async function outcomes(
  project: Project,
  run: string,
): Promise<Record<string, StepOutcome["status"]>> {
  const { raw, keys } = project.shardOf(run);
  const all = await raw.hgetall(keys.workflows);
  const found: Record<string, StepOutcome["status"]> = {};
  for (const [field, text] of Object.entries(all)) {
    const name = field.startsWith(`${run} `) ? field.slice(run.length + 1) : "";
    if (/^[a-z][\w.]*~?$/i.test(name)) found[name] = parseStepOutcome(text).status;
  }
  return found;
}

/** A step that waits for `test:event` whose field `key` is the key that the run was started with. */
export function waitStep(
  name: string,
  needs: readonly string[] = [],
  wait: Partial<StepWait> = {},
  more: Partial<WorkflowStep> = {},
): WorkflowStep {
  const [field, equals] = [["key"], path("input", "key")];
  const match: Expression = ["==", path("event", ...field), equals];
  return {
    name,
    needs,
    waitFor: { event: "test:event", field, equals, match, timeoutMs: 600_000, ...wait },
    ...more,
  };
}

/** Emits `test:event`, for which steps wait by what `waitFields` says. */
export function emitter(
  project: Pick<Project, "client" | "queues">,
  waitFields: readonly (readonly string[])[] = [["key"]],
  queues = project.queues,
) {
  return emitterOf({ client: project.client, queues }, "test:event", { waitFields });
}
