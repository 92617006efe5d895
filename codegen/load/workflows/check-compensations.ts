/** Checks that each `compensate` can be triggered, and that each trigger has something to compensate. */
import { quote } from "../../model/quote.js";
import type { Reporter } from "../reporter.js";
import type { GraphStep, StepGraph } from "./step-graph.js";
import { findEntry, type Origin, type SourceNode, textOf } from "../source.js";

export function checkCompensations(
  { steps, before }: StepGraph,
  workflow: SourceNode,
  reporter: Reporter,
): void {
  const all = [...steps.values()];
  const timeoutAsks = checkTimeout(workflow, all, reporter);
  const comesBefore = (one: GraphStep, other: GraphStep): boolean =>
    before.get(other.name)?.has(one.name) === true;
  for (const step of all) {
    const { name, entry, onFailure } = step;
    const others = all.filter((other) => other !== step);
    const undo = findEntry(entry.value, "compensate");
    const rule = findEntry(entry.value, "onFailure");
    if (onFailure === "compensate" && rule !== undefined) {
      // A failed step is not compensated itself, and the steps after it have not begun.
      const undoable = others.some((other) => isUndoable(other) && !comesBefore(step, other));
      if (undoable) continue;
      reporter.report({
        code: "TW210",
        severity: "warning",
        at: rule.value.origin,
        message: `when ${quote(name)} fails there is nothing to undo: no step that can be over by then has compensate`,
        hint: "write onFailure: fail, or give a step before it a compensate",
      });
    }
    if (undo !== undefined) checkFanOut(step, undo.keyOrigin, reporter);
    if (undo === undefined || timeoutAsks) continue;
    const asks = others.some((other) => other.onFailure === "compensate" && !comesBefore(other, step));
    if (asks) continue;
    reporter.report({
      code: "TW210",
      severity: "warning",
      at: undo.keyOrigin,
      message: `only a cancelled run undoes ${quote(name)}: no step that can fail after it has onFailure: compensate`,
      hint: "add onFailure: compensate to the steps after it",
    });
  }
}

/** Only completed steps are compensated: the completed items of a fan-out that failed stay as they are. */
function checkFanOut({ name, fansOut, onFailure }: GraphStep, at: Origin, reporter: Reporter): void {
  if (!fansOut || onFailure === "continue") return;
  reporter.report({
    code: "TW210",
    severity: "warning",
    at,
    message: `when an item of ${quote(name)} fails, the items that have completed are not undone: a fan-out that fails has not completed`,
    hint: "add onFailure: continue, and fail in a step after it, or let each item be a run of a workflow that undoes itself",
  });
}

/** True where the timeout of the run leads to compensations. */
function checkTimeout(workflow: SourceNode, steps: readonly GraphStep[], reporter: Reporter): boolean {
  const timeout = findEntry(workflow, "timeout");
  const rule = findEntry(workflow, "onTimeout");
  if (rule !== undefined && timeout === undefined) {
    const message = "onTimeout says what becomes of a run whose timeout is over, and there is no timeout";
    reporter.report({ code: "TW211", at: rule.keyOrigin, message, hint: "add timeout: 24h, or delete it" });
  } else if (textOf(rule?.value) === "compensate" && rule !== undefined && !steps.some(isUndoable)) {
    reporter.report({
      code: "TW210",
      severity: "warning",
      at: rule.value.origin,
      message: "when the run's time is over there is nothing to undo: no step has compensate",
      hint: "write onTimeout: fail, or give a step a compensate",
    });
  }
  return timeout !== undefined && textOf(rule?.value) !== "fail";
}

function isUndoable({ entry }: GraphStep): boolean {
  return findEntry(entry.value, "compensate") !== undefined;
}
