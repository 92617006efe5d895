/** `ctx.waitFor`: validates the options of a wait, and makes the awaitable that the handler gets. */
import type { Duration, TaskDefinition } from "../../definition/index.js";
import { durationMs, optionInvalid, optionRefused } from "../../option-values.js";
import { waitMember } from "../../protocol/index.js";
import { waitHead } from "../../workflow/index.js";

export interface WaitOptions<Values = Readonly<Record<string, unknown>>> {
  /** The values of the fields that identify the event, as `waitsFor` of the task names them. */
  readonly where: Values;
  /** Counts from the first call on, in Redis time; longer than 0. */
  readonly timeout: Duration;
}

/** What is stored of a wait. */
export interface WaitCall {
  /** The member of `listeners`. */
  readonly member: string;
  readonly timeoutMs: number;
}

/** @throws TaskweftError `OptionInvalid` */
export function waitCall(
  job: { readonly id: string; readonly queue: string },
  { name: task, waitsFor = {} }: Pick<TaskDefinition, "name" | "waitsFor">,
  name: string,
  event: string,
  options: WaitOptions,
): WaitCall {
  const { where, timeout } = (options as WaitOptions | undefined) ?? ({} as WaitOptions);
  const fields = Object.hasOwn(waitsFor, event) ? waitsFor[event] : undefined;
  if (fields === undefined) {
    const declared = Object.keys(waitsFor);
    const some = declared.length === 0 ? "none, because it declares none" : `one of ${declared.join(", ")}`;
    throw optionInvalid("event", `an event of waitsFor of ${task} (${some})`, event);
  }
  const given = typeof where === "object" && where !== null ? where : {};
  const isFound = fields.every((field) => isValue(given[field]));
  if (!isFound || Object.keys(given).length !== fields.length)
    throw optionRefused(
      "where",
      `text, a number or true or false for ${fields.join(" and ")}`,
      typesOf(given),
    );
  const timeoutMs = durationMs("timeout", timeout ?? Number.NaN, 0);
  if (timeoutMs === 0) throw optionInvalid("timeout", "a duration longer than 0", timeout);
  return { member: waitMember(waitHead(event, fields, given), job.queue, job.id, name), timeoutMs };
}

function isValue(value: unknown): boolean {
  return typeof value === "string" || typeof value === "boolean" || Number.isFinite(value);
}

/**
 * Resolves to the event, or to `undefined` after the timeout. Not a promise: the attempt rests only when
 * somebody awaits the wait, so that a handler may listen first and await later. It has no `catch`, because a
 * handler must not catch the error that ends a resting attempt.
 */
export class Wait<Event> implements PromiseLike<Event | undefined> {
  readonly #begin: () => Promise<Event | undefined>;
  #awaited: Promise<Event | undefined> | undefined;

  constructor(begin: () => Promise<Event | undefined>) {
    this.#begin = begin;
  }

  // oxlint-disable-next-line unicorn/no-thenable -- being awaited is what it is for.
  then<Kept = Event | undefined, Caught = never>(
    onKept?: ((event: Event | undefined) => Kept | PromiseLike<Kept>) | null,
    onThrown?: ((error: unknown) => Caught | PromiseLike<Caught>) | null,
  ): Promise<Kept | Caught> {
    this.#awaited ??= this.#begin();
    return this.#awaited.then(onKept, onThrown);
  }
}

/** The types only, because the values may be sensitive. */
function typesOf(given: object): string {
  const types = Object.entries(given).map(([field, value]) => `${field}: ${typeof value}`);
  return types.length === 0 ? "nothing" : types.join(", ");
}
