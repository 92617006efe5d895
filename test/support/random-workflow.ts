// Random workflows, and what must come of them: a small model of the rules, which knows no Redis and no order of time.
import { isDeepStrictEqual } from "node:util";
import type {
  Expression,
  StepJob,
  TaskContract,
  WorkflowDefinition,
  WorkflowStep,
} from "../../runtime/definition/index.js";
import { childRunId, stepJobId, undoJobId } from "../../runtime/workflow/index.js";
import { itemsOf, jobOf, object, path, stored, value, workflow } from "./workflow.js";

export interface RandomWorkflow {
  readonly definition: WorkflowDefinition;
  /** Steps of which a job fails for good, or whose event never comes. */
  readonly failing: ReadonlySet<string>;
  /** Keys of the events that are to come: one for each step that waits and does not fail. */
  readonly events: readonly string[];
}

export interface RandomTasks {
  /**
   * Gives back its `n`, and fails for good for a negative one, or, from -1000, by running longer than it may. With a fraction it may
   * fail on its first attempt.
   */
  readonly add: TaskContract<never, never>;
  readonly undo: TaskContract<never, never>;
  /** As `add`, with a limit of concurrency. Default: no step has one. */
  readonly limited?: TaskContract<never, never>;
  /** What a job may run that runs too long. Default: none does. */
  readonly timeoutMs?: number;
  /** Steps wait for events, and runs have timeouts that they keep. Default: none. */
  readonly events?: boolean;
  /** Steps are runs, which are runs again now and then. Default: none. */
  readonly children?: boolean;
}

/** From here on down a job runs too long. */
export const RUNS_TOO_LONG = -1000;
const RETRIED = 0.5;

export function randomWorkflow(random: () => number, name: string, tasks: RandomTasks): RandomWorkflow {
  const size = 1 + Math.floor(random() * 14);
  const fatal = random() < 0.5 ? "fail" : "compensate";
  const failing = new Set<string>();
  const events: string[] = [];
  const steps: WorkflowStep[] = [];
  const children: Record<string, WorkflowDefinition> = {};
  for (let i = 0; i < size; i++) {
    const needs = steps.map((step) => step.name).filter(() => random() < 1.8 / (i + 1));
    const fails = random() < 0.08;
    const work = workOf(random, tasks, i, fails, `${name} s${i}`);
    const isRun = work.job !== undefined && tasks.children === true && random() < 0.3;
    const inner = isRun ? innerOf(random, `${name}s${i}`, work.job!) : undefined;
    if (inner !== undefined) children[inner.name] = inner;
    const step: WorkflowStep = {
      name: `s${i}`,
      needs,
      ...(needs.length > 1 && random() < 0.3 ? { join: 1 + Math.floor(random() * needs.length) } : {}),
      ...(random() < 0.15 ? { if: value(false) } : {}),
      ...(inner === undefined ? work : asRun(work, inner)),
      onFailure: fails && random() < 0.4 ? "continue" : fatal,
      ...(random() < 0.4 ? { compensate: jobOf(tasks.undo, value(i + 1)) } : {}),
    };
    // Without a job or an event nothing fails.
    const mayFail = (step.job ?? step.child ?? step.waitFor) !== undefined && step.if === undefined;
    if (fails && mayFail) failing.add(step.name);
    else if (step.waitFor !== undefined) events.push(`${name} ${step.name}`);
    steps.push(step);
  }
  const results = steps.map(
    ({ name }) => [name, ["??", path("steps", name, "result"), value(null)]] as [string, Expression],
  );
  const bounded = tasks.events === true && random() < 0.3 ? { timeoutMs: 3_600_000 } : {};
  return {
    definition: workflow(steps, {
      hash: name,
      output: object(Object.fromEntries(results)),
      ...bounded,
      ...(Object.keys(children).length === 0 ? {} : { children }),
    }),
    failing,
    events,
  };
}

