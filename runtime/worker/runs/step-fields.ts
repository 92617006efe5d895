/**
 * The fields of a run that the job of one of its steps reads. Jobs that are claimed together read them in one
 * call.
 */
import { runFields } from "../../protocol/index.js";
import { areGiven, undoneField } from "../../workflow/index.js";
import type { RunReader } from "./run-reader.js";
import { type StepContext, stepsOf } from "../claims/step-context.js";

export function addFields(reader: RunReader, context: StepContext, fields: Set<string>): void {
  const { graph, run, step, item, undoes } = context;
  for (const field of reader.fieldsOfRecord(run)) fields.add(field);
  fields.add(runFields.state(run));
  addOwnFields(context, fields);
  if (item !== undefined || (step.forEach !== undefined && !undoes))
    fields.add(runFields.items(run, step.name));
  if (step.waitFor !== undefined)
    fields.add(runFields.heard(run, step.name)).add(runFields.waitsUntil(run, step.name));
  for (const field of reader.fieldsOf(graph, run, stepsOf(graph, step, undoes))) fields.add(field);
}

/** The fields that no other job of the run reads. */
export function addOwnFields(context: StepContext, fields: Set<string>): void {
  const { run, step, item } = context;
  fields.add(ownField(context));
  if (item !== undefined && !areGiven(step)) fields.add(runFields.item(run, step.name, item.index));
}

/** The field with the outcome of the step, of its item, or of the job that undoes it. */
export function ownField({ run, step, item, undoes }: StepContext): string {
  if (undoes) return runFields.step(run, undoneField(step.name));
  return runFields.step(run, item === undefined ? step.name : `${step.name}.${item.index}`);
}
