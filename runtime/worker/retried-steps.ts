/**
 * What steps of workflow runs keep for another life of their run, and have kept from an earlier one: what their handlers have noted; an end, that
 * they pass on when what comes before them has ended again; and the payload of what undoes them, made of what they were made of.
 */
import type { Connection } from "../connection/index.js";
import { runFields, type ShardKeys } from "../protocol/index.js";
import { evaluate, type Scope, undoneField } from "../workflow/index.js";
import type { Claim } from "./claim.js";
import type { RunReader } from "./run-reader.js";
import type { StepContext } from "./step-context.js";
import { endOfKept, endOfStep } from "./step-end.js";
import type { StepEnds } from "./step-ends.js";

export interface RetriedStepsPorts {
  readonly connection: Connection;
  readonly keys: ShardKeys;
  /** Redis time (ms). */
  readonly now: () => number;
  /** A step whose job is kept when it ends as cancelled. */
  readonly halt: (claim: Claim) => void;
  readonly reader: RunReader;
  readonly ends: StepEnds;
}

export class RetriedSteps {
  readonly #ports: RetriedStepsPorts;

  constructor(ports: RetriedStepsPorts) {
    this.#ports = ports;
  }

  /** Ends a step of a run that does not go on. What its handler has noted counts when the run is retried: then its job is kept. */
  async cancel(claim: Claim, context: StepContext): Promise<undefined> {
    const { connection, keys, now, ends, halt } = this.#ports;
    // None runs a handler but its job, or that of an item.
    const runs =
      context.step.job !== undefined && (context.step.forEach === undefined || context.item !== undefined);
    const notes = runs ? await connection.readSteps(keys, claim.id) : null;
    if (notes === null) ends.add(endOfStep(context, "cancelled", null, now()), context);
    else halt({ ...claim, step: context });
  }

  /** Ends a step as it had ended, without running it; false: it has to run. `goesOn`: its run does. */
  async passOn(context: StepContext, goesOn: boolean): Promise<boolean> {
    const { run, step, item, undoes, life } = context;
    if (undoes || item !== undefined || life?.passed.has(step.name) !== true) return false;
    const field = runFields.kept(run, step.name);
    const outcome = (await this.#ports.reader.read([field])).get(field);
    if (outcome === undefined) return false;
    this.#ports.ends.add(endOfKept(context, goesOn ? outcome : undefined), context);
    return true;
  }

  /** The payload of what undoes a step. */
  async undoing({ run, step, life }: StepContext, scope: Scope): Promise<unknown> {
    const field = runFields.kept(run, undoneField(step.name));
    const kept = life === undefined ? undefined : (await this.#ports.reader.read([field])).get(field);
    if (kept !== undefined) return JSON.parse(kept) as unknown;
    return step.compensate === undefined ? null : evaluate(step.compensate.payload, scope);
  }
}
