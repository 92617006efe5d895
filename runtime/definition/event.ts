/** What an event is and what follows from it, as generated code hands it to the runtime. */
import type { AnyTaskContract, TaskContract, Validator } from "./task-contract.js";

/** One job that an observer makes. */
export interface ActionDefinition<Event> {
  readonly contract: AnyTaskContract;
  /** The payload of the job, compiled from `with`. */
  readonly payload: (event: Event) => unknown;
  /** The job waits at least this long (ms). Default 0. */
  readonly delayMs?: number;
  /** Instead of the task's. */
  readonly queue?: string;
}

/** A run that an observer starts. */
export interface StartDefinition<Event> {
  readonly workflow: string;
  /** Computes the input and starts the run, unless there is one of this id. */
  readonly start: (
    event: Event,
    options: { readonly client: object; readonly id: string },
  ) => Promise<{ readonly id: string; readonly deduplicated: boolean }>;
}

export interface ObserverDefinition<Event> {
  readonly name: string;
  /** Compiled from `when`. Absent: every event. */
  readonly when?: (event: Event) => boolean;
  readonly actions: readonly (ActionDefinition<Event> | StartDefinition<Event>)[];
}

export interface EventDefinition<Event> {
  readonly name: string;
  /** Built on first use. An unknown key is an error. */
  readonly payload: () => Validator<Event>;
  readonly observers: readonly ObserverDefinition<Event>[];
  /** How long what is emitted can be replayed (ms). Absent: it is not kept. */
  readonly keepMs?: number;
  /** Fields by which runs of workflows wait for it, each as its path. Absent: none do. */
  readonly waitFields?: readonly (readonly string[])[];
  /** Fields by whose values handlers wait for it, each task's together, sorted. Absent: none do. */
  readonly handlerFields?: readonly (readonly string[])[];
}

/** An event of which no more is known: for lists. */
export interface UntypedEvent<Event> extends Omit<EventDefinition<Event>, "payload"> {
  /** A plain zod schema; its inferred type is dropped for the declared one. */
  readonly payload: () => unknown;
}

/** Only carries types, as `defineSchemas` does. */
export function defineEvent<Event>(event: UntypedEvent<Event>): EventDefinition<Event> {
  return Object.freeze(event) as EventDefinition<Event>;
}

/** The contract gives the payload its type: an action whose payload is wrong does not compile. */
export function defineAction<Event, Payload>(
  contract: TaskContract<Payload>,
  payload: (event: Event) => NoInfer<Payload>,
  settings: { readonly delayMs?: number; readonly queue?: string } = {},
): ActionDefinition<Event> {
  return { contract, payload, ...settings };
}

/** Fields whose values may be missing: `undefined` in, no field out. */
export function present<Fields extends object>(
  fields: Fields,
): { [Key in keyof Fields]?: Exclude<Fields[Key], undefined> } {
  const entries = Object.entries(fields).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as { [Key in keyof Fields]?: Exclude<Fields[Key], undefined> };
}

/** Lists apart: their items are looked at only when they are needed, so a list may contain itself. */
type Plain<Value> = Value extends readonly (infer Item)[]
  ? Plain<Item>[]
  : Value extends object
    ? { [Key in keyof Value]: Plain<Value[Key]> }
    : Value;

/** The value itself. An interface does not fit an open object, the same type written out does. */
export function plain<Value>(value: Value): Plain<Value> {
  return value as Plain<Value>;
}

/** `&&` in a condition: a call, so that what the compiler makes of one part does not change its view of the next. */
export function every(...conditions: readonly boolean[]): boolean {
  return conditions.every(Boolean);
}

/** `||` in a condition; see `every`. */
export function some(...conditions: readonly boolean[]): boolean {
  return conditions.some(Boolean);
}
