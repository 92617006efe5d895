/**
 * Hides the sensitive values of a workflow run: in its input and output by the workflow's schemas, in results
 * of its steps by the schemas of their tasks and events. All hidden values, and the sensitive values of the
 * steps' payloads, are removed from every message. If a value without a known schema is involved, every
 * message is hidden.
 */
import { HIDDEN, withoutSecrets, type WorkflowStep } from "../definition/index.js";
import { evaluate, itemOf, type Scope } from "../workflow/index.js";
import { withoutMessages } from "./run-error.js";
import type { StepFacts, StoredRun } from "./run-reads.js";
import type { RedactedKind, Redactor } from "./types.js";

export class RunVeil {
  readonly input: unknown;
  /** True if it is unknown which fields of the workflow are sensitive. */
  readonly hidden: boolean;
  readonly #redactor: Redactor | undefined;
  readonly #run: string;
  readonly #workflow: string;
  readonly #scope: Scope;
  readonly #results = new Map<string, unknown>();
  readonly #secrets: string[] = [];
  /** True if a value is involved whose sensitive fields are unknown. */
  #unknown = false;

  /** `results`: results of the items of fan-outs, see readItemResults. */
  constructor(
    run: StoredRun,
    facts: ReadonlyMap<string, StepFacts>,
    results: ReadonlyMap<string, readonly unknown[] | undefined>,
    redactor: Redactor | undefined,
  ) {
    const { workflow, input } = run.record;
    this.#redactor = redactor;
    this.#run = run.id;
    this.#workflow = workflow;
    const shown = this.#redact(workflow, "input", input);
    this.hidden = shown === undefined;
    this.input = shown === undefined ? HIDDEN : shown.value;
    const steps: Record<string, unknown> = {};
    for (const { name } of run.definition.steps) {
      const outcome = facts.get(name)?.outcome;
      if (outcome === undefined) continue;
      const { status, detail } = outcome;
      const result = results.has(name) ? results.get(name) : detail;
      steps[name] = status === "completed" ? { status, result } : { status };
    }
    this.#scope = { input, run: { id: run.id }, steps };
    for (const step of run.definition.steps) {
      this.#learn(step, facts.get(step.name));
      if (results.has(step.name)) this.#learnResults(step, results.get(step.name));
    }
  }

  /** The values to remove from every text of the run and its jobs; `undefined` if they are unknown. */
  get secrets(): readonly string[] | undefined {
    return this.#unknown ? undefined : this.#secrets;
  }

  /** The result of a completed step. */
  result(step: string): unknown {
    return this.#results.get(step);
  }

  output(value: unknown): unknown {
    const shown = this.#redact(this.#workflow, "output", value);
    return shown === undefined ? HIDDEN : shown.value;
  }

  /** Removes the messages of a failed child run, because the values of its own steps are not known here. */
  clean(text: string): string {
    if (this.#unknown) return HIDDEN;
    const shown = this.#redactor === undefined ? text : withoutInnerMessages(text);
    return withoutSecrets(shown, this.#secrets);
  }

  /** Adds the sensitive values of an item's payload. `stored`: fields of the run that hold items. */
  learnItem(step: WorkflowStep, index: number, stored: ReadonlyMap<string, string>): void {
    const item = itemOf(this.#run, step, index, this.#scope.input, stored);
    this.#learnPayload(step, { ...this.#scope, item, index });
  }

  #learn(step: WorkflowStep, facts: StepFacts | undefined): void {
    const { job, child, forEach, name, waitFor } = step;
    const { outcome } = facts ?? {};
    if (waitFor !== undefined && outcome?.status === "completed") {
      const shown = this.#redact(waitFor.event, "event", outcome.detail);
      this.#results.set(name, shown === undefined ? HIDDEN : shown.value);
    }
    const made = job?.task ?? child?.workflow;
    if (made === undefined) return;
    if (forEach === undefined && outcome?.status === "completed") {
      const shown = this.#redact(made, job === undefined ? "output" : "result", outcome.detail);
      this.#results.set(name, shown === undefined ? HIDDEN : shown.value);
    }
    // For a fan-out: the part of the payload that does not depend on its items, and its compensation.
    this.#learnPayload(step, this.#scope);
  }

  #learnResults({ job, child }: WorkflowStep, results: readonly unknown[] | undefined): void {
    const made = job?.task ?? child?.workflow;
    if (results === undefined) this.#unknown = true;
    if (results === undefined || made === undefined) return;
    for (const result of results) this.#redact(made, job === undefined ? "output" : "result", result);
  }

  #learnPayload({ job, child, compensate }: WorkflowStep, scope: Scope): void {
    if (this.#redactor === undefined) return;
    if (child !== undefined) this.#redact(child.workflow, "input", evaluate(child.input, scope));
    for (const made of [job, compensate]) {
      if (made !== undefined) this.#redact(made.task, "payload", evaluate(made.payload, scope));
    }
  }

  /**
   * `undefined` if it is unknown what is sensitive. Without a redactor everything is shown, which is the
   * caller's decision.
   */
  #redact(name: string, kind: RedactedKind, value: unknown): { readonly value: unknown } | undefined {
    if (this.#redactor === undefined) return { value };
    const shown = this.#redactor.redact(name, kind, value);
    if (shown === undefined) this.#unknown = true;
    // Not `push(...)`: the list may exceed the number of arguments that a call accepts.
    for (const secret of shown?.secrets ?? []) this.#secrets.push(secret);
    return shown;
  }
}

/**
 * `RunFailed: r.ship-1: step pay failed: Refused: card 4242 ...` becomes `RunFailed: r.ship-1: step pay
 * failed: Refused`.
 */
function withoutInnerMessages(text: string): string {
  const [, head, reason] = /^((?:step \S+ failed: )?(?:item \d+: )?RunFailed: \S+: )(.*)$/s.exec(text) ?? [];
  return head === undefined || reason === undefined ? text : head + (withoutMessages(reason) ?? reason);
}
