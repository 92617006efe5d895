/**
 * Makes the functions that generated code exports for events: `emitOrderCreated(event, options)` and its
 * `replay`. All consequences of an event are sent in one tick, whatever its handlers do:
 *
 *   each observer -> its jobs and runs (observer.ts)
 *   each field that listeners match on -> the runs and handlers that listen are told (tell.ts)
 *   with a retention -> the event is stored with the actions that a replay may skip; actions that turn out
 *   not to be
 *     stored are taken off that list by a second call
 */
import {
  DURABILITIES,
  type EventDefinition,
  formatDuration,
  JOB_ID_PATTERN,
  type QueueDefinition,
} from "../definition/index.js";
import { TaskweftError } from "../errors.js";
import { optionInvalid } from "../option-values.js";
import type { KeptEvent } from "../protocol/index.js";
import { evaluate, listenerHead, waitHead } from "../workflow/index.js";
import type { TaskweftClient } from "./client.js";
import { currentClient } from "./default-client.js";
import {
  EmitIncomplete,
  type EmitFunction,
  type EmitOptions,
  type EmitResult,
  type ReplayOptions,
} from "./emit-result.js";
import { type Emission, Observer } from "./observer.js";
import { PayloadCheck } from "./payload-check.js";

export function createEmitFunction<Event, Observers>(
  definition: EventDefinition<Event>,
  queues: readonly QueueDefinition[],
): EmitFunction<Event, Observers> {
  const emitter = new Emitter(definition, queues);
  const emit = (event: Event, options: EmitOptions = {}): Promise<EmitResult> => emitter.emit(event, options);
  const replay = (id: string, options: ReplayOptions = {}): Promise<EmitResult> =>
    emitter.replay(id, options);
  return Object.assign(emit, { event: definition.name, replay }) as unknown as EmitFunction<Event, Observers>;
}

/** An event on its way to observers and listeners. */
interface Telling<Event> {
  readonly operation: Emission["operation"];
  readonly client: TaskweftClient;
  readonly id: string;
  readonly options: Pick<EmitOptions, "durability">;
  readonly payload: Event;
  readonly json: string;
  /**
   * For a retained event: its payload as it was emitted, the settled actions, and the retention that begins
   * if it is not stored yet.
   */
  readonly kept?: Pick<KeptEvent, "payload" | "settled"> & { readonly keepMs: number };
  /**
   * Observers to tell; listening runs and handlers are then left out. Absent: all observers and listeners.
   */
  readonly only?: readonly string[];
}

class Emitter<Event> {
  readonly #definition: EventDefinition<Event>;
  readonly #check: PayloadCheck<Event>;
  readonly #checkAgain: PayloadCheck<Event>;
  readonly #observers: readonly Observer<Event>[];
  readonly #queues: readonly string[];

  constructor(definition: EventDefinition<Event>, queues: readonly QueueDefinition[]) {
    const { name, payload, observers } = definition;
    this.#definition = definition;
    this.#check = new PayloadCheck(name, payload, "emit");
    this.#checkAgain = new PayloadCheck(name, payload, "replay");
    this.#observers = observers.map((observer) => new Observer(observer, queues));
    this.#queues = queues.map((queue) => queue.name);
  }

  async emit(event: Event, options: EmitOptions): Promise<EmitResult> {
    const { id } = options;
    if (id !== undefined) assertId(id);
    assertDurability(options);
    const client = options.client ?? currentClient();
    const { payload, json } = this.#check.check(event);
    const { keepMs } = this.#definition;
    const kept = keepMs === undefined ? {} : { kept: { payload: json, settled: [], keepMs } };
    const telling = { operation: "emit", client, options, json, ...kept } as const;
    if (id === undefined || keepMs === undefined)
      return await this.#tell({ ...telling, id: id ?? client.nextId(), payload });
    await this.#keepFirst(client, id, json);
    // The caller may have changed the event meanwhile.
    return await this.#tell({ ...telling, id, payload: JSON.parse(json) as Event });
  }

