/** Helpers that generated code calls. They carry the types: one cast here keeps the user's compiler fast. */
import type { QuickCheck } from "./fit.js";
import { validatorOf } from "./quick-validator.js";
import type { TaskContract, TaskSchemas } from "./task-contract.js";

/** The plain zod schemas of a task, and its quick checks, where it has any. */
export interface UntypedSchemas {
  readonly payloadFits?: QuickCheck;
  readonly payloadStrict: () => unknown;
  readonly payloadLoose: () => unknown;
  readonly resultFits?: QuickCheck;
  readonly result?: () => unknown;
}

/** A value that the strict schema accepts is accepted by the loose one too, so one check serves both. */
export function defineSchemas<Payload, Result>(schemas: UntypedSchemas): TaskSchemas<Payload, Result> {
  const { payloadFits, payloadStrict, payloadLoose, resultFits, result } = schemas;
  return {
    payloadStrict: validatorOf(payloadFits, payloadStrict),
    payloadLoose: validatorOf(payloadFits, payloadLoose),
    ...(result === undefined ? {} : { result: validatorOf(resultFits, result) }),
  };
}

export function defineContract<Payload, Result>(
  contract: TaskContract<Payload, Result>,
): TaskContract<Payload, Result> {
  return Object.freeze(contract);
}

/**
 * One expression value as text in an idempotency key. Never `undefined`, because codegen then requires `??`.
 */
export function keyText(value: string | number | boolean | null): string {
  return String(value);
}
