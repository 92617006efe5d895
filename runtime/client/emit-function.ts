/**
 * Makes the functions that generated code exports for events: `emitOrderCreated(event, options)`. Conditions are evaluated here,
 * in the producer, and all jobs are handed to the batcher in one tick, so that they travel in one call, whatever handlers do.
 *
 *   each observer:  when -> no | each action: payload -> job -> stored | not stored (the emit rejects)
 *                   fails: reported        -> refused by the task's schema: stored to go dead, and reported
 *   each field by which runs of workflows wait for it -> the runs that listen hear of it
 */
import { createHash } from "node:crypto";
import {
  type ActionDefinition,
  DURABILITIES,
  type EventDefinition,
  JOB_ID_PATTERN,
  type ObserverDefinition,
  type QueueDefinition,
  type StartDefinition,
  type TaskContract,
} from "../definition/index.js";
import { PayloadInvalid, TaskweftError } from "../errors.js";
import { optionInvalid } from "../option-values.js";
import type { EnqueueItem } from "../scripts/index.js";
import { evaluate, listenerHead } from "../workflow/index.js";
import type { Waiter } from "./batcher.js";
import type { TaskweftClient } from "./client.js";
import { currentClient } from "./default-client.js";
import {
  EmitIncomplete,
  type EmitFunction,
  type EmitOptions,
  type EmitResult,
  type StartedRunOf,
} from "./emit-result.js";
import { outcomeOf } from "./job-handle.js";
import { JobMaker } from "./job-maker.js";
import { PayloadCheck } from "./payload-check.js";
import { actionRunId } from "./start-action.js";

type Job = EmitResult["jobs"][number];
type Failure = EmitResult["failed"][number];

/** One call of an emit function. */
interface Emission {
  readonly client: TaskweftClient;
  readonly id: string;
  readonly options: EmitOptions;
  /** By its place: replies come in any order. */
  readonly jobs: (Job | undefined)[];
  readonly failed: Failure[];
  readonly started: StartedRunOf<string>[];
  readonly replies: Promise<void>[];
  /** Runs of workflows that have heard of it, and why some may have not. */
  readonly runs: string[];
  readonly deaf: TaskweftError[];
  /** What Redis did not store. */
  readonly lost: { readonly failure: Failure; readonly error: TaskweftError }[];
}

export function createEmitFunction<Event, Observers>(
  definition: EventDefinition<Event>,
  queues: readonly QueueDefinition[],
): EmitFunction<Event, Observers> {
  const check = new PayloadCheck(definition.name, definition.payload, "emit");
  const observers = definition.observers.map((observer) => new Observer(observer, queues));
  const names = queues.map((queue) => queue.name);

  async function emit(event: Event, options: EmitOptions = {}): Promise<EmitResult> {
    const { id, durability } = options;
    if (id !== undefined && !JOB_ID_PATTERN.test(id))
      throw optionInvalid("id", "1 to 128 of A-Z a-z 0-9 . _ : -", id);
    if (durability !== undefined && !DURABILITIES.includes(durability))
      throw optionInvalid("durability", `one of ${DURABILITIES.join(", ")}`, durability);
    const client = options.client ?? currentClient();
    const { payload, json } = check.check(event);
    const emission: Emission = {
      client,
      id: id ?? client.nextId(),
      options,
      jobs: [],
      failed: [],
      started: [],
      replies: [],
      runs: [],
      deaf: [],
      lost: [],
    };
    for (const field of definition.waitFields ?? []) {
      const head = listenerHead(definition.name, field, valueAt(payload, field));
      emission.replies.push(tell(emission, { head, payload: json, queues: names }));
    }
    for (const observer of observers) observer.hear(payload, emission);
    await Promise.all(emission.replies);
    return resultOf(definition.name, emission);
  }

  return emit as unknown as EmitFunction<Event, Observers>;
}

function resultOf(event: string, emission: Emission): EmitResult {
  const { id, jobs, failed, lost, deaf, started } = emission;
  const stored = jobs.filter((job) => job !== undefined);
  const runs = [...new Set(emission.runs)];
  const first = lost[0]?.error ?? deaf[0];
  if (first === undefined) return { id, jobs: stored, failed, started, runs };
  const all = [...failed, ...lost.map(({ failure }) => failure)];
  throw new EmitIncomplete(event, { id, jobs: stored, failed: all, started, runs }, first);
}

/** Sent in the tick of the emit, beside its jobs. */
async function tell(
  { client, id, runs, deaf }: Emission,
  call: { readonly head: string; readonly payload: string; readonly queues: readonly string[] },
): Promise<void> {
  try {
    runs.push(...(await client.tellRuns({ id, ...call })));
  } catch (error) {
    if (!(error instanceof TaskweftError)) throw error;
    deaf.push(error);
  }
}

function valueAt(event: unknown, field: readonly string[]): unknown {
  return evaluate(["path", "event", ...field], { event });
}

class Observer<Event> {
  readonly #definition: ObserverDefinition<Event>;
  readonly #actions: readonly { run: (event: Event, emission: Emission) => void }[];

