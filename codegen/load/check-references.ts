/**
 * Checks that the queues, retry policies, tasks and workflows that definitions name are declared in the
 * project.
 */
import { DEFAULT_QUEUE_NAME } from "../../runtime/definition/index.js";
import { listed, quote } from "../model/quote.js";
import type { Declarations } from "./declarations.js";
import { didYouMean } from "./did-you-mean.js";
import type { Reporter } from "./reporter.js";
import { entriesOf, findEntry, type SourceEntry, type SourceNode, textOf } from "./source.js";
import { nameProblem } from "./check-names.js";

export function checkReferences(declarations: Declarations, reporter: Reporter): void {
  const { queues, retryPolicies, tasks, defaults } = declarations;
  const queueNames = queues.size === 0 ? [DEFAULT_QUEUE_NAME] : [...queues.keys()];
  const policyNames = [...retryPolicies.keys()];
  const taskNames = [...tasks.keys()];
  const workflowNames = [...declarations.workflows.keys()];
  const eventNames = [...declarations.events.keys()];
  for (const { value } of declarations.schedules.values()) {
    checkName("task", findEntry(value, "task")?.value, taskNames, "tasks", reporter);
    checkName("workflow", findEntry(value, "workflow")?.value, workflowNames, "workflows", reporter);
  }
  for (const { value } of declarations.observers.values()) {
    checkName("event", findEntry(value, "on")?.value, eventNames, "events", reporter);
    const actions = findEntry(value, "do")?.value;
    for (const action of actions?.kind === "list" ? actions.items : []) {
      checkName("task", findEntry(action, "task")?.value, taskNames, "tasks", reporter);
      checkName("workflow", findEntry(action, "workflow")?.value, workflowNames, "workflows", reporter);
      checkName("queue", findEntry(action, "queue")?.value, queueNames, "queues", reporter);
    }
  }
  for (const { value } of declarations.workflows.values()) {
    checkName("queue", findEntry(value, "queue")?.value, queueNames, "queues", reporter);
    for (const { value: step } of entriesOf(findEntry(value, "steps")?.value)) {
      const undo = findEntry(step, "compensate")?.value;
      checkName("event", findEntry(step, "waitFor")?.value, eventNames, "events", reporter);
      checkName("task", findEntry(step, "task")?.value, taskNames, "tasks", reporter);
      checkName("workflow", findEntry(step, "workflow")?.value, workflowNames, "workflows", reporter);
      checkName("queue", findEntry(step, "queue")?.value, queueNames, "queues", reporter);
      checkName("task", findEntry(undo, "task")?.value, taskNames, "tasks", reporter);
    }
  }
  const holders = [defaults, ...Array.from(tasks.values(), (entry) => entry.value)];
  for (const holder of holders) {
    const retry = findEntry(holder, "retry")?.value;
    const policy = retry?.kind === "map" ? findEntry(retry, "use")?.value : retry;
    checkName("queue", findEntry(holder, "queue")?.value, queueNames, "queues", reporter);
    checkName("retry policy", policy, policyNames, "retryPolicies", reporter);
    checkName("task", findEntry(holder, "onExhausted")?.value, taskNames, "tasks", reporter);
    for (const { key, keyOrigin } of entriesOf(findEntry(holder, "waitsFor")?.value))
      checkName("event", { kind: "scalar", value: key, origin: keyOrigin }, eventNames, "events", reporter);
    for (const { key, keyOrigin } of entriesOf(findEntry(holder, "errors")?.value)) {
      const problem = nameProblem("error", key, keyOrigin);
      if (problem !== undefined) reporter.report(problem);
    }
  }
  checkDefaultQueue(declarations, queueNames, reporter);
  checkLimits(declarations, reporter);
}

/** A job counts either in the limits of its task or in those of its queue. */
function checkLimits({ queues, tasks, defaults }: Declarations, reporter: Reporter): void {
  const general = textOf(findEntry(defaults, "queue")?.value) ?? DEFAULT_QUEUE_NAME;
  for (const { key, value } of tasks.values()) {
    const [limit, turns] = [limitIn(value), findEntry(value, "fairness")];
    const queue = textOf(findEntry(value, "queue")?.value) ?? general;
    if (limitIn(queues.get(queue)?.value) === undefined) continue;
    if (limit !== undefined) {
      reporter.report({
        code: "TW132",
        at: limit.keyOrigin,
        message: `${quote(key)} has a limit, and so has its queue ${quote(queue)}; a job counts in one`,
        hint: "delete one of them, or give the task another queue",
      });
    } else if (turns !== undefined) {
      reporter.report({
        code: "TW164",
        at: turns.keyOrigin,
        message: `${quote(key)} takes turns between keys, and its queue ${quote(queue)} has a limit; a job waits for one of them`,
        hint: "give the task another queue, or leave fairness or the limit of the queue out",
      });
    }
  }
}

function limitIn(holder: SourceNode | undefined): SourceEntry | undefined {
  return findEntry(holder, "concurrency") ?? findEntry(holder, "rateLimit");
}

/** The same check for a job with another queue than its task's. */
export function checkLimit(
  queue: SourceEntry | undefined,
  task: string,
  { queues, tasks }: Declarations,
  reporter: Reporter,
): void {
  const name = textOf(queue?.value) ?? "";
  const own = tasks.get(task)?.value;
  if (queue === undefined || limitIn(queues.get(name)?.value) === undefined) return;
  const [at, hint] = [queue.value.origin, "name another queue"];
  if (limitIn(own) !== undefined) {
    const message = `${quote(task)} has a limit, and so has the queue ${quote(name)}; a job counts in one`;
    reporter.report({ code: "TW132", at, message, hint });
  } else if (findEntry(own, "fairness") !== undefined) {
    const message = `${quote(task)} takes turns between keys, and the queue ${quote(name)} has a limit; a job waits for one of them`;
    reporter.report({ code: "TW164", at, message, hint });
  }
}

function checkName(
  kind: string,
  node: SourceNode | undefined,
  names: readonly string[],
  section: string,
  reporter: Reporter,
): void {
  const name = textOf(node);
  if (name === undefined || node === undefined || names.includes(name)) return;
  const list = names.length === 0 ? `declare it in ${section}` : `${section}: ${listed(names)}`;
  reporter.report({
    code: "TW108",
    at: node.origin,
    message: `no ${kind} ${quote(name)}`,
    hint: didYouMean(name, names) ?? list,
  });
}

/** If queues are declared but `default` is not among them, a task without a queue has nowhere to go. */
function checkDefaultQueue(
  declarations: Declarations,
  queueNames: readonly string[],
  reporter: Reporter,
): void {
  if (queueNames.includes(DEFAULT_QUEUE_NAME) || findEntry(declarations.defaults, "queue") !== undefined)
    return;
  for (const section of ["tasks", "workflows"] as const) {
    for (const { key, keyOrigin, value } of declarations[section].values()) {
      if (value.kind !== "map" || findEntry(value, "queue") !== undefined) continue;
      reporter.report({
        code: "TW103",
        at: keyOrigin,
        message: `missing "queue" in ${section} > ${key}: there is no queue "default"`,
        hint: `add queue: ${queueNames[0]}, or say so once in defaults`,
      });
    }
  }
}
