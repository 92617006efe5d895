/** Builds workflows as the runtime gets them, and their mappings for the user's compiler. */
import {
  DEFAULT_IDEMPOTENCY_TTL_MS,
  type FailureRule,
  limitedGroup,
  type StepJob,
  type StepWait,
  type WorkflowDefinition,
  type WorkflowStep,
} from "../../../runtime/definition/index.js";
import type { DefinitionFile } from "../../model/definition-file.js";
import type { StepDefinitionEntry, WorkflowDefinitionEntry } from "../../model/definition-workflow.js";
import { compareText } from "../../model/diagnostic.js";
import { expressionsIn, pathsOf, type ValueTemplate } from "../../model/expression.js";
import type { MappingModel, QueueModel, ReadModel, TaskModel, WorkflowModel } from "../../model/project.js";
import { identifierOf } from "../check-names.js";
import type { CheckedStep, CheckedWait, CheckedWorkflow } from "./checked-workflow.js";
import { definitionHash } from "../hash.js";
import type { SchemaLibrary } from "../payload/library.js";
import { toMs } from "../resolve-settings.js";
import { runExpression, runTemplate } from "../expressions/run-expression.js";
import type { Place } from "./step-scope.js";
import { sourceOf } from "../source.js";

const DEFAULT_KEEP_MS = 7 * 24 * 60 * 60 * 1000;

export interface WorkflowInput {
  readonly contents: readonly DefinitionFile[];
  readonly workflows: ReadonlyMap<string, CheckedWorkflow>;
  readonly library: SchemaLibrary;
}

/** The resolved parts of the project that workflows need. */
export interface Resolved {
  readonly defaultQueue: string;
  readonly tasks: readonly TaskModel[];
  readonly queues: readonly QueueModel[];
}

export function buildWorkflows(
  { contents, workflows, library }: WorkflowInput,
  resolved: Resolved,
): WorkflowModel[] {
  const entries = new Map(contents.flatMap((content) => Object.entries(content.workflows ?? {})));
  const built = new Map<string, WorkflowModel>();
  // Child workflows first, because a workflow contains their definitions.
  const build = (name: string): WorkflowModel => {
    const known = built.get(name);
    if (known !== undefined) return known;
    const [written, checked] = [entries.get(name), workflows.get(name)];
    if (written === undefined) throw new Error(`the check of references let the workflow "${name}" pass`);
    if (checked === undefined) throw new Error(`the workflow "${name}" has content but no position`);
    const definitionOf = (child: string): WorkflowDefinition => build(child).definition;
    const model = new WorkflowBuilder(name, written, checked, library, resolved, definitionOf).build();
    built.set(name, model);
    return model;
  };
  return [...entries.keys()].sort(compareText).map(build);
}

class WorkflowBuilder {
  readonly #name: string;
  readonly #written: WorkflowDefinitionEntry;
  readonly #checked: CheckedWorkflow;
  readonly #library: SchemaLibrary;
  readonly #resolved: Resolved;
  readonly #definitionOf: (workflow: string) => WorkflowDefinition;

  constructor(
    name: string,
    written: WorkflowDefinitionEntry,
    checked: CheckedWorkflow,
    library: SchemaLibrary,
    resolved: Resolved,
    definitionOf: (workflow: string) => WorkflowDefinition,
  ) {
    this.#name = name;
    this.#written = written;
    this.#checked = checked;
    this.#library = library;
    this.#resolved = resolved;
    this.#definitionOf = definitionOf;
  }

