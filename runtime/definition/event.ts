/** An event and its consequences, as generated code hands them to the runtime. */
import type { QuickCheck } from "./fit.js";
import { validatorOf } from "./quick-validator.js";
import type { AnyTaskContract, TaskContract, Validator } from "./task-contract.js";

/** A job that an observer enqueues. */
export interface ActionDefinition<Event> {
  readonly contract: AnyTaskContract;
  /** The payload of the job, compiled from `with`. */
  readonly payload: (event: Event) => unknown;
  /** Minimum wait before the job starts (ms). Default 0. */
  readonly delayMs?: number;
  /** Overrides the task's queue. */
  readonly queue?: string;
}

/** A workflow run that an observer starts. */
export interface StartDefinition<Event> {
  readonly workflow: string;
  /** Computes the input and starts the run, unless a run with this id exists. */
  readonly start: (
    event: Event,
    options: { readonly client: object; readonly id: string },
  ) => Promise<{ readonly id: string; readonly deduplicated: boolean }>;
}

export interface ObserverDefinition<Event> {
  readonly name: string;
  /** Compiled from `when`. Absent: the observer reacts to every event. */
  readonly when?: (event: Event) => boolean;
  readonly actions: readonly (ActionDefinition<Event> | StartDefinition<Event>)[];
}

export interface EventDefinition<Event> {
  readonly name: string;
  /** Built on first use. Rejects unknown keys. */
  readonly payload: () => Validator<Event>;
  readonly observers: readonly ObserverDefinition<Event>[];
  /** How long emitted events can be replayed (ms). Absent: they are not stored. */
  readonly keepMs?: number;
  /** Paths of the fields by which workflow runs wait for the event. Absent: no run waits for it. */
  readonly waitFields?: readonly (readonly string[])[];
  /**
   * Fields by whose values handlers wait for the event, sorted, one list per task. Absent: no handler waits
   * for it.
   */
  readonly handlerFields?: readonly (readonly string[])[];
}

/** An event whose payload type does not matter: for lists of events. */
export interface UntypedEvent<Event> extends Omit<EventDefinition<Event>, "payload"> {
  readonly payloadFits?: QuickCheck;
  /** A plain zod schema. */
  readonly payload: () => unknown;
}

export function defineEvent<Event>({
  payloadFits,
  payload,
  ...event
}: UntypedEvent<Event>): EventDefinition<Event> {
  return Object.freeze({ ...event, payload: validatorOf<Event>(payloadFits, payload) });
}

/** The contract types the payload, so an action with a wrong payload does not compile. */
export function defineAction<Event, Payload>(
  contract: TaskContract<Payload>,
  payload: (event: Event) => NoInfer<Payload>,
  settings: { readonly delayMs?: number; readonly queue?: string } = {},
): ActionDefinition<Event> {
  return { contract, payload, ...settings };
}

/** Leaves out the fields whose value is `undefined`. */
export function present<Fields extends object>(
  fields: Fields,
): { [Key in keyof Fields]?: Exclude<Fields[Key], undefined> } {
  const entries = Object.entries(fields).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as { [Key in keyof Fields]?: Exclude<Fields[Key], undefined> };
}

/** Lists are a case of their own: TypeScript resolves their items lazily, so a list may contain itself. */
type Plain<Value> = Value extends readonly (infer Item)[]
  ? Plain<Item>[]
  : Value extends object
    ? { [Key in keyof Value]: Plain<Value[Key]> }
    : Value;

/**
 * Returns the value unchanged, typed without interfaces: an interface is not assignable to an open object,
 * while the same type written out is.
 */
export function plain<Value>(value: Value): Plain<Value> {
  return value as Plain<Value>;
}

/** `&&` in a condition. A call, so that the compiler does not narrow types in one part by the part before. */
export function every(...conditions: readonly boolean[]): boolean {
  return conditions.every(Boolean);
}

/** `||` in a condition; see `every`. */
export function some(...conditions: readonly boolean[]): boolean {
  return conditions.some(Boolean);
}
