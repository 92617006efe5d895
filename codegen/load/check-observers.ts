/**
 * Checks events and observers: compiles payloads, and checks conditions and the payloads of actions against
 * both schemas.
 */
import type { Expression, ValueTemplate } from "../model/expression.js";
import type { JsonSchemaNode } from "../model/json-schema.js";
import { checkPayloadKind, type CheckedTask } from "./check-tasks.js";
import { checkCondition } from "./expressions/check-condition.js";
import { checkDelay } from "./check-dedupe.js";
import { identifierOf } from "./check-names.js";
import { checkLimit } from "./check-references.js";
import type { Declarations } from "./declarations.js";
import type { Scope } from "./expressions/expression-types.js";
import { UNKNOWN_SCHEMA } from "./payload/compiler.js";
import type { SchemaLibrary } from "./payload/library.js";
import type { Reporter } from "./reporter.js";
import { type Origin, findEntry, type SourceEntry, type SourceNode, textOf } from "./source.js";
import { objectTemplate } from "./expressions/value-template.js";

export interface CheckedEvent {
  readonly at: Origin;
  readonly payload: JsonSchemaNode;
}

export interface CheckedObserver {
  readonly at: Origin;
  readonly when?: Expression;
  /** The payloads of the observer's actions, in the order of the file. */
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
  /** Input schemas of workflows. */
  readonly inputs: ReadonlyMap<string, JsonSchemaNode>;
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
    const when = checkCondition("when", findEntry(value, "when")?.value, scope, check.reporter);
    const actions = findEntry(value, "do")?.value;
    const payloads =
      actions?.kind === "list" ? actions.items.map((action) => checkAction(action, scope, check)) : [];
    checked.set(name, { at: keyOrigin, payloads, ...(when === undefined ? {} : { when }) });
  }
  return checked;
}

/** A missing `with` counts as `{}`; fields that it lacks are reported at the action. */
function checkAction(action: SourceNode, scope: Scope, check: ObserverCheck): ValueTemplate {
  const { inputs, reporter, tasks } = check;
  checkShape(action, reporter);
  const written = findEntry(action, "with");
  const workflow = findEntry(action, "workflow");
  const made = findEntry(action, "task") ?? workflow;
  const name = textOf(made?.value) ?? "";
  const target = made === workflow ? inputs.get(name) : tasks.get(name)?.payload;
  const at = written?.keyOrigin ?? made?.keyOrigin ?? action.origin;
  const node = written?.value ?? ({ kind: "map", entries: [], origin: at } as const);
  if (node.kind !== "map") return { kind: "object", fields: [] };
  checkLimit(findEntry(action, "queue"), name, check.declarations, reporter);
  checkDelay(findEntry(action, "delay"), name, check.declarations.tasks.get(name), reporter);
  return objectTemplate(node, at, target ?? UNKNOWN_SCHEMA, { scope, reporter, code: "TW181", taker: name });
}

/** An action enqueues a job of a task, or starts a workflow, which begins at once and has its own queues. */
function checkShape(action: SourceNode, reporter: Reporter): void {
  const [task, workflow] = ["task", "workflow"].map((key) => findEntry(action, key));
  const report = (at: Origin, message: string, hint: string): void =>
    reporter.report({ code: "TW213", at, message, hint });
  if (task === undefined && workflow === undefined) {
    report(action.origin, "an action makes a job or starts a run", "give it a task, or a workflow");
  } else if (task !== undefined && workflow !== undefined) {
    report(workflow.keyOrigin, "an action makes a job or starts a run, not both", "make it two actions");
  } else if (workflow !== undefined) {
    for (const key of ["delay", "queue"]) {
      const entry = findEntry(action, key);
      if (entry === undefined) continue;
      const hint = key === "delay" ? "let the workflow begin with a sleep" : "a workflow says its queue";
      report(entry.keyOrigin, `an action that starts a run has no ${key}`, hint);
    }
  }
}
