/**
 * What steps of workflow runs keep for a retry of their run, and what they have kept from an earlier life:
 * the steps that handlers have stored; an outcome, which is passed on once the steps before have ended again;
 * and the payload of the compensation, which was computed from the earlier results.
 */
import type { Connection } from "../../connection/index.js";
import { runFields, type ShardKeys } from "../../protocol/index.js";
import { evaluate, type Scope, undoneField } from "../../workflow/index.js";
import type { Claim } from "../claims/claim.js";
import type { RunReader } from "./run-reader.js";
import type { StepContext } from "../claims/step-context.js";
import { endOfKept, endOfStep } from "./step-end.js";
import type { StepEnds } from "./step-ends.js";

export interface RetriedStepsPorts {
  readonly connection: Connection;
  readonly keys: ShardKeys;
  /** Redis time (ms). */
  readonly now: () => number;
  /** Ends a step as cancelled but keeps its job. */
  readonly halt: (claim: Claim) => void;
  readonly reader: RunReader;
  readonly ends: StepEnds;
}

export class RetriedSteps {
  readonly #ports: RetriedStepsPorts;

  constructor(ports: RetriedStepsPorts) {
    this.#ports = ports;
  }

  /**
   * Ends a step of a run that does not go on. Steps that its handler has stored are needed if the run is
   * retried, so its job is kept then.
   */
  async cancel(claim: Claim, context: StepContext): Promise<undefined> {
    const { connection, keys, now, ends, halt } = this.#ports;
    // Only the job of a step, or of one item of a fan-out, runs a handler.
    const runs =
      context.step.job !== undefined && (context.step.forEach === undefined || context.item !== undefined);
    const notes = runs ? await connection.readSteps(keys, claim.id) : null;
    if (notes === null) ends.add(endOfStep(context, "cancelled", null, now()), context);
    else halt({ ...claim, step: context });
  }

  /**
   * Ends a step with its earlier outcome, without running it; false when the step has to run.
   * @param goesOn whether the run goes on.
   */
  async passOn(context: StepContext, goesOn: boolean): Promise<boolean> {
    const { run, step, item, undoes, life } = context;
    if (undoes || item !== undefined || life?.passed.has(step.name) !== true) return false;
    const field = runFields.kept(run, step.name);
    const outcome = (await this.#ports.reader.read([field])).get(field);
    if (outcome === undefined) return false;
    this.#ports.ends.add(endOfKept(context, goesOn ? outcome : undefined), context);
    return true;
  }

  /** The payload of the job that undoes a step. */
  async undoing({ run, step, life }: StepContext, scope: Scope): Promise<unknown> {
    const field = runFields.kept(run, undoneField(step.name));
    const kept = life === undefined ? undefined : (await this.#ports.reader.read([field])).get(field);
    if (kept !== undefined) return JSON.parse(kept) as unknown;
    return step.compensate === undefined ? null : evaluate(step.compensate.payload, scope);
  }
}
