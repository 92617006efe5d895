/** Which jobs a run begins, and when. Deterministic: two workers get the same jobs with the same ids. */
import { limitsText, type StepJob, type WorkflowDefinition, type WorkflowStep } from "../definition/index.js";
import {
  type BegunJob,
  begunJob,
  type DueJob,
  type JobMold,
  recordMold,
  type RecordOptions,
  runFields,
  type StepBegin,
} from "../protocol/index.js";
import { stepsRead } from "./expression.js";
import { areGiven } from "./items.js";

/**
 * Task name of the jobs that belong to the run itself: they wait, fan out or decide. No handler can have this
 * name.
 */
export const RUN_TASK = "@workflow";

/** Steps that may begin when a step ends. */
interface Followers {
  readonly ofStep: readonly StepBegin[];
  /** Steps after an item of a fan-out. Only the last item ends the step, so even a single need is counted. */
  readonly ofItem: readonly StepBegin[];
}

/** What a worker needs to know about a step for each of its jobs. */
interface StepTraits {
  /** Steps whose ends its expressions read, including those of its compensation. */
  readonly reads: readonly string[];
  readonly undoReads: readonly string[];
  /** Whether any expression of the workflow reads how the step ended. */
  readonly isRead: boolean;
  /** Whether all steps of a successful run have ended with this one, so that only the output remains. */
  readonly completes: boolean;
}

export class WorkflowGraph {
  readonly definition: WorkflowDefinition;
  /** Template of the job that decides how a run continues when none of its jobs is under way. */
  readonly decider: JobMold;
  /** Template of the job that stops what is under way of a cancelled run. */
  readonly stopper: JobMold;
  readonly #steps: ReadonlyMap<string, WorkflowStep>;
  readonly #followers = new Map<string, Followers>();
  #outputReads: readonly string[] | undefined;
  readonly #traits = new Map<string, StepTraits>();
  /**
   * Templates by step: of the jobs that begin steps, are their items, and compensate them. Cached, because a
   * worker needs them thousands of times a second.
   */
  readonly #begins = new Map<string, JobMold>();
  readonly #items = new Map<string, JobMold>();
  readonly #undoes = new Map<string, JobMold>();

  constructor(definition: WorkflowDefinition) {
    this.definition = definition;
    this.#steps = new Map(definition.steps.map((step) => [step.name, step]));
    this.decider = { step: "", suffix: deciderId(""), delayMs: 0, ...this.#jobOf(undefined, {}) };
    this.stopper = { ...this.decider, suffix: stopperId("") };
  }

  step(name: string): WorkflowStep | undefined {
    return this.#steps.get(name);
  }

  /** Steps that the output reads. */
  get outputReads(): readonly string[] {
    this.#outputReads ??= stepsRead(this.definition.output);
    return this.#outputReads;
  }

  traits(step: WorkflowStep): StepTraits {
    let traits = this.#traits.get(step.name);
    if (traits === undefined) {
      traits = {
        reads: readsOf(step),
        undoReads: stepsRead(step.compensate?.payload),
        isRead: isReadIn(this.definition, step.name),
        completes: endsPlainly(this.definition) && this.#isAfterAll(step),
      };
      this.#traits.set(step.name, traits);
    }
    return traits;
  }

  /**
   * Whether every other step comes before this one and is waited for, so that all have ended when it begins.
   */
  #isAfterAll(last: WorkflowStep): boolean {
    const before = new Set([last.name]);
    for (const name of before) {
      const { needs = [], join = needs.length } = this.step(name) ?? {};
      if (join === needs.length) for (const need of needs) before.add(need);
    }
    return before.size === this.definition.steps.length;
  }

  /**
   * The jobs that a run begins with: those of the steps that need nothing. A run without steps only decides
   * its end.
   */
  roots(run: string, now: number): readonly BegunJob[] {
    if (this.definition.steps.length === 0) return [begunJob(this.decider, run, now)];
    return this.definition.steps
      .filter((step) => step.needs.length === 0)
      .map((step) => begunJob(this.#begin(step), run, now));
  }

  /** The steps that may begin when this one has ended. */
  after(name: string): readonly StepBegin[] {
    return this.#followersOf(name).ofStep;
  }

  /** The steps that may begin when an item of this fan-out has ended. */
  afterItem(name: string): readonly StepBegin[] {
    return this.#followersOf(name).ofItem;
  }

  item(step: WorkflowStep, index: number): StepBegin {
    const { name, job } = step;
    const mold = moldOf(this.#items, name, () => ({
      step: name,
      suffix: stepJobId("", name),
      delayMs: 0,
      ...this.#jobOf(job, { step: name }),
    }));
    return { mold, need: 0, item: index };
  }

