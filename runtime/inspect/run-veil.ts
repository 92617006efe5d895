/**
 * Hides what is sensitive in a workflow run: fields of its input and output by the workflow's schemas, results of its steps by
 * those of their tasks and events. What is hidden anywhere, and what the payloads of steps hold of it, is taken out of every message;
 * where something is there of which nobody knows what is sensitive, every message is hidden.
 */
import { HIDDEN, withoutSecrets, type WorkflowStep } from "../definition/index.js";
import { evaluate, itemOf, type Scope } from "../workflow/index.js";
import { withoutMessages } from "./run-error.js";
import type { StepFacts, StoredRun } from "./run-reads.js";
import type { RedactedKind, Redactor } from "./types.js";

export class RunVeil {
  readonly input: unknown;
  /** True when it is not known which fields of the workflow are sensitive. */
  readonly hidden: boolean;
  readonly #redactor: Redactor | undefined;
  readonly #run: string;
  readonly #workflow: string;
  readonly #scope: Scope;
  readonly #results = new Map<string, unknown>();
  readonly #secrets: string[] = [];
  /** Something is there of which nobody knows what is sensitive. */
  #unknown = false;

  /** `results`: of the items of fan-outs, see readItemResults. */
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

  /** What must not be seen in any text of the run and its jobs; `undefined` when it is not known. */
  get secrets(): readonly string[] | undefined {
    return this.#unknown ? undefined : this.#secrets;
  }

  /** Of a step that has completed. */
  result(step: string): unknown {
    return this.#results.get(step);
  }

  output(value: unknown): unknown {
    const shown = this.#redact(this.#workflow, "output", value);
    return shown === undefined ? HIDDEN : shown.value;
  }

  /** Of a failed run that is a step nothing here knows what its own steps hold: the messages in it are left out. */
  clean(text: string): string {
    if (this.#unknown) return HIDDEN;
    const shown = this.#redactor === undefined ? text : withoutInnerMessages(text);
    return withoutSecrets(shown, this.#secrets);
  }

  /** What the payload of an item holds. `stored`: fields of the run that hold items. */
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
    // Of a fan-out, what does not come from its items, and what undoes it.
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

  /** `undefined` when it is not known what is sensitive. Without a redactor everything is shown: the caller has decided so. */
  #redact(name: string, kind: RedactedKind, value: unknown): { readonly value: unknown } | undefined {
    if (this.#redactor === undefined) return { value };
    const shown = this.#redactor.redact(name, kind, value);
    if (shown === undefined) this.#unknown = true;
    // One by one: a list may hold more of them than a call takes.
    for (const secret of shown?.secrets ?? []) this.#secrets.push(secret);
    return shown;
  }
}

/** `RunFailed: r.ship-1: step pay failed: Refused: card 4242 ...` -> `RunFailed: r.ship-1: step pay failed: Refused`. */
function withoutInnerMessages(text: string): string {
  const [, head, reason] = /^((?:step \S+ failed: )?(?:item \d+: )?RunFailed: \S+: )(.*)$/s.exec(text) ?? [];
  return head === undefined || reason === undefined ? text : head + (withoutMessages(reason) ?? reason);
}
