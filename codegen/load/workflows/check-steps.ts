/** Checks what the steps of a workflow compute: conditions, lists and payloads. */
import type { Expression } from "../../model/expression.js";
import type { JsonSchemaNode } from "../../model/json-schema.js";
import { quote } from "../../model/quote.js";
import { checkCondition, onlyExpression, reportProblems } from "../expressions/check-condition.js";
import { checkLimit } from "../check-references.js";
import { checkWait } from "./check-wait.js";
import type { CheckedJob, CheckedStep, WorkflowCheck } from "./checked-workflow.js";
import { type ExpressionProblem, toExpression } from "../expressions/expression-parser.js";
import { originIn } from "../expressions/expression-place.js";
import { typeOf, undeclaredIn } from "../expressions/expression-types.js";
import { UNKNOWN_SCHEMA } from "../payload/compiler.js";
import {
  asSensitive,
  because,
  describeSchema,
  isSensitive,
  leavesOf,
  mayBeNull,
} from "../expressions/schema-words.js";
import type { GraphStep, StepGraph } from "./step-graph.js";
import type { Place, StepScopes } from "./step-scope.js";
import { findEntry, type SourceEntry, type SourceNode, textOf } from "../source.js";
import { objectTemplate } from "../expressions/value-template.js";

interface StepCheck extends WorkflowCheck {
  readonly graph: StepGraph;
  readonly scopes: StepScopes;
}

const NONE: ReadonlySet<string> = new Set();

export class StepChecker {
  readonly #check: StepCheck;

  constructor(check: StepCheck) {
    this.#check = check;
  }

  check(step: GraphStep): CheckedStep {
    const { declarations, reporter, scopes } = this.#check;
    const { name, needs, join, entry } = step;
    const { value } = entry;
    const place = this.#placeOf(step);
    const condition = checkCondition("if", findEntry(value, "if")?.value, scopes.scopeOf(place), reporter);
    const forEach = this.#forEach(findEntry(value, "forEach")?.value, place);
    if (step.task !== undefined) checkLimit(findEntry(value, "queue"), step.task, declarations, reporter);
    const inner = step.fansOut ? { ...place, item: forEach?.item ?? UNKNOWN_SCHEMA } : place;
    const payload = (step.task ?? step.workflow) === undefined ? undefined : this.#job(entry, inner);
    const wait = checkWait(step, place, scopes, this.#check);
    const undo = findEntry(value, "compensate");
    const compensate = undo === undefined ? undefined : this.#job(undo, this.#placeOfUndo(step, place));
    return {
      name,
      needs,
      join,
      ...(condition === undefined ? {} : { if: { expression: condition, place } }),
      ...(forEach === undefined ? {} : { forEach: { ...forEach, place } }),
      ...(payload === undefined ? {} : { payload }),
      ...(wait === undefined ? {} : { wait }),
      ...(compensate === undefined ? {} : { compensate }),
    };
  }

  #placeOf({ name }: GraphStep): Place {
    const { before, ended, order, unclear } = this.#check.graph;
    const readable = before.get(name) ?? NONE;
    const isLost = unclear.has(name);
    // On a cycle, it cannot be told which steps have ended; the cycle itself has been reported.
    const isOrdered = order.includes(name) && !isLost;
    return {
      reader: `step ${quote(name)}`,
      readable: isLost ? undefined : readable,
      ended: isOrdered ? (ended.get(name) ?? NONE) : new Set(this.#check.graph.steps.keys()),
    };
  }

  #placeOfUndo({ name }: GraphStep, place: Place): Place {
    const readable = place.readable === undefined ? undefined : new Set([...place.readable, name]);
    return { ...place, reader: `the compensation of step ${quote(name)}`, readable, completed: name };
  }

  #forEach(
    node: SourceNode | undefined,
    place: Place,
  ): { readonly expression: Expression; readonly item: JsonSchemaNode } | undefined {
    const { library, reporter, scopes } = this.#check;
    const only = onlyExpression(node, "value", reporter);
    if (only === undefined) return undefined;
    const resolve = (schema: JsonSchemaNode): JsonSchemaNode | undefined => library.resolve(schema);
    const scope = scopes.scopeOf(place);
    const problems: ExpressionProblem[] = [];
    const { schema, optional, why } = typeOf(only.expression, scope, problems);
    reportProblems(only, problems, reporter);
    const expression = toExpression(only.expression, (path) => undeclaredIn(path, scope));
    const leaves = leavesOf(schema, resolve);
    if (problems.length > 0 || leaves.includes(UNKNOWN_SCHEMA)) return { expression, item: UNKNOWN_SCHEMA };
    const marked = isSensitive(schema, resolve);
    const lists = leaves.flatMap((leaf) => {
      if (leaf.kind !== "array") return [];
      return [marked || leaf.sensitive === true ? asSensitive(leaf.items) : leaf.items];
    });
    const missing = optional || mayBeNull(schema, resolve);
    if (missing || lists.length < leaves.length) {
      const at = originIn(only.node, only.text, only.expression.range);
      const message = missing
        ? `forEach takes a list, and this may be missing or null${because(why)}`
        : `forEach takes a list, and this is ${describeSchema(schema, resolve)}`;
      reporter.report({ code: "TW206", at, message });
    }
    const [first, ...others] = lists;
    if (first === undefined) return { expression, item: UNKNOWN_SCHEMA };
    return {
      expression,
      item: others.length === 0 ? first : { kind: "union", exclusive: false, branches: lists },
    };
  }

  /** A missing `with` counts as `{}`; fields that it lacks are reported at the task. */
  #job({ keyOrigin, value }: SourceEntry, place: Place): CheckedJob {
    const { inputs, reporter, scopes, tasks } = this.#check;
    const written = findEntry(value, "with");
    const workflow = findEntry(value, "workflow");
    const task = workflow === undefined ? findEntry(value, "task") : undefined;
    const made = workflow ?? task;
    const taker = textOf(made?.value) ?? "";
    if (task !== undefined) this.#checkKeyedLimit(taker, task.value);
    const at = written?.keyOrigin ?? made?.keyOrigin ?? keyOrigin;
    const node = written?.value ?? ({ kind: "map", entries: [], origin: at } as const);
    if (node.kind !== "map") return { template: { kind: "object", fields: [] }, place };
    const schema = (workflow === undefined ? tasks.get(taker)?.payload : inputs.get(taker)) ?? UNKNOWN_SCHEMA;
    const context = { scope: scopes.scopeOf(place), reporter, code: "TW205", taker } as const;
    return { template: objectTemplate(node, at, schema, context), place };
  }

  /** The key is computed from the payload, which is known only after the job has waited. */
  #checkKeyedLimit(name: string, at: SourceNode): void {
    const { declarations, reporter } = this.#check;
    const task = declarations.tasks.get(name)?.value;
    const rules = ["concurrency", "rateLimit", "fairness"];
    const rule = rules.find((one) => findEntry(findEntry(task, one)?.value, "key"));
    if (rule === undefined) return;
    const isTurn = rule === "fairness";
    reporter.report({
      code: "TW209",
      at: at.origin,
      message: isTurn
        ? `${quote(name)} takes turns between keys, and steps cannot`
        : `${quote(name)} has a limit for each key, and steps can keep limits of a whole task only`,
      hint: `leave ${isTurn ? rule : `${rule}.key`} out, or enqueue the job in the handler of a step`,
    });
  }
}