  /** Begins a step of a run that is retried. */
  again(run: string, step: WorkflowStep, now: number): BegunJob {
    return begunJob(this.#begin(step), run, now);
  }

  /** Compensates a step, also in a run that begins no more steps. */
  undo({ name, compensate }: WorkflowStep): StepBegin {
    const mold = moldOf(this.#undoes, name, () => ({
      step: name,
      suffix: undoJobId("", name),
      delayMs: 0,
      ...this.#jobOf(compensate, { step: name, undo: 1 }),
    }));
    return { mold, need: -1 };
  }

  /** Ends the run at its timeout. */
  timeout(run: string, now: number): BegunJob | undefined {
    const { timeoutMs } = this.definition;
    if (timeoutMs === undefined) return undefined;
    return { ...begunJob(this.decider, run, now), id: timeoutJobId(run), delayMs: timeoutMs };
  }

  /**
   * Jobs that may be waiting for a time, a retry or an event, which is pointless once the run begins no more
   * steps. Excludes items, whose number the graph does not know, and child runs, which are waited for.
   */
  waits(run: string): readonly DueJob[] {
    const { queue, steps } = this.definition;
    return steps
      .filter(({ child, forEach }) => child === undefined || forEach !== undefined)
      .map(({ name, forEach, job }) => ({
        id: stepJobId(run, name),
        queue: forEach === undefined ? (job?.queue ?? queue) : queue,
      }));
  }

  #followersOf(name: string): Followers {
    let followers = this.#followers.get(name);
    if (followers === undefined) {
      const ofStep = this.definition.steps
        .filter(({ needs }) => needs.includes(name))
        // A step that needs only this step has no counter.
        .map((step) => ({
          mold: this.#begin(step),
          need: step.needs.length === 1 ? 0 : (step.join ?? step.needs.length),
        }));
      followers = { ofStep, ofItem: ofStep.map(({ mold, need }) => ({ mold, need: need === 0 ? 1 : need })) };
      this.#followers.set(name, followers);
    }
    return followers;
  }

  #begin({ name, forEach, job, delayMs = 0 }: WorkflowStep): JobMold {
    return moldOf(this.#begins, name, () => ({
      step: name,
      suffix: stepJobId("", name),
      delayMs,
      // A fan-out begins with a job of the run, which reads the list.
      ...this.#jobOf(forEach === undefined ? job : undefined, { step: name }),
    }));
  }

  #jobOf(
    job: StepJob | undefined,
    ofStep: RecordOptions,
  ): Pick<JobMold, "after" | "before" | "common" | "limit" | "queue"> {
    const { name, hash, queue } = this.definition;
    const options: RecordOptions = { ...ofStep, workflow: `${name} ${hash}` };
    if (job === undefined) return { queue, limit: "", ...recordMold(RUN_TASK, queue, hash, options) };
    const { task, limit, maxRetries, timeoutMs } = job;
    if (maxRetries !== undefined) options.maxRetries = maxRetries;
    if (timeoutMs !== undefined) options.timeoutMs = timeoutMs;
    if (limit !== undefined) options.group = limit.name;
    return {
      queue: job.queue,
      limit: limit === undefined ? "" : `${limitsText(limit)} ${job.queue} ${limit.name}`,
      ...recordMold(task, job.queue, job.hash, options),
    };
  }
}

/** Whether the end of a run needs no clean-up of a timeout or of event listeners. */
function endsPlainly({ timeoutMs, steps }: WorkflowDefinition): boolean {
  return timeoutMs === undefined && steps.every(({ waitFor }) => waitFor === undefined);
}

function readsOf({ if: condition, forEach, job, child, waitFor }: WorkflowStep): readonly string[] {
  return [condition, forEach, job?.payload, child?.input, waitFor?.match].flatMap(stepsRead);
}

function isReadIn({ output, steps }: WorkflowDefinition, name: string): boolean {
  try {
    return [...stepsRead(output), ...steps.flatMap(readsOf)].includes(name);
  } catch {
    // An expression that cannot be parsed must not fail the jobs that do not need it.
    return true;
  }
}

function moldOf(molds: Map<string, JobMold>, step: string, make: () => JobMold): JobMold {
  let mold = molds.get(step);
  if (mold === undefined) {
    mold = make();
    molds.set(step, mold);
  }
  return mold;
}

export function stepJobId(run: string, step: string, item?: number): string {
  return item === undefined ? `${run}.${step}` : `${run}.${step}.${item}`;
}

export function undoJobId(run: string, step: string): string {
  return `${run}.${step}.undo`;
}

export function deciderId(run: string): string {
  return `${run}:end`;
}

/** No step has such a name, and the dot keeps the job in the shard of its run. */
export function stopperId(run: string): string {
  return `${run}.:stop`;
}

export function timeoutJobId(run: string): string {
  return `${run}:timeout`;
}

/** All fields that a step may have, except those of its items. */
export function fieldsOfStep(run: string, step: WorkflowStep): string[] {
  const { name, needs, forEach, waitFor, child, compensate } = step;
  const fields = [runFields.step(run, name)];
  if (needs.length > 0) fields.push(runFields.met(run, name), runFields.kept(run, name));
  if (compensate !== undefined) fields.push(runFields.step(run, undoneField(name)));
  if (compensate !== undefined && needs.length > 0) fields.push(runFields.kept(run, undoneField(name)));
  if (forEach !== undefined) fields.push(runFields.items(run, name), runFields.itemsEnded(run, name));
  if (waitFor !== undefined) fields.push(runFields.heard(run, name), runFields.waitsUntil(run, name));
  if (child !== undefined) fields.push(runFields.round(run, name), runFields.goesOn(run, name));
  return fields;
}

export function fieldsOfItem(run: string, step: WorkflowStep, index: number): string[] {
  const own = `${step.name}.${index}`;
  const fields = [runFields.step(run, own)];
  if (!areGiven(step)) fields.push(runFields.item(run, step.name, index));
  if (step.child !== undefined) fields.push(runFields.goesOn(run, own));
  return fields;
}

/** Field for the outcome of a compensation, appended to the run's id. */
export function undoneField(step: string): string {
  return `${step}~`;
}

/** Queues in which jobs of a run may wait, except those of its child runs. */
export function queuesOf({ queue, steps }: WorkflowDefinition): readonly string[] {
  const made = steps.flatMap(({ job, compensate }) => [job, compensate]);
  return [queue, ...made.flatMap((one) => (one === undefined ? [] : [one.queue]))];
}