/** Does what the job does, and waits a moment in half of all cases. */
function innerOf(random: () => number, name: string, job: StepJob): WorkflowDefinition {
  const given = { ...job, payload: object({ n: path("input", "n") }) };
  const deeper = random() < 0.2 ? innerOf(random, `${name}w`, job) : undefined;
  const work: WorkflowStep = {
    name: "w",
    needs: [],
    ...(deeper === undefined ? { job: given } : asRun({ job: given }, deeper)),
  };
  const after: WorkflowStep[] = random() < 0.5 ? [{ name: "z", needs: ["w"], delayMs: 1 }] : [];
  return workflow([work, ...after], {
    name: `in:${name}`,
    hash: name,
    output: path("steps", "w", "result"),
    ...(deeper === undefined ? {} : { children: { [deeper.name]: deeper } }),
  });
}

function asRun({ job, ...step }: Partial<WorkflowStep>, inner: WorkflowDefinition): Partial<WorkflowStep> {
  return { ...step, child: { workflow: inner.name, input: job!.payload } };
}

/** The job that does the work of a step (`s3`), an item (`s3.1`) or an undoing (`s3~`). */
export function workJobId(definition: WorkflowDefinition, run: string, name: string): string {
  if (name.endsWith("~")) return undoJobId(run, name.slice(0, -1));
  const [stepName = "", index] = name.split(".");
  const item = index === undefined ? undefined : Number(index);
  const step = definition.steps.find((one) => one.name === stepName);
  const inner = definition.children?.[step?.child?.workflow ?? ""];
  if (inner === undefined || (step?.forEach !== undefined && item === undefined))
    return stepJobId(run, stepName, item);
  return workJobId(inner, childRunId(run, stepName, 1, item), "w");
}

function workOf(
  random: () => number,
  tasks: RandomTasks,
  i: number,
  fails: boolean,
  key: string,
): Partial<WorkflowStep> {
  if (tasks.events === true && random() < 0.15)
    return listening(key, fails ? 1 + Math.floor(random() * 50) : 600_000);
  return random() < 0.15 ? waiting(random) : working(random, tasks, i, fails);
}

function listening(key: string, timeoutMs: number): Partial<WorkflowStep> {
  const [field, equals] = [["key"], value(key)];
  const match: Expression = ["==", path("event", "key"), equals];
  return { waitFor: { event: "test:event", field, equals, match, timeoutMs } };
}

function waiting(random: () => number): Partial<WorkflowStep> {
  return random() < 0.5 ? {} : { delayMs: 1 + Math.floor(random() * 3) };
}

function working(random: () => number, tasks: RandomTasks, i: number, fails: boolean): Partial<WorkflowStep> {
  const task = tasks.limited !== undefined && random() < 0.3 ? tasks.limited : tasks.add;
  const n = random() < 0.1 ? i + 1 + RETRIED : i + 1;
  const tooLong = fails && tasks.timeoutMs !== undefined && random() < 0.2;
  const bad = tooLong ? RUNS_TOO_LONG - i : -i - 1;
  const more = tooLong ? { maxRetries: 0, timeoutMs: tasks.timeoutMs } : { maxRetries: 5 };
  if (random() < 0.75) return { job: { ...jobOf(task, value(fails ? bad : n)), ...more } };
  const items = Array.from({ length: Math.floor(random() * 6) + (fails ? 1 : 0) }, (_none, k) => n + 100 * k);
  if (fails) items[Math.floor(random() * items.length)] = bad;
  return {
    forEach: items.length % 2 === 0 ? value(items) : stored(items),
    job: { ...jobOf(task, path("item")), ...more },
    ...(random() < 0.6 ? { maxParallel: 1 + Math.floor(random() * 3) } : {}),
  };
}

export interface Expected {
  readonly fails: boolean;
  /** How each step ends that must end, where the run does not fail. */
  readonly statuses: Readonly<Record<string, "completed" | "failed" | "skipped">>;
  /** What the run gives, where it does not fail. */
  readonly output: Readonly<Record<string, unknown>>;
  readonly compensates: boolean;
}

