// What generated code may schedule. Compiled beside the generated code of the golden case `several-files`.
import { defineRunSchedule, defineSchedule, type WorkflowDefinition } from "taskweft/generated-v1";
import { gigEscrowReleaseContract } from "./generated/contracts.js";

const settings = {
  name: "nightly",
  cron: "0 3 * * *",
  timezone: "Africa/Lagos",
  missed: "latest",
  overlap: "allow",
  jitterMs: 0,
} as const;
const payload = { contractId: "c-1", amount: { amount: 1, currency: "NGN" } } as const;

export const right = defineSchedule(gigEscrowReleaseContract, { ...settings, payload });

const partly = { ...settings, payload: { contractId: "c-1" } };
// @ts-expect-error a field is missing
export const missing = defineSchedule(gigEscrowReleaseContract, partly);

// @ts-expect-error no such field
export const extra = defineSchedule(gigEscrowReleaseContract, { ...settings, payload: { ...payload, x: 1 } });

// @ts-expect-error no such policy
export const policy = defineSchedule(gigEscrowReleaseContract, { ...settings, payload, missed: "some" });

interface Input {
  readonly region: string;
}
declare const workflow: WorkflowDefinition;

export const run = defineRunSchedule<Input>(workflow, { ...settings, input: { region: "west" } });

// @ts-expect-error a field is missing
export const emptyRun = defineRunSchedule<Input>(workflow, { ...settings, input: {} });

const replacing = { ...settings, overlap: "replace", input: { region: "west" } } as const;
export const replacedRun = defineRunSchedule<Input>(workflow, replacing);
