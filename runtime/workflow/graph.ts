/** Which jobs a run begins, and when. Two workers that ask the same get the same jobs, under the same ids. */
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

/** Task of the jobs that belong to the run itself: they wait, fan out or decide. No handler can have this name. */
export const RUN_TASK = "@workflow";

/** What may begin with the end of a step. */
interface Followers {
  readonly ofStep: readonly StepBegin[];
  /** Only the last item ends a step that fans out, and then even a single need is counted. */
  readonly ofItem: readonly StepBegin[];
}

/** What a worker asks of a step for each of its jobs. */
interface StepTraits {
  /** Steps whose ends its expressions read, and those that what undoes it reads. */
  readonly reads: readonly string[];
  readonly undoReads: readonly string[];
  /** Some expression of the workflow reads how it ended. */
  readonly isRead: boolean;
  /** With its end all steps of a run that goes on have ended, and nothing is to be seen to but the output. */
  readonly completes: boolean;
}

export class WorkflowGraph {
  readonly definition: WorkflowDefinition;
  /** Of the job that says how a run goes on when nothing of it is under way. */
  readonly decider: JobMold;
  /** Of the job that stops what is under way of a run that was cancelled. */
  readonly stopper: JobMold;
  readonly #steps: ReadonlyMap<string, WorkflowStep>;
  readonly #followers = new Map<string, Followers>();
  #outputReads: readonly string[] | undefined;
  readonly #traits = new Map<string, StepTraits>();
  /** Of the jobs that begin steps, that are their items, and that undo them, by step. A worker asks thousands of times in a second. */
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

  /** Each other step comes before it, and all that lead to it are waited for: they have ended when it begins. */
  #isAfterAll(last: WorkflowStep): boolean {
    const before = new Set([last.name]);
    for (const name of before) {
      const { needs = [], join = needs.length } = this.step(name) ?? {};
      if (join === needs.length) for (const need of needs) before.add(need);
    }
    return before.size === this.definition.steps.length;
  }

  /** What the run begins with: the steps that wait for nothing. A run without steps has only its end to decide. */
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

  /** The same for an item of a fan-out. */
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

  /** Undoes a step, also when the run does not go on. */
  undo({ name, compensate }: WorkflowStep): StepBegin {
    const mold = moldOf(this.#undoes, name, () => ({
      step: name,
      suffix: undoJobId("", name),
      delayMs: 0,
      ...this.#jobOf(compensate, { step: name, undo: 1 }),
    }));
    return { mold, need: -1 };
  }

  /** Ends the run when its time is over. */
  timeout(run: string, now: number): BegunJob | undefined {
    const { timeoutMs } = this.definition;
    if (timeoutMs === undefined) return undefined;
    return { ...begunJob(this.decider, run, now), id: timeoutJobId(run), delayMs: timeoutMs };
  }

  /**
   * Jobs that may wait for a time, a retry or an event: in a run that does not go on they need not. Without items, whose number it does
   * not know, and without steps that are runs, which are waited for.
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
        // One that waits for this step alone needs no count.
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
      // A step that fans out is first a job of the run, which reads the list.
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

/** What waits for a time, or for events, has to be seen to when a run ends. */
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
    // What is no expression stands in the way of nobody who does not need it.
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

/** No step has such a name, and with the dot it lives beside its run wherever that is. */
export function stopperId(run: string): string {
  return `${run}.:stop`;
}

export function timeoutJobId(run: string): string {
  return `${run}:timeout`;
}

/** All fields that a step may have, but those of its items. */
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

/** Where it stands how an undoing ended, after the run's id. */
export function undoneField(step: string): string {
  return `${step}~`;
}

/** Queues in which jobs of a run may wait, but for those of the runs in it. */
export function queuesOf({ queue, steps }: WorkflowDefinition): readonly string[] {
  const made = steps.flatMap(({ job, compensate }) => [job, compensate]);
  return [queue, ...made.flatMap((one) => (one === undefined ? [] : [one.queue]))];
}
