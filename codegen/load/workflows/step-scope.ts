/** What the expressions of a workflow can read, and why parts of it may be missing. */
import type { JsonSchemaNode } from "../../model/json-schema.js";
import type { ReadModel } from "../../model/project.js";
import { listed, quote } from "../../model/quote.js";
import type { CheckedEvent } from "../check-observers.js";
import type { CheckedTask } from "../check-tasks.js";
import { didYouMean } from "../did-you-mean.js";
import type { ExpressionProblem, LocatedPath } from "../expressions/expression-parser.js";
import type { Scope } from "../expressions/expression-types.js";
import { UNKNOWN_SCHEMA } from "../payload/compiler.js";
import type { Resolve } from "../expressions/schema-words.js";
import type { GraphStep, StepGraph } from "./step-graph.js";

/** The place of an expression. */
export interface Place {
  /** For messages: `step "charge"`. */
  readonly reader: string;
  /** Steps that the expression can read. `undefined`: unknown, so all of them are allowed. */
  readonly readable: ReadonlySet<string> | undefined;
  /** Of these, the steps that have certainly ended. */
  readonly ended: ReadonlySet<string>;
  /** A step that has completed, even if it has a condition: the one being compensated. */
  readonly completed?: string;
  /** The item type, for `with` in a step with `forEach`. */
  readonly item?: JsonSchemaNode;
  /** The event type, for `match`. */
  readonly event?: JsonSchemaNode;
}

const INDEX: JsonSchemaNode = { kind: "number", integer: true, minimum: 0 };
const RUN: JsonSchemaNode = {
  kind: "object",
  properties: [{ name: "id", required: true, schema: { kind: "string" } }],
  additional: false,
};

/** The schemas of the results that steps can have. */
export interface ResultSources {
  readonly events: ReadonlyMap<string, CheckedEvent>;
  readonly tasks: ReadonlyMap<string, CheckedTask>;
  /** Output schemas of workflows; `undefined` for a workflow without output. */
  readonly outputs: ReadonlyMap<string, JsonSchemaNode | undefined>;
}

/** The scopes of one workflow. */
export class StepScopes {
  readonly #graph: StepGraph;
  readonly #input: JsonSchemaNode;
  readonly #sources: ResultSources;
  readonly #resolve: Resolve;

  constructor(graph: StepGraph, input: JsonSchemaNode, sources: ResultSources, resolve: Resolve) {
    this.#graph = graph;
    this.#input = input;
    this.#sources = sources;
    this.#resolve = resolve;
  }

  scopeOf(place: Place): Scope {
    const steps = [...this.#graph.steps.values()].filter(({ name }) => place.readable?.has(name) ?? true);
    const properties = steps.map((step) => ({
      name: step.name,
      required: true,
      schema: this.#schemaOf(step, place),
    }));
    return {
      roots: new Map<string, JsonSchemaNode>([
        ["input", this.#input],
        ["run", RUN],
        ["steps", { kind: "object", properties, additional: false }],
        ...(place.event === undefined ? [] : ([["event", place.event]] as const)),
        ...(place.item === undefined
          ? []
          : ([
              ["item", place.item],
              ["index", INDEX],
            ] as const)),
      ]),
      resolve: this.#resolve,
      reader: place.reader,
      refuse: (path) => this.#refuse(path, place),
      whyMissing: ({ root, segments: [name] }) => {
        const step = root === "steps" ? this.#graph.steps.get(String(name?.value)) : undefined;
        return step === undefined ? undefined : this.#whyMissing(step, place);
      },
    };
  }

  /** What a mapping reads of a step. */
  readOf(name: string, fields: ReadonlySet<string>, place: Place): ReadModel {
    const step = this.#graph.steps.get(name);
    if (step === undefined) throw new Error(`the check let a read of the step "${name}" pass`);
    const isNullable = step.onFailure === "continue";
    return {
      step: name,
      ...(fields.has("result") && step.task !== undefined ? { task: step.task } : {}),
      ...(fields.has("result") && step.workflow !== undefined ? { workflow: step.workflow } : {}),
      ...(fields.has("result") && step.event !== undefined ? { event: step.event } : {}),
      ...(fields.has("status") ? { statuses: statusesOf(step) } : {}),
      ...(step.fansOut ? { list: { mayHoldNull: isNullable } } : {}),
      optional: this.#whyMissing(step, place) !== undefined,
      ended: hasEnded(step, place),
    };
  }

  #schemaOf(step: GraphStep, place: Place): JsonSchemaNode {
    const result = this.#resultOf(step);
    const required = this.#whyMissing(step, place) === undefined;
    const status: JsonSchemaNode = { kind: "enum", values: statusesOf(step) };
    return {
      kind: "object",
      properties: [
        ...(result === undefined ? [] : [{ name: "result", required, schema: result }]),
        { name: "status", required: hasEnded(step, place), schema: status },
      ],
      additional: false,
    };
  }

  #resultOf(step: GraphStep): JsonSchemaNode | undefined {
    const { event, fansOut, onFailure } = step;
    if (event !== undefined) return this.#sources.events.get(event)?.payload ?? UNKNOWN_SCHEMA;
    const result = this.#givenBy(step);
    if (result === undefined || !fansOut) return result;
    const branches: JsonSchemaNode[] = [result, { kind: "null" }];
    const items: JsonSchemaNode =
      onFailure === "continue" ? { kind: "union", exclusive: false, branches } : result;
    return { kind: "array", items };
  }

