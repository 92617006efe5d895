// Random workflows, and what must come of them: a small model of the rules, which knows no Redis and no order of time.
import { isDeepStrictEqual } from "node:util";
import type { TaskContract, WorkflowDefinition, WorkflowStep } from "../../runtime/definition/index.js";
import { jobOf, value, workflow } from "./workflow.js";

export interface RandomWorkflow {
  readonly definition: WorkflowDefinition;
  /** Steps whose job fails for good. */
  readonly failing: ReadonlySet<string>;
}

/** `add` fails for a negative payload; `undo` never. */
export function randomWorkflow(
  random: () => number,
  name: string,
  tasks: { readonly add: TaskContract<never, never>; readonly undo: TaskContract<never, never> },
): RandomWorkflow {
  const size = 1 + Math.floor(random() * 14);
  const fatal = random() < 0.5 ? "fail" : "compensate";
  const failing = new Set<string>();
  const steps: WorkflowStep[] = [];
  for (let i = 0; i < size; i++) {
    const needs = steps.map((step) => step.name).filter(() => random() < 1.8 / (i + 1));
    const fails = random() < 0.08;
    const step = `s${i}`;
    if (fails) failing.add(step);
    steps.push({
      name: step,
      needs,
      ...(needs.length > 1 && random() < 0.3 ? { join: 1 + Math.floor(random() * needs.length) } : {}),
      ...(random() < 0.15 ? { if: value(false) } : {}),
      ...(random() < 0.15 ? {} : { job: jobOf(tasks.add, value(fails ? -i - 1 : i + 1)) }),
      onFailure: fails && random() < 0.4 ? "continue" : fatal,
      ...(random() < 0.4 ? { compensate: jobOf(tasks.undo, value(i + 1)) } : {}),
    });
  }
  // Without a job nothing fails.
  for (const step of steps) if (step.job === undefined || step.if !== undefined) failing.delete(step.name);
  return { definition: workflow(steps, { hash: name }), failing };
}

export interface Expected {
  readonly fails: boolean;
  /** How each step ends that must end, where the run does not fail. */
  readonly statuses: Readonly<Record<string, "completed" | "failed" | "skipped">>;
  readonly compensates: boolean;
}

export function expectedOf({ definition, failing }: RandomWorkflow): Expected {
  const goesOn = new Set<string>();
  const statuses: Record<string, "completed" | "failed" | "skipped"> = {};
  let fails = false;
  // Steps stand after those that they need.
  for (const step of definition.steps) {
    const met = step.needs.filter((need) => goesOn.has(need)).length;
    if (met < (step.join ?? step.needs.length)) continue;
    const status = step.if !== undefined ? "skipped" : failing.has(step.name) ? "failed" : "completed";
    statuses[step.name] = status;
    if (status !== "failed" || step.onFailure === "continue") goesOn.add(step.name);
    else fails = true;
  }
  const rule = definition.steps.find(
    (step) => failing.has(step.name) && step.onFailure !== "continue",
  )?.onFailure;
  return { fails, statuses, compensates: fails && rule === "compensate" };
}

/** What differs from the model, in words; `ended` is how each step ended, and each undoing (`<step>~`). */
export function differences(
  one: RandomWorkflow,
  end: string,
  ended: Readonly<Record<string, string>>,
): readonly string[] {
  const { fails, statuses, compensates } = expectedOf(one);
  const { name, hash, steps } = one.definition;
  const found: string[] = [];
  const compare = (what: string, got: unknown, expected: unknown): void => {
    if (isDeepStrictEqual(got, expected)) return;
    found.push(
      `${name} ${hash}: ${what}: expected ${JSON.stringify(expected)}, got ${JSON.stringify(got)}, of ${JSON.stringify(steps)}`,
    );
  };
  compare("end", end, fails ? "RunFailed" : "completed");
  if (!fails) compare("steps", ended, statuses);
  const toUndo = steps.filter((step) => step.compensate !== undefined && ended[step.name] === "completed");
  const undone = Object.keys(ended).filter((field) => field.endsWith("~"));
  const expected = compensates ? toUndo.map((step) => `${step.name}~`) : [];
  compare("undone", undone.toSorted(), expected.toSorted());
  return found;
}
