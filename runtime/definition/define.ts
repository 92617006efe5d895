/** Helpers that generated code calls. They only carry types: casting here once keeps the user's compiler fast. */
import type { TaskContract, TaskSchemas } from "./task-contract.js";

/** The validators of a task as plain zod schemas; their inferred types are dropped for the declared ones. */
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

/** One expression value as text in an idempotency key. `undefined` never gets here: codegen asks for `??` then. */
export function keyText(value: string | number | boolean | null): string {
  return String(value);
}
