/** Checks which keys of a step go together: it has a task or a workflow, sleeps, or waits for an event. */
import { quote } from "../../model/quote.js";
import type { Problem, Reporter } from "../reporter.js";
import { entriesOf, findEntry, type SourceEntry, type SourceNode, textOf } from "../source.js";

/** Keys allowed in a step without a job. */
const SLEEP_KEYS: ReadonlySet<string> = new Set(["description", "join", "needs", "sleep"]);
const WAIT_KEYS: ReadonlySet<string> = new Set([
  "description",
  "if",
  "join",
  "match",
  "needs",
  "onFailure",
  "timeout",
  "waitFor",
]);
/** Keys that only a step with a job can have, each with a hint what to do instead. */
const JOB_KEYS: ReadonlyMap<string, string> = new Map([
  ["queue", "its steps have queues of their own; delete it"],
  ["retry", "its steps have retries of their own; delete it"],
  ["timeout", "give the workflow a timeout"],
]);

type Report = (at: Problem["at"], message: string, hint?: string, code?: Problem["code"]) => void;

export function checkShape({ key, keyOrigin, value }: SourceEntry, reporter: Reporter): void {
  if (value.kind !== "map") return;
  const report: Report = (at, message, hint, code = "TW200") => reporter.report({ code, at, message, hint });
  const sleep = findEntry(value, "sleep");
  const task = findEntry(value, "task");
  const wait = findEntry(value, "waitFor");
  const match = findEntry(value, "match");
  const workflow = findEntry(value, "workflow");
  const other = sleep ?? wait;
  if (workflow !== undefined) {
    checkWorkflow(key, workflow, value, report);
  } else if (other === undefined && task === undefined) {
    report(
      keyOrigin,
      `the step ${quote(key)} does nothing`,
      "give it a task, a workflow, sleep: 1h, or an event to waitFor",
    );
  } else if (other !== undefined && task !== undefined) {
    const hint = "make the wait a step of its own";
    report(other.keyOrigin, `the step ${quote(key)} has a task, and it waits`, hint);
  } else if (sleep !== undefined && wait !== undefined) {
    const hint = "make one of them a step of its own";
    report(sleep.keyOrigin, `the step ${quote(key)} sleeps, and it waits for an event`, hint);
  } else if (sleep !== undefined) {
    checkKeys(value.entries, SLEEP_KEYS, report);
  } else if (wait !== undefined) {
    checkKeys(value.entries, WAIT_KEYS, report);
    checkWait(key, wait, value, report);
  }
  if (match !== undefined && wait === undefined)
    report(match.keyOrigin, "match says which event a step waits for, and there is no waitFor");
  const parallel = findEntry(value, "maxParallel");
  if ((task ?? workflow) !== undefined && parallel !== undefined && findEntry(value, "forEach") === undefined)
    report(parallel.keyOrigin, "maxParallel says how many items run at a time, and there is no forEach");
}

function checkWorkflow(step: string, workflow: SourceEntry, value: SourceNode, report: Report): void {
  for (const { key, keyOrigin } of entriesOf(value)) {
    const hint = JOB_KEYS.get(key);
    if (key === "task" || key === "sleep" || key === "waitFor") {
      const message = `the step ${quote(step)} has a workflow, and ${quote(key)} as well`;
      report(keyOrigin, message, "make one of them a step of its own", "TW215");
    } else if (hint !== undefined) {
      const name = textOf(workflow.value) ?? "a workflow";
      report(
        keyOrigin,
        `a step with a workflow has no ${quote(key)}`,
        hint.replace("the workflow", name),
        "TW215",
      );
    }
  }
}

function checkKeys(entries: readonly SourceEntry[], allowed: ReadonlySet<string>, report: Report): void {
  for (const { key, keyOrigin } of entries) {
    if (allowed.has(key)) continue;
    const hint = key === "if" ? "put the condition on the steps after it" : "delete it";
    report(keyOrigin, `a step that waits has no ${quote(key)}`, hint);
  }
}

/** Requires a timeout, so that no run hangs, and a `match`, so that an emit can find the run. */
function checkWait(step: string, { keyOrigin }: SourceEntry, value: SourceNode, report: Report): void {
  if (findEntry(value, "timeout") === undefined) {
    const message = `the step ${quote(step)} could wait for ever`;
    report(keyOrigin, message, "add timeout: 24h, and onFailure if the run is to go on then", "TW211");
  }
  if (findEntry(value, "match") === undefined) {
    const message = `the step ${quote(step)} does not say which event is for its run`;
    report(keyOrigin, message, 'add match: "${{ event.orderId == input.orderId }}"', "TW212");
  }
}
