/** The workflow part of a worker: makes its actors, and offers what the rest of the worker needs of them. */
import type { Connection } from "../../connection/index.js";
import type { QueueDefinition } from "../../definition/index.js";
import type { ShardKeys } from "../../protocol/index.js";
import { RUN_TASK } from "../../workflow/index.js";
import { Cancelled } from "../abort-reasons.js";
import { ChildInputs } from "./child-inputs.js";
import type { Claim } from "../claims/claim.js";
import type { Fetcher } from "../claims/fetcher.js";
import type { HandlerTable } from "../attempts/handler-table.js";
import type { Logger, Registry } from "../handler.js";
import { describeError } from "../attempts/outcome.js";
import { RunDecider } from "./run-decider.js";
import { RunReader } from "./run-reader.js";
import { RunSweeper } from "./run-sweeper.js";
import { endOfStep } from "./step-end.js";
import { StepEnds } from "./step-ends.js";
import { WorkflowIntake } from "./workflow-intake.js";

export interface WorkflowsPorts {
  readonly connection: Connection;
  readonly keys: ShardKeys;
  readonly logger: Logger;
  readonly worker: () => string;
  /** Redis time (ms). */
  readonly now: () => number;
  readonly fetcher: Pick<Fetcher, "claimBeside" | "forget" | "hold" | "invite" | "round" | "wake">;
  /** The queues that this worker serves. */
  readonly queues: readonly QueueDefinition[];
  readonly handlers: Pick<HandlerTable, "get">;
  /** Steps that may start. */
  readonly ready: (claims: readonly Claim[]) => void;
  /** A step that has lost its worker too often: it goes dead without another attempt. */
  readonly quarantine: (claim: Claim) => void;
  /** A step of a run that does not go on, whose handler has stored steps: its job is kept. */
  readonly halt: (claim: Claim) => void;
  readonly onLost: () => void;
  /** No slots are kept any more for jobs that start with the ends of steps. */
  readonly onFree: () => void;
  /** Characters of JSON that a result may have. */
  readonly maxResultCharacters: number;
  readonly registry: Pick<Registry, "workflows">;
}

export class Workflows {
  readonly #ends: StepEnds;
  readonly #intake: WorkflowIntake;
  readonly #now: () => number;
  readonly #sweeper: RunSweeper;

  constructor(ports: WorkflowsPorts) {
    const queues = new Set(ports.queues.map(({ name }) => name));
    this.#now = ports.now;
    const reader = new RunReader(ports.connection, ports.keys);
    this.#sweeper = new RunSweeper(ports.connection, ports.keys, reader, ports.now);
    this.#ends = new StepEnds({
      ...ports,
      serves: (task, queue) =>
        queues.has(queue) && (task === RUN_TASK || ports.handlers.get(task) !== undefined),
      onCarried: (jobs) => this.#intake.carryOn(jobs),
      onOver: (ends) => decider.over(ends),
    });
    const decider = new RunDecider({ ...ports, reader, ends: this.#ends });
    const inputs = new ChildInputs(ports.registry.workflows, ports.logger);
    this.#intake = new WorkflowIntake({
      ...ports,
      reader,
      ends: this.#ends,
      decider,
      inputs,
      hold: (claims) => ports.fetcher.hold(claims),
    });
  }

  /** Claims that are being prepared, or that arrive with the reply to the end of a step. */
  get preparing(): number {
    return this.#intake.preparing + this.#ends.keeping;
  }

  /** Keeps the jobs of runs, and returns the others. */
  sift(claims: readonly Claim[]): readonly Claim[] {
    return this.#intake.sift(claims);
  }

  /** The job of a step has completed with a result that has been checked to fit into JSON. */
  completed(claim: Claim, result: unknown): void {
    const context = claim.step;
    if (context === undefined) return;
    this.#ends.add(endOfStep(context, "completed", result ?? null, this.#now()), context);
  }

  /**
   * What must be written before the job of a step is dead or cancelled; `undefined` for other jobs.
   * @param worker the name under which the job is held.
   */
  beforeDeath(claim: Claim, error: unknown, worker: string): (() => Promise<void>) | undefined {
    const context = claim.step;
    if (context === undefined) return undefined;
    if (error instanceof Cancelled) {
      const cancelled = endOfStep(context, "cancelled", null, this.#now(), false);
      return () => this.#ends.written(worker, cancelled);
    }
    const { name, message } = describeError(error);
    const end = endOfStep(context, "failed", `${name}: ${message}`, this.#now(), false);
    return () => this.#ends.written(worker, end);
  }

  /** Removes runs after their retention; true when there may be more. */
  sweep(): Promise<boolean> {
    return this.#sweeper.sweep();
  }

  async settled(): Promise<void> {
    await this.#intake.settled();
    await this.#ends.settled();
    // Jobs that the last replies have brought are handed back by the intake.
    await this.#intake.settled();
  }

  abandon(): void {
    this.#ends.abandon();
  }

  close(): void {
    this.#intake.close();
    this.#ends.close();
  }
}
