/** A claimed job of a workflow run, with what is known of the run. */
import type { WorkflowStep } from "../definition/index.js";
import { type JobRecord, type JobRun, type RunLife, type RunRecord, runFields } from "../protocol/index.js";
import type { WorkflowGraph } from "../workflow/index.js";

/** See run-memory.ts. */
export interface RunMemory {
  readonly record: RunRecord;
  /** Fields that say how steps ended; of large results none. */
  readonly facts: Map<string, string>;
}

export interface StepContext {
  readonly id: string;
  readonly graph: WorkflowGraph;
  readonly run: string;
  readonly step: WorkflowStep;
  /** Number and total, of an item of a fan-out. */
  readonly item: { readonly index: number; total: number } | undefined;
  readonly undoes: boolean;
  /** When its job was enqueued (ms), and which attempt at it this is. */
  readonly begunAt: number | undefined;
  readonly attempts: number;
  /** When its slot was taken by a job from a list (local monotonic ms): others that wait there must get theirs. */
  readonly since: number;
  /** `undefined` until the run has been read. */
  memory: RunMemory | undefined;
  /** `undefined` until then, and of a run that was never retried. */
  life: RunLife | undefined;
}

/** A job of a run, as it was read from Redis. */
interface StepJob {
  readonly id: string;
  readonly record: JobRecord;
  readonly run: JobRun;
}

/** `since`: as in StepContext. */
export function contextOf(
  job: StepJob,
  since: number,
  graph: WorkflowGraph,
  step: WorkflowStep,
  memory?: RunMemory,
): StepContext {
  const { run = "", item: index, undo, at: begunAt } = job.record.options;
  return {
    id: job.id,
    graph,
    run,
    step,
    item: index === undefined ? undefined : { index, total: 0 },
    undoes: undo === 1,
    begunAt: begunAt === undefined ? undefined : Math.round(begunAt),
    attempts: job.run.attempts + job.run.crashes + 1,
    since,
    memory,
    life: memory?.record.life,
  };
}

/** An item hears how many there are. */
export function countItems({ run, step, item }: StepContext, facts: ReadonlyMap<string, string>): void {
  if (item !== undefined) item.total = Number(facts.get(runFields.items(run, step.name)) ?? 0);
}

/** Steps that the job of a step reads, or what undoes it. */
export function stepsOf(graph: WorkflowGraph, step: WorkflowStep, undoes: boolean): readonly string[] {
  const { reads, undoReads } = graph.traits(step);
  return undoes ? undoReads : reads;
}

export function areOfOneFanOut(one: StepContext, other: StepContext | undefined): boolean {
  return (
    one.item !== undefined && other?.item !== undefined && one.run === other.run && one.step === other.step
  );
}
