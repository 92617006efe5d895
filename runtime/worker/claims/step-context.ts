/** A claimed job of a workflow run, with what is known of the run. */
import type { WorkflowStep } from "../../definition/index.js";
import {
  type JobRecord,
  type JobRun,
  type RunLife,
  type RunRecord,
  runFields,
} from "../../protocol/index.js";
import type { WorkflowGraph } from "../../workflow/index.js";

/** See run-memory.ts. */
export interface RunMemory {
  readonly record: RunRecord;
  /** The outcome fields of steps, without large results. */
  readonly facts: Map<string, string>;
}

export interface StepContext {
  readonly id: string;
  readonly graph: WorkflowGraph;
  readonly run: string;
  readonly step: WorkflowStep;
  /** Index of the item and the number of items, in a fan-out. */
  readonly item: { readonly index: number; total: number } | undefined;
  readonly undoes: boolean;
  /** When the job was enqueued (ms), and which attempt this is. */
  readonly begunAt: number | undefined;
  readonly attempts: number;
  /**
   * When a job from a queue took the slot (local monotonic ms): other jobs in the queues must get their turn.
   */
  readonly since: number;
  /** `undefined` until the run has been read. */
  memory: RunMemory | undefined;
  /** `undefined` until the run has been read, and for a run that was never retried. */
  life: RunLife | undefined;
}

/** A job of a run, as read from Redis. */
interface StepJob {
  readonly id: string;
  readonly record: JobRecord;
  readonly run: JobRun;
}

/** @param since as in StepContext. */
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

/** Sets the number of items in the context of an item. */
export function countItems({ run, step, item }: StepContext, facts: ReadonlyMap<string, string>): void {
  if (item !== undefined) item.total = Number(facts.get(runFields.items(run, step.name)) ?? 0);
}

/** The steps that the job of a step reads, or the job that undoes the step. */
export function stepsOf(graph: WorkflowGraph, step: WorkflowStep, undoes: boolean): readonly string[] {
  const { reads, undoReads } = graph.traits(step);
  return undoes ? undoReads : reads;
}

export function areOfOneFanOut(one: StepContext, other: StepContext | undefined): boolean {
  return (
    one.item !== undefined && other?.item !== undefined && one.run === other.run && one.step === other.step
  );
}
