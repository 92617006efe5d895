/** Helpers that generated code calls. They only carry types: one cast here keeps the user's compiler fast. */
import type { TaskContract, TaskSchemas } from "./task-contract.js";

/**
 * The validators of a task as plain zod schemas; their inferred types are dropped in favour of the declared
 * ones.
 */
export interface UntypedSchemas {
  readonly payloadStrict: () => unknown;
  readonly payloadLoose: () => unknown;
  readonly result?: () => unknown;
}

export function defineSchemas<Payload, Result>(schemas: UntypedSchemas): TaskSchemas<Payload, Result> {
  return schemas as TaskSchemas<Payload, Result>;
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
