/**
 * Steps of workflow runs that were retried, where they keep something of an earlier life of their run: an end, that they pass on when what
 * comes before them has ended again; and the payload of what undoes them, made of what they were made of.
 */
import { runFields } from "../protocol/index.js";
import { evaluate, type Scope, undoneField } from "../workflow/index.js";
import type { RunReader } from "./run-reader.js";
import type { StepContext } from "./step-context.js";
import { endOfKept } from "./step-end.js";
import type { StepEnds } from "./step-ends.js";

export interface RetriedStepsPorts {
  readonly reader: RunReader;
  readonly ends: StepEnds;
}

export class RetriedSteps {
  readonly #ports: RetriedStepsPorts;

  constructor(ports: RetriedStepsPorts) {
    this.#ports = ports;
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