  constructor(definition: ObserverDefinition<Event>, queues: readonly QueueDefinition[]) {
    this.#definition = definition;
    this.#actions = definition.actions.map((action, index) =>
      "workflow" in action
        ? new StartAction(definition.name, index + 1, action)
        : new Action(definition.name, index + 1, action, queues),
    );
  }

  /** What goes wrong here must not keep the others from hearing. */
  hear(event: Event, emission: Emission): void {
    const { name, when } = this.#definition;
    try {
      if (when !== undefined && !when(event)) return;
    } catch (error) {
      fail(emission, { observer: name, error: asError(error) });
      return;
    }
    for (const action of this.#actions) action.run(event, emission);
  }
}

class Action<Event> {
  readonly #observer: string;
  readonly #number: number;
  readonly #definition: ActionDefinition<Event>;
  readonly #maker: JobMaker<unknown>;

  /** `number`: its place among the observer's actions, from 1. */
  constructor(
    observer: string,
    number: number,
    definition: ActionDefinition<Event>,
    queues: readonly QueueDefinition[],
  ) {
    this.#observer = observer;
    this.#number = number;
    this.#definition = definition;
    this.#maker = new JobMaker(definition.contract as TaskContract, queues);
  }

  run(event: Event, emission: Emission): void {
    const { client, id } = emission;
    const { delayMs, queue } = this.#definition;
    const options = {
      id: actionJobId(id, this.#observer, this.#number),
      ...(delayMs === undefined ? {} : { delay: delayMs }),
      ...(queue === undefined ? {} : { queue }),
    };
    let payload: unknown;
    try {
      payload = this.#definition.payload(event);
      this.#send(this.#maker.make(client, payload, options), emission);
    } catch (error) {
      const refused = error instanceof PayloadInvalid ? this.#refused(client, payload, options) : undefined;
      if (refused === undefined) fail(emission, { ...this.#name, error: asError(error) });
      else this.#send(refused, emission, asError(error));
    }
  }

  get #name(): { readonly observer: string; readonly task: string } {
    return { observer: this.#observer, task: this.#definition.contract.name };
  }

  #refused(
    client: TaskweftClient,
    payload: unknown,
    options: { readonly id: string },
  ): EnqueueItem | undefined {
    try {
      return this.#maker.makeRefused(client, payload, options);
    } catch {
      // It cannot be stored either (too large, no JSON); why it was refused in the first place is reported.
      return undefined;
    }
  }

  /** `refusal`: why the job will be dead. */
  #send(
    item: EnqueueItem,
    { client, jobs, failed, replies, lost, options }: Emission,
    refusal?: Error,
  ): void {
    const durability = this.#maker.durability(options);
    const place = jobs.push(undefined) - 1;
    client.registerQueue(this.#maker.queue(item.queue));
    const stored: Waiter["stored"] = (existing, replaced) => {
      const id = existing ?? item.id;
      const outcome = outcomeOf(existing, replaced);
      if (refusal === undefined)
        jobs[place] = { ...this.#name, id, deduplicated: existing !== undefined, outcome };
      else failed.push({ ...this.#name, error: refusal, jobId: id });
    };
    replies.push(
      new Promise((resolve) => {
        const waiter: Waiter = {
          stored: (existing, replaced) => resolve(stored(existing, replaced)),
          failed: (error) => {
            lost.push({ failure: { ...this.#name, error }, error });
            resolve();
          },
        };
        client.send(item, waiter, durability);
      }),
    );
  }
}

class StartAction<Event> {
  readonly #observer: string;
  readonly #number: number;
  readonly #definition: StartDefinition<Event>;

  constructor(observer: string, number: number, definition: StartDefinition<Event>) {
    this.#observer = observer;
    this.#number = number;
    this.#definition = definition;
  }

  run(event: Event, emission: Emission): void {
    emission.replies.push(this.#start(event, emission));
  }

  async #start(event: Event, emission: Emission): Promise<void> {
    const { client, started, lost } = emission;
    const { workflow, start } = this.#definition;
    const name = { observer: this.#observer, workflow };
    try {
      const run = await start(event, { client, id: actionRunId(emission.id, this.#observer, this.#number) });
      started.push({ ...name, id: run.id, deduplicated: run.deduplicated });
    } catch (error) {
      // What the workflow refuses is not there afterwards, and would be refused again.
      const isLost = error instanceof TaskweftError && !(error instanceof PayloadInvalid);
      if (isLost) lost.push({ failure: { ...name, error }, error });
      else fail(emission, { ...name, error: asError(error) });
    }
  }
}

/** Nothing is stored that people could find later, so it is said where nobody has to ask for it. */
function fail({ failed, id }: Emission, failure: Failure): void {
  failed.push(failure);
  const { observer, task, workflow, error } = failure;
  const made = task ?? workflow;
  const what = made === undefined ? "its condition" : `its action ${made}`;
  process.emitWarning(
    `the observer ${observer} did not follow the event ${id}: ${what} failed: ${error.message}`,
    {
      type: "TaskweftWarning",
      code: "OBSERVER_FAILED",
    },
  );
}

/** Names where the job came from. Names of observers have no dots, so no two events and observers give one id. */
export function actionJobId(event: string, observer: string, number: number): string {
  const readable = `${event}.${observer}.${number}`;
  if (JOB_ID_PATTERN.test(readable)) return readable;
  return `event.${createHash("sha256").update(readable).digest("hex").slice(0, 40)}`;
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