  async replay(id: string, options: ReplayOptions): Promise<EmitResult> {
    assertId(id);
    assertDurability(options);
    const { again = false, observers: only } = options;
    this.#assertObservers(only ?? []);
    const client = options.client ?? currentClient();
    const event = await client.keptEvent(this.#definition.name, id);
    if (event === undefined) throw eventUnknown(this.#definition, id);
    const { payload, json } = this.#checkAgain.check(JSON.parse(event.payload) as Event);
    const leftOut = only === undefined ? [] : this.#observers.filter(({ name }) => !only.includes(name));
    // The new event is meant for the chosen observers only, so a later replay of it must skip the others.
    const settled = leftOut.flatMap(({ actions }) => actions.map(({ name }) => name));
    return await this.#tell({
      operation: "replay",
      client,
      id: again ? client.nextId() : id,
      options,
      payload,
      json,
      // No retention begins with a replay: an event that has ended meanwhile stays so.
      kept: again
        ? { payload: json, settled, keepMs: this.#definition.keepMs ?? 0 }
        : { ...event, keepMs: 0 },
      ...(only === undefined ? {} : { only }),
    });
  }

  #assertObservers(chosen: readonly string[]): void {
    const names = this.#observers.map(({ name }) => name);
    const unknown = chosen.find((name) => !names.includes(name));
    if (unknown === undefined) return;
    const some = names.length === 0 ? "none, because nobody hears of it" : `some of ${names.join(", ")}`;
    throw optionInvalid("observers", some, unknown);
  }

