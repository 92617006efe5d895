/** Events and observers: payloads compiled, conditions and the payloads of actions checked against both sides. */
import type { Expression, ValueTemplate } from "../model/expression.js";
import type { JsonSchemaNode } from "../model/json-schema.js";
import { quote } from "../model/quote.js";
import { checkPayloadKind, type CheckedTask } from "./check-tasks.js";
import { identifierOf } from "./check-names.js";
import type { Declarations } from "./declarations.js";
import { parseTemplate, toExpression } from "./expression-parser.js";
import { originIn } from "./expression-place.js";
import { expectBoolean, type Scope } from "./expression-types.js";
import { UNKNOWN_SCHEMA } from "./payload/compiler.js";
import type { SchemaLibrary } from "./payload/library.js";
import type { Reporter } from "./reporter.js";
import {
  type Origin,
  findEntry,
  type SourceEntry,
  type SourceNode,
  type SourceScalar,
  textOf,
} from "./source.js";
import { objectTemplate } from "./value-template.js";

export interface CheckedEvent {
  readonly at: Origin;
  readonly payload: JsonSchemaNode;
}

export interface CheckedObserver {
  readonly at: Origin;
  readonly when?: Expression;
  /** The payloads of its actions, in the order of the file. */
  readonly payloads: readonly ValueTemplate[];
}

export function checkEvents(
  events: ReadonlyMap<string, SourceEntry>,
  library: SchemaLibrary,
  reporter: Reporter,
): Map<string, CheckedEvent> {
  const checked = new Map<string, CheckedEvent>();
  for (const [name, { keyOrigin, value }] of events) {
    const written = findEntry(value, "payload");
    const payload =
      written === undefined
        ? UNKNOWN_SCHEMA
        : library.compileRoot(written.value, `${identifierOf(name)}Event`);
    if (written !== undefined) checkPayloadKind(payload, written.value, library, reporter);
    checked.set(name, { at: keyOrigin, payload });
  }
  return checked;
}

export interface ObserverCheck {
  readonly declarations: Declarations;
  readonly events: ReadonlyMap<string, CheckedEvent>;
  readonly tasks: ReadonlyMap<string, CheckedTask>;
  readonly library: SchemaLibrary;
  readonly reporter: Reporter;
}

export function checkObservers(check: ObserverCheck): Map<string, CheckedObserver> {
  const checked = new Map<string, CheckedObserver>();
  for (const [name, { keyOrigin, value }] of check.declarations.observers) {
    const event = textOf(findEntry(value, "on")?.value) ?? "";
    const scope: Scope = {
      roots: new Map([["event", check.events.get(event)?.payload ?? UNKNOWN_SCHEMA]]),
      resolve: (node) => check.library.resolve(node),
      reader: "an observer",
    };
    const when = checkCondition(findEntry(value, "when")?.value, scope, check.reporter);
    const actions = findEntry(value, "do")?.value;
    const payloads =
      actions?.kind === "list" ? actions.items.map((action) => checkAction(action, scope, check)) : [];
    checked.set(name, { at: keyOrigin, payloads, ...(when === undefined ? {} : { when }) });
  }
  return checked;
}

/** A text that is one expression, which gives true or false. */
function checkCondition(
  node: SourceNode | undefined,
  scope: Scope,
  reporter: Reporter,
): Expression | undefined {
  const text = textOf(node);
  if (text === undefined || text === "" || node?.kind !== "scalar") return undefined;
  const template = parseTemplate(text, "condition");
  if (!template.ok) {
    const { message, hint, range } = template.problem;
    reporter.report({ code: "TW130", at: originIn(node, text, range), message, hint });
    return undefined;
  }
  const [only] = template.parts;
  if (template.parts.length !== 1 || only?.kind !== "expression") {
    const message = "expected one ${{ }} expression and nothing beside it";
    const hint = text.includes("${{") ? "put all of it inside of ${{ }}" : `write "\${{ ${text.trim()} }}"`;
    reporter.report({ code: "TW130", at: node.origin, message, hint });
    return undefined;
  }
  const problems: Parameters<typeof expectBoolean>[2] = [];
  expectBoolean(only.expression, scope, problems, "when");
  for (const problem of problems) reportProblem(node, text, problem, reporter);
  return toExpression(only.expression);
}

function reportProblem(
  node: SourceScalar,
  text: string,
  { code, message, hint, range }: Parameters<typeof expectBoolean>[2][number],
  reporter: Reporter,
): void {
  reporter.report({ code: code ?? "TW131", at: originIn(node, text, range), message, hint });
}

/** Without `with` there is `{}`, and what it lacks is missing at the action. */
function checkAction(action: SourceNode, scope: Scope, check: ObserverCheck): ValueTemplate {
  const { reporter, tasks } = check;
  const written = findEntry(action, "with");
  const task = findEntry(action, "task");
  const name = textOf(task?.value) ?? "";
  const target = tasks.get(name);
  const at = written?.keyOrigin ?? task?.keyOrigin ?? action.origin;
  const node = written?.value ?? ({ kind: "map", entries: [], origin: at } as const);
  if (node.kind !== "map") return { kind: "object", fields: [] };
  checkLimit(findEntry(action, "queue"), name, check);
  const schema = target?.payload ?? UNKNOWN_SCHEMA;
  return objectTemplate(node, at, schema, { scope, reporter, code: "TW181", taker: name });
}

/** A job holds one slot: of its task or of its queue. */
function checkLimit(
  queue: SourceEntry | undefined,
  task: string,
  { declarations: { queues, tasks }, reporter }: ObserverCheck,
): void {
  const name = textOf(queue?.value) ?? "";
  const isLimited = (entry: SourceEntry | undefined): boolean =>
    findEntry(entry?.value, "concurrency") !== undefined;
  if (queue === undefined || !isLimited(queues.get(name)) || !isLimited(tasks.get(task))) return;
  reporter.report({
    code: "TW132",
    at: queue.value.origin,
    message: `${quote(task)} has a limit, and so has the queue ${quote(name)}; a job counts in one`,
    hint: "name another queue",
  });
}
