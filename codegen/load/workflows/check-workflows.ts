/** Checks workflows: their graphs, and every value that flows in them against the schemas of both sides. */
import type { JsonSchemaNode } from "../../model/json-schema.js";
import type { TemplatePart } from "../../model/project.js";
import { MAX_STEPS } from "../../model/definition-workflow.js";
import { checkCompensations } from "./check-compensations.js";
import { checkKey } from "../expressions/check-key.js";
import { identifierOf } from "../check-names.js";
import { StepChecker } from "./check-steps.js";
import { checkPayloadKind } from "../check-tasks.js";
import type { CheckedWorkflow, WorkflowCheck } from "./checked-workflow.js";
import { UNKNOWN_SCHEMA } from "../payload/compiler.js";
import type { SchemaLibrary } from "../payload/library.js";
import type { Reporter } from "../reporter.js";
import { type StepGraph, stepGraph } from "./step-graph.js";
import { type Place, StepScopes } from "./step-scope.js";
import { entriesOf, findEntry, type SourceEntry, type SourceNode, textOf } from "../source.js";
import { freeTemplate } from "../expressions/value-template.js";
import { workflowOrder } from "./workflow-order.js";

/** Runs before the library is finished, because the inputs are schemas too. */
export function compileInputs(
  workflows: ReadonlyMap<string, SourceEntry>,
  library: SchemaLibrary,
  reporter: Reporter,
): Map<string, JsonSchemaNode> {
  const inputs = new Map<string, JsonSchemaNode>();
  for (const [name, { value }] of workflows) {
    const written = findEntry(value, "input");
    if (written === undefined) continue;
    const input = library.compileRoot(written.value, `${identifierOf(name)}Input`);
    checkPayloadKind(input, written.value, library, reporter, "input");
    inputs.set(name, input);
  }
  return inputs;
}

export function checkWorkflows(check: Omit<WorkflowCheck, "outputs">): Map<string, CheckedWorkflow> {
  const { workflows } = check.declarations;
  const checked = new Map<string, CheckedWorkflow>();
  const outputs = new Map<string, JsonSchemaNode | undefined>();
  for (const name of workflowOrder(workflows, check.reporter)) {
    const workflow = checkWorkflow(name, workflows.get(name)!, { ...check, outputs });
    if (workflow === undefined) continue;
    checked.set(name, workflow);
    outputs.set(name, workflow.output?.schema);
  }
  return checked;
}

function checkWorkflow(
  name: string,
  { keyOrigin, value }: SourceEntry,
  check: WorkflowCheck,
): CheckedWorkflow | undefined {
  const { inputs, library, reporter } = check;
  const steps = findEntry(value, "steps");
  const entries = entriesOf(steps?.value);
  if (steps?.value.kind !== "map") return undefined;
  if (entries.length === 0 || entries.length > MAX_STEPS) {
    const message = `expected 1 to ${MAX_STEPS} steps, got ${entries.length}`;
    reporter.report({ code: "TW200", at: steps.keyOrigin, message });
    return undefined;
  }
  const input = inputs.get(name) ?? UNKNOWN_SCHEMA;
  const graph = stepGraph(entries, reporter);
  checkCompensations(graph, value, reporter);
  const scopes = new StepScopes(graph, input, check, (node) => library.resolve(node));
  const checker = new StepChecker({ ...check, graph, scopes });
  const inOrder = new Map(graph.order.map((step) => [step, graph.steps.get(step)]));
  // Steps on a cycle have no order, but are checked all the same.
  for (const [step, own] of graph.steps) inOrder.set(step, own);
  const idempotencyKey = keyOf(value, input, check);
  const output = outputOf(findEntry(value, "output"), graph, scopes, reporter);
  return {
    at: keyOrigin,
    input,
    ...(idempotencyKey === undefined ? {} : { idempotencyKey }),
    steps: [...inOrder.values()].flatMap((step) => (step === undefined ? [] : [checker.check(step)])),
    ...(output === undefined ? {} : { output }),
    scopes,
  };
}

function keyOf(
  workflow: SourceNode,
  input: JsonSchemaNode,
  { library, reporter }: WorkflowCheck,
): readonly TemplatePart[] | undefined {
  const key = findEntry(findEntry(workflow, "idempotency")?.value, "key")?.value;
  const text = textOf(key);
  if (text === undefined || key?.kind !== "scalar") return undefined;
  return checkKey("start", key, text, input, (node) => library.resolve(node), reporter);
}

/** The output is computed when every step has ended. */
function outputOf(
  entry: SourceEntry | undefined,
  graph: StepGraph,
  scopes: StepScopes,
  reporter: Reporter,
): CheckedWorkflow["output"] {
  if (entry?.value.kind !== "map") return undefined;
  const all = new Set(graph.steps.keys());
  const place: Place = { reader: "an output", readable: all, ended: all };
  const context = { scope: scopes.scopeOf(place), reporter, code: "TW205", taker: "the output" } as const;
  return { ...freeTemplate(entry.value, entry.keyOrigin, context), place };
}