  build(): WorkflowModel {
    const { description, owner, idempotency } = this.#written;
    const { at, input, idempotencyKey, output } = this.#checked;
    const ttlMs = idempotency?.ttl === undefined ? DEFAULT_IDEMPOTENCY_TTL_MS : toMs(idempotency.ttl);
    return {
      definition: this.#definition(),
      identifier: identifierOf(this.#name),
      ...(description === undefined ? {} : { description }),
      ...(owner === undefined ? {} : { owner }),
      source: sourceOf(at),
      input: this.#library.extract(input),
      ...(output === undefined ? {} : { output: this.#library.extract(output.schema) }),
      ...(idempotencyKey === undefined ? {} : { idempotency: { key: idempotencyKey, ttlMs } }),
      mappings: this.#mappings(),
    };
  }

  #definition(): WorkflowDefinition {
    const { onTimeout, queue, retention, timeout } = this.#written;
    const { output, steps } = this.#checked;
    const inner = Object.values(this.#written.steps).flatMap(({ workflow = [] }) => workflow);
    const children = [...new Set(inner)]
      .sort(compareText)
      .map((name) => [name, this.#definitionOf(name)] as const);
    const body = {
      name: this.#name,
      queue: queue ?? this.#resolved.defaultQueue,
      steps: steps.map((step) => this.#step(step)),
      ...(output === undefined ? {} : { output: runTemplate(output.template) }),
      ...(timeout === undefined ? {} : { timeoutMs: toMs(timeout) }),
      ...(onTimeout === undefined ? {} : { onTimeout }),
      keepMs: retention === undefined ? DEFAULT_KEEP_MS : toMs(retention),
      ...(children.length === 0 ? {} : { children: Object.fromEntries(children) }),
    };
    // Workers with this hash check the input, so a different input schema must give a different hash.
    return { ...body, hash: definitionHash({ ...body, input: this.#library.extract(this.#checked.input) }) };
  }

  #step(checked: CheckedStep): WorkflowStep {
    const { name, needs, join, payload, compensate } = checked;
    const written = this.#writtenStep(name);
    const { maxParallel, onFailure, sleep } = written;
    const undo = written.compensate;
    return {
      name,
      needs,
      ...(join < needs.length ? { join } : {}),
      ...(checked.if === undefined ? {} : { if: runExpression(checked.if.expression) }),
      ...(payload === undefined || written.task === undefined
        ? {}
        : { job: this.#job(written.task, payload.template, written) }),
      ...(payload === undefined || written.workflow === undefined
        ? {}
        : { child: { workflow: written.workflow, input: runTemplate(payload.template) } }),
      ...(sleep === undefined ? {} : { delayMs: toMs(sleep) }),
      ...(checked.wait === undefined ? {} : { waitFor: waitOf(checked.wait, written) }),
      ...(checked.forEach === undefined ? {} : { forEach: runExpression(checked.forEach.expression) }),
      ...(maxParallel === undefined ? {} : { maxParallel }),
      ...(onFailure === undefined ? {} : { onFailure: onFailure satisfies FailureRule }),
      ...(compensate === undefined || undo === undefined
        ? {}
        : { compensate: this.#job(undo.task, compensate.template) }),
    };
  }

  #job(
    name: string,
    payload: ValueTemplate,
    { queue, retry, timeout }: Pick<StepDefinitionEntry, "queue" | "retry" | "timeout"> = {},
  ): StepJob {
    const task = this.#resolved.tasks.find(({ definition }) => definition.name === name)?.definition;
    if (task === undefined) throw new Error(`the check of references let the task "${name}" pass`);
    const own = queue ?? task.queue;
    const holder = this.#resolved.queues.find((one) => one.name === own) ?? { name: own, weight: 1 };
    // No payload: a limit with a key does not apply to a step's job.
    const limit = limitedGroup(task, holder, undefined);
    return {
      task: name,
      queue: own,
      hash: task.hash,
      payload: runTemplate(payload),
      ...(retry?.maxRetries === undefined ? {} : { maxRetries: retry.maxRetries }),
      ...(timeout === undefined ? {} : { timeoutMs: toMs(timeout) }),
      ...(limit === undefined ? {} : { limit }),
    };
  }

  #mappings(): MappingModel[] {
    const { steps, output } = this.#checked;
    const mappings = steps.flatMap((step): MappingModel[] => {
      const { name: own, forEach, payload, wait, compensate } = step;
      const written = this.#writtenStep(own);
      const item = forEach === undefined ? {} : { item: this.#library.extract(forEach.item) };
      const one = (
        part: MappingModel["part"],
        value: ValueTemplate,
        place: Place,
        more: Pick<MappingModel, "event" | "item" | "task" | "workflow"> = {},
      ): MappingModel => ({ step: own, part, value, ...more, reads: this.#reads(value, place) });
      return [
        ...(step.if === undefined ? [] : [one("if", valueOf(step.if.expression), step.if.place)]),
        ...(forEach === undefined ? [] : [one("forEach", valueOf(forEach.expression), forEach.place, item)]),
        ...(wait === undefined
          ? []
          : [one("match", valueOf(wait.condition), wait.place, { event: wait.event })]),
        ...(payload === undefined
          ? []
          : [one("with", payload.template, payload.place, { ...madeBy(written), ...item })]),
        ...(compensate === undefined || written.compensate === undefined
          ? []
          : [one("compensate", compensate.template, compensate.place, { task: written.compensate.task })]),
      ];
    });
    if (output === undefined) return mappings;
    const reads = this.#reads(output.template, output.place);
    return [...mappings, { part: "output", value: output.template, reads }];
  }

  #reads(value: ValueTemplate, place: Place): ReadModel[] {
    const fields = new Map<string, Set<string>>();
    for (const { root, segments } of expressionsIn(value).flatMap(pathsOf)) {
      const [step, field] = segments.map(String);
      if (root !== "steps" || step === undefined || field === undefined) continue;
      fields.set(step, new Set([...(fields.get(step) ?? []), field]));
    }
    return [...fields]
      .sort(([a], [b]) => compareText(a, b))
      .map(([step, read]) => this.#checked.scopes.readOf(step, read, place));
  }

  #writtenStep(name: string): StepDefinitionEntry {
    const written = this.#written.steps[name];
    if (written === undefined) throw new Error(`the step "${name}" has a position but no content`);
    return written;
  }
}

function madeBy({ task, workflow }: StepDefinitionEntry): Pick<MappingModel, "task" | "workflow"> {
  if (workflow !== undefined) return { workflow };
  return task === undefined ? {} : { task };
}

function waitOf(
  { event, condition, field, equals }: CheckedWait,
  { timeout }: Pick<StepDefinitionEntry, "timeout">,
): StepWait {
  if (timeout === undefined) throw new Error(`a wait for "${event}" has no timeout`);
  const [match, known] = [condition, equals].map(runExpression);
  return { event, field, equals: known!, match: match!, timeoutMs: toMs(timeout) };
}

/** Wraps a bare expression, as in `if` and `forEach`. */
function valueOf(expression: Parameters<typeof runExpression>[0]): ValueTemplate {
  return { kind: "expression", expression, isComposite: false };
}
