/** Which jobs a run begins, and when. Two workers that ask the same get the same jobs, under the same ids. */
import { limitsText, type StepJob, type WorkflowDefinition, type WorkflowStep } from "../definition/index.js";
import {
  type BeginStep,
  type RecordMold,
  recordMold,
  type RecordOptions,
  runFields,
} from "../protocol/index.js";

/** Task of the jobs that belong to the run itself: they wait, fan out or decide. No handler can have this name. */
export const RUN_TASK = "@workflow";

export class WorkflowGraph {
  readonly definition: WorkflowDefinition;
  readonly #steps: ReadonlyMap<string, WorkflowStep>;
  readonly #after = new Map<string, WorkflowStep[]>();
  /** Of the jobs of a step, and of those that belong to the run itself. A worker makes thousands of them in a second. */
  readonly #molds = new Map<StepJob | undefined, JobMold>();

  constructor(definition: WorkflowDefinition) {
    this.definition = definition;
    this.#steps = new Map(definition.steps.map((step) => [step.name, step]));
    for (const step of definition.steps) {
      for (const need of step.needs) this.#after.set(need, [...(this.#after.get(need) ?? []), step]);
    }
  }

  step(name: string): WorkflowStep | undefined {
    return this.#steps.get(name);
  }

  /** What the run begins with: the steps that wait for nothing. A run without steps has only its end to decide. */
  roots(run: string, now: number): readonly BeginStep[] {
    if (this.definition.steps.length === 0) return [this.decider(run, now)];
    return this.definition.steps
      .filter((step) => step.needs.length === 0)
      .map((step) => this.#begin(run, step, 0, now));
  }

  /** The steps that may begin when this one has ended. */
  after(run: string, name: string, now: number): readonly BeginStep[] {
    return (this.#after.get(name) ?? []).map((step) => {
      // One that waits for this step alone needs no count.
      const need = step.needs.length === 1 ? 0 : (step.join ?? step.needs.length);
      return this.#begin(run, step, need, now);
    });
  }

  /** The same for an item of a fan-out: only its last item ends the step, and then even a single need is counted. */
  afterItem(run: string, name: string, now: number): readonly BeginStep[] {
    return this.after(run, name, now).map((begin) => (begin.need === 0 ? { ...begin, need: 1 } : begin));
  }

  item(run: string, step: WorkflowStep, index: number, now: number): BeginStep {
    const options = `"step":"${step.name}","item":${index},`;
    const { queue, limit, record } = this.#jobOf(step.job, run, now, options);
    const id = stepJobId(run, step.name, index);
    return { step: step.name, need: 0, id, queue, delayMs: 0, limit, record };
  }

  /** Begins a step of a run that is retried. */
  again(run: string, step: WorkflowStep, now: number): BeginStep {
    return this.#begin(run, step, -1, now);
  }

  /** Undoes a step, also when the run does not go on. */
  undo(run: string, step: WorkflowStep, now: number): BeginStep {
    const options = `"step":"${step.name}","undo":1,`;
    const { queue, limit, record } = this.#jobOf(step.compensate, run, now, options);
    return { step: step.name, need: -1, id: undoJobId(run, step.name), queue, delayMs: 0, limit, record };
  }

  /** Says how the run goes on when nothing of it is under way. */
  decider(run: string, now: number): BeginStep {
    const { queue, limit, record } = this.#jobOf(undefined, run, now, "");
    return { step: "", need: -1, id: deciderId(run), queue, delayMs: 0, limit, record };
  }

  /** Ends the run when its time is over. */
  timeout(run: string, now: number): BeginStep | undefined {
    const { timeoutMs } = this.definition;
    if (timeoutMs === undefined) return undefined;
    return { ...this.decider(run, now), id: timeoutJobId(run), delayMs: timeoutMs };
  }

  /** Jobs that only wait: in a run that does not go on they need not. */
  waits(run: string): readonly string[] {
    return this.definition.steps
      .filter((step) => step.job === undefined && step.forEach === undefined)
      .map((step) => stepJobId(run, step.name));
  }

  #begin(run: string, step: WorkflowStep, need: number, now: number): BeginStep {
    // A step that fans out is first a job of the run, which reads the list.
    const job = step.forEach === undefined ? step.job : undefined;
    const { queue, limit, record } = this.#jobOf(job, run, now, `"step":"${step.name}",`);
    const { name, delayMs = 0 } = step;
    return { step: name, need, id: stepJobId(run, name), queue, delayMs, limit, record };
  }

  /** `options`: those of this job alone, as they stand in its record. Names and ids need no escaping. */
  #jobOf(
    job: StepJob | undefined,
    run: string,
    now: number,
    options: string,
  ): Pick<BeginStep, "limit" | "queue" | "record"> {
    let mold = this.#molds.get(job);
    if (mold === undefined) {
      mold = moldOf(this.definition, job);
      this.#molds.set(job, mold);
    }
    const { queue, limit, before, after } = mold;
    return { queue, limit, record: `${before}"run":"${run}",${options}"at":${Math.round(now)},${after}` };
  }
}

interface JobMold extends RecordMold {
  readonly queue: string;
  readonly limit: string;
}

function moldOf({ name, hash, queue }: WorkflowDefinition, job: StepJob | undefined): JobMold {
  const options: RecordOptions = { workflow: `${name} ${hash}` };
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

export function stepJobId(run: string, step: string, item?: number): string {
  return item === undefined ? `${run}.${step}` : `${run}.${step}.${item}`;
}

export function undoJobId(run: string, step: string): string {
  return `${run}.${step}.undo`;
}

export function deciderId(run: string): string {
  return `${run}:end`;
}

export function timeoutJobId(run: string): string {
  return `${run}:timeout`;
}

/** All fields of a step, but those of its items. */
export function fieldsOfStep(run: string, step: string): string[] {
  return [
    runFields.step(run, step),
    runFields.step(run, undoneField(step)),
    runFields.met(run, step),
    runFields.items(run, step),
    runFields.itemsEnded(run, step),
    runFields.heard(run, step),
    runFields.waitsUntil(run, step),
  ];
}

export function fieldsOfItem(run: string, step: string, index: number): string[] {
  return [runFields.item(run, step, index), runFields.step(run, `${step}.${index}`)];
}

/** Where it stands how an undoing ended, after the run's id. */
export function undoneField(step: string): string {
  return `${step}~`;
}