  /** The result of one job or run of the step. */
  #givenBy({ task, workflow }: GraphStep): JsonSchemaNode | undefined {
    const { outputs, tasks } = this.#sources;
    if (workflow !== undefined) return outputs.has(workflow) ? outputs.get(workflow) : UNKNOWN_SCHEMA;
    if (task === undefined) return undefined;
    const found = tasks.get(task);
    return found === undefined ? UNKNOWN_SCHEMA : found.result;
  }

  #whyMissing(
    { name, event, mayBeSkipped, onFailure, fansOut }: GraphStep,
    place: Place,
  ): string | undefined {
    if (place.completed === name) return undefined;
    if (!place.ended.has(name)) return `the step ${name} need not have ended by then`;
    if (mayBeSkipped) return `the step ${name} may be skipped`;
    const way = event === undefined ? "fail" : "wait in vain";
    return onFailure === "continue" && !fansOut ? `the step ${name} may ${way}` : undefined;
  }

  #refuse({ root, segments, range }: LocatedPath, place: Place): ExpressionProblem | undefined {
    if ((root === "item" || root === "index") && place.item === undefined) {
      const message = `there is no ${root} here: only \`with\` of a step with forEach has one`;
      return { code: "TW207", message, range: { ...range, end: range.start + root.length } };
    }
    if (root !== "steps") return undefined;
    const [name, field] = segments;
    const names = [...this.#graph.steps.keys()];
    if (name === undefined || typeof name.value === "number") {
      const hint = `such as steps.${names[0] ?? "name"}.result`;
      return { code: "TW203", message: "name a step, and what of it is read", hint, range };
    }
    const step = this.#graph.steps.get(name.value);
    if (step === undefined) {
      const hint = didYouMean(name.value, names) ?? `steps: ${listed(names)}`;
      return {
        code: "TW203",
        message: `no step ${quote(name.value)} in this workflow`,
        hint,
        range: name.range,
      };
    }
    if (place.readable?.has(step.name) === false) return notBefore(step.name, place, name.range);
    if (field === undefined) {
      const message = `name what of the step ${quote(step.name)} is read`;
      return { code: "TW203", message, hint: `steps.${step.name}.result or .status`, range };
    }
    if (field.value !== "result" || this.#resultOf(step) !== undefined) return undefined;
    const made = step.workflow ?? step.task;
    const declared = step.workflow === undefined ? "result" : "output";
    const message =
      made === undefined
        ? `the step ${quote(step.name)} only waits and gives no result`
        : `the step ${quote(step.name)} gives no result: ${made} declares ${declared === "result" ? "none" : "no output"}`;
    const hint = made === undefined ? {} : { hint: `declare ${declared} in ${made}` };
    return { code: "TW204", message, ...hint, range: field.range };
  }
}

function hasEnded({ name }: GraphStep, place: Place): boolean {
  return place.completed === name || place.ended.has(name);
}

function notBefore(name: string, { reader }: Place, range: LocatedPath["range"]): ExpressionProblem {
  const message = `${reader} reads the step ${quote(name)}, which does not come before it`;
  return { code: "TW203", message, hint: `add ${name} to needs`, range };
}

function statusesOf({ mayBeSkipped, onFailure }: GraphStep): string[] {
  return ["completed", ...(onFailure === "continue" ? ["failed"] : []), ...(mayBeSkipped ? ["skipped"] : [])];
}