export function expectedOf({ definition, failing }: RandomWorkflow): Expected {
  const goesOn = new Set<string>();
  const statuses: Record<string, "completed" | "failed" | "skipped"> = {};
  const output: Record<string, unknown> = {};
  let fails = false;
  // Steps stand after those that they need.
  for (const step of definition.steps) {
    const met = step.needs.filter((need) => goesOn.has(need)).length;
    if (met < (step.join ?? step.needs.length)) continue;
    const failed = failing.has(step.name);
    if (failed && step.onFailure !== "continue") {
      fails = true;
      statuses[step.name] = "failed";
      continue;
    }
    // A fan-out completes without the items that fail.
    const status =
      step.if !== undefined ? "skipped" : failed && step.forEach === undefined ? "failed" : "completed";
    statuses[step.name] = status;
    output[step.name] = status === "completed" ? resultOf(step) : null;
    goesOn.add(step.name);
  }
  const rule = definition.steps.find(
    (step) => failing.has(step.name) && step.onFailure !== "continue",
  )?.onFailure;
  return { fails, statuses, output, compensates: fails && rule === "compensate" };
}

function resultOf({ job, child, forEach, waitFor }: WorkflowStep): unknown {
  if (waitFor !== undefined) return { key: (waitFor.equals as ["value", string])[1] };
  const payload = (job?.payload ?? child?.input) as ["object", { n: ["value", number] }] | undefined;
  if (forEach === undefined) return payload === undefined ? null : payload[1].n[1];
  return (itemsOf(forEach) as readonly number[]).map((n) => (n < 0 ? null : n));
}

/** What differs from the model, in words; `ended` is how each step ended, and each undoing (`<step>~`); `output` where it is known. */
export function differences(
  one: RandomWorkflow,
  end: string,
  ended: Readonly<Record<string, string>>,
  output?: unknown,
  cancelled = false,
): readonly string[] {
  const { fails, statuses, compensates, output: expectedOutput } = expectedOf(one);
  const { name, hash, steps } = one.definition;
  const found: string[] = [];
  const compare = (what: string, got: unknown, expected: unknown): void => {
    if (isDeepStrictEqual(got, expected)) return;
    found.push(
      `${name} ${hash}: ${what}: expected ${JSON.stringify(expected)}, got ${JSON.stringify(got)}, of ${JSON.stringify(steps)}`,
    );
  };
  compare("end", end, cancelled ? "RunCancelled" : fails ? "RunFailed" : "completed");
  const whole = Object.entries(ended).filter(([name]) => !name.includes("."));
  if (!fails && output !== undefined) compare("output", output, expectedOutput);
  if (!fails && !cancelled) compare("steps", Object.fromEntries(whole), statuses);
  const toUndo = steps.filter((step) => step.compensate !== undefined && ended[step.name] === "completed");
  const undone = Object.keys(ended).filter((field) => field.endsWith("~"));
  const expected = compensates || cancelled ? toUndo.map((step) => `${step.name}~`) : [];
  compare("undone", undone.toSorted(), expected.toSorted());
  return found;
}

/** What differs from the model in a run that was retried until it completed, with nothing that fails any more. */
export function differencesOfRetried(
  { definition, failing }: RandomWorkflow,
  ended: Readonly<Record<string, string>>,
): readonly string[] {
  const expected = definition.steps.map(({ name, if: condition, onFailure }) => {
    // One that the run went on without stays failed.
    const passed = failing.has(name) && onFailure === "continue" && ended[name] === "failed";
    return [name, condition !== undefined ? "skipped" : passed ? "failed" : "completed"] as const;
  });
  const found = Object.fromEntries(Object.entries(ended).filter(([name]) => !name.includes(".")));
  if (isDeepStrictEqual(found, Object.fromEntries(expected))) return [];
  return [`retried: expected ${JSON.stringify(expected)}, got ${JSON.stringify(found)}`];
}