  async #tell(telling: Telling<Event>): Promise<EmitResult> {
    const { operation, client, id, options, payload, json, kept, only } = telling;
    const emission: Emission = {
      operation,
      client,
      id,
      options,
      jobs: [],
      failed: [],
      started: [],
      replies: [],
      runs: [],
      heardBy: [],
      deaf: [],
      lost: [],
      ...(kept === undefined ? {} : { kept: keptActions(kept.settled) }),
    };
    const { name } = this.#definition;
    for (const head of only === undefined ? headsOf(this.#definition, payload) : [])
      emission.replies.push(tellListeners(emission, { head, payload: json, queues: this.#queues }));
    for (const observer of this.#observers)
      if (only === undefined || only.includes(observer.name)) observer.hear(payload, emission);
    if (kept !== undefined) emission.replies.push(this.#keep(emission, kept));
    await Promise.all(emission.replies);
    // Actions were stored as settled before their replies came: store the event again without those that
    // are not there.
    if (kept !== undefined && emission.kept?.open.length !== 0) await this.#keep(emission, kept);
    return resultOf(name, emission);
  }

  /**
   * Checks an id chosen by the caller before anything runs: a retained event of that id may have another
   * content, and then nothing of this one may run. Only emits with their own id pay for this extra round
   * trip.
   */
  async #keepFirst(client: TaskweftClient, id: string, payload: string): Promise<void> {
    const { name: event, keepMs = 0 } = this.#definition;
    let reply: "CONFLICT" | "KEPT";
    try {
      reply = await client.keepEvent({ event, id, payload, keepMs, settled: [], open: [] });
    } catch (error) {
      if (!(error instanceof TaskweftError)) throw error;
      const nothing = { id, jobs: [], failed: [], started: [], runs: [], heardBy: [] };
      throw new EmitIncomplete(event, nothing, error, { kept: false, operation: "emit" });
    }
    if (reply === "CONFLICT")
      throw eventConflict(event, id, "; nothing of this one was stored. Use another id, or none.");
  }

  /** Sent in the same tick as the event's jobs. */
  async #keep(
    { client, id, kept }: Emission,
    { payload, keepMs }: NonNullable<Telling<Event>["kept"]>,
  ): Promise<void> {
    if (kept === undefined) return;
    const { name: event } = this.#definition;
    const { settled, open } = kept;
    try {
      const reply = await client.keepEvent({ event, id, payload, keepMs, settled, open });
      if (reply === "CONFLICT") kept.failed.push(eventConflict(event, id, " since"));
    } catch (error) {
      if (!(error instanceof TaskweftError)) throw error;
      kept.failed.push(error);
    }
  }
}

function keptActions(settled: readonly string[]): NonNullable<Emission["kept"]> {
  return { before: new Set(settled), settled: [...settled], open: [], failed: [] };
}

function resultOf(event: string, emission: Emission): EmitResult {
  const { operation, id, jobs, failed, kept, lost, deaf, started } = emission;
  const stored = jobs.filter((job) => job !== undefined);
  const runs = [...new Set(emission.runs)];
  const heardBy = [...new Set(emission.heardBy)];
  const unkept = kept?.failed ?? [];
  const errors = [...lost.map(({ error }) => error), ...unkept, ...deaf];
  // A conflict says that emitting again is of no use, so it must not hide an error after which it is.
  const first = errors.find(({ code }) => code !== "IdConflict") ?? errors[0];
  if (first === undefined) return { id, jobs: stored, failed, started, runs, heardBy };
  const all = [...failed, ...lost.map(({ failure }) => failure)];
  throw new EmitIncomplete(event, { id, jobs: stored, failed: all, started, runs, heardBy }, first, {
    kept: !unkept.includes(first),
    operation,
  });
}

/** Sent in the same tick as the event's jobs. */
async function tellListeners(
  { client, id, runs, heardBy, deaf }: Emission,
  call: { readonly head: string; readonly payload: string; readonly queues: readonly string[] },
): Promise<void> {
  try {
    await client.tell({ id, ...call }, (told) => {
      runs.push(...told.runs);
      heardBy.push(...told.jobs);
    });
  } catch (error) {
    if (!(error instanceof TaskweftError)) throw error;
    deaf.push(error);
  }
}

/**
 * Key heads of the listeners that this event may concern. All listeners on the same fields are told by one
 * call.
 */
function headsOf<Event>(
  { name, waitFields = [], handlerFields = [] }: EventDefinition<Event>,
  payload: Event,
): ReadonlySet<string> {
  const values = payload as Readonly<Record<string, unknown>>;
  return new Set([
    ...waitFields.map((field) => listenerHead(name, field, valueAt(payload, field))),
    ...handlerFields.map((fields) => waitHead(name, fields, values)),
  ]);
}

function valueAt(event: unknown, field: readonly string[]): unknown {
  return evaluate(["path", "event", ...field], { event });
}

function assertId(id: string): void {
  if (!JOB_ID_PATTERN.test(id)) throw optionInvalid("id", "1 to 128 of A-Z a-z 0-9 . _ : -", id);
}

function assertDurability({ durability }: Pick<EmitOptions, "durability">): void {
  if (durability !== undefined && !DURABILITIES.includes(durability))
    throw optionInvalid("durability", `one of ${DURABILITIES.join(", ")}`, durability);
}

function eventUnknown(
  { name, keepMs }: { readonly name: string; readonly keepMs?: number },
  id: string,
): TaskweftError {
  const why =
    keepMs === undefined
      ? "its definition says no retention. Say one there, such as `retention: 7d`, run `weft codegen`, and what is emitted from then on is kept."
      : `it was never emitted here, or before it had a retention, or its retention (${formatDuration(keepMs)}) has ended. Emit it with its content.`;
  return new TaskweftError("EventUnknown", `no event ${name} with the id ${id} is kept: ${why}`, {
    operation: "replay",
  });
}

function eventConflict(event: string, id: string, more: string): TaskweftError {
  return new TaskweftError(
    "IdConflict",
    `the id ${id} belongs to an event ${event} with another content that is kept${more}`,
    { operation: "emit" },
  );
}
