/**
 * The consequences of an event: conditions and payloads are evaluated here, in the producer, and all jobs are
 * handed to the batcher in one tick.
 *
 *   each observer:  when -> no | each action: payload -> job -> stored | not stored (the emit rejects)
 *                   fails: reported        -> refused by the task's schema: stored to go dead, and reported
 */
import { createHash } from "node:crypto";
import {
  type ActionDefinition,
  JOB_ID_PATTERN,
  type ObserverDefinition,
  type QueueDefinition,
  type StartDefinition,
  type TaskContract,
} from "../definition/index.js";
import { PayloadInvalid, TaskweftError } from "../errors.js";
import type { EnqueueItem, OpenAction } from "../scripts/index.js";
import type { Waiter } from "./batcher.js";
import type { TaskweftClient } from "./client.js";
import type { EmitOptions, EmitResult, StartedRunOf } from "./emit-result.js";
import { outcomeOf } from "./job-handle.js";
import { JobMaker } from "./job-maker.js";
import { actionRunId } from "./start-action.js";

type Job = EmitResult["jobs"][number];
type Failure = EmitResult["failed"][number];

/** One call of an emit function. */
export interface Emission {
  readonly operation: "emit" | "replay";
  readonly client: TaskweftClient;
  readonly id: string;
  readonly options: Pick<EmitOptions, "durability">;
  /** Indexed by action, because replies come in any order. */
  readonly jobs: (Job | undefined)[];
  readonly failed: Failure[];
  readonly started: StartedRunOf<string>[];
  readonly replies: Promise<void>[];
  /** Workflow runs that received the event. */
  readonly runs: string[];
  /** Jobs whose handlers received the event. */
  readonly heardBy: string[];
  /** Errors because of which some listeners may not have received the event. */
  readonly deaf: TaskweftError[];
  /** Actions that Redis did not store. */
  readonly lost: { readonly failure: Failure; readonly error: TaskweftError }[];
  /** Set for a retained event. Actions are named `<observer>.<number>`. */
  readonly kept?: KeptActions;
}

interface KeptActions {
  /** Actions that were settled before this call; they are skipped. */
  readonly before: ReadonlySet<string>;
  /** `before`, and the actions that are sent now. */
  readonly settled: string[];
  /** The actions in `settled` that are not known to be stored. */
  readonly open: OpenAction[];
  /** Errors because of which the stored event may be out of date. */
  readonly failed: TaskweftError[];
}

interface OneAction<Event> {
  /** Named `<observer>.<number>`. */
  readonly name: string;
  run(event: Event, emission: Emission): void;
}

export class Observer<Event> {
  readonly name: string;
  readonly actions: readonly OneAction<Event>[];
  readonly #when: ObserverDefinition<Event>["when"];

  constructor({ name, when, actions }: ObserverDefinition<Event>, queues: readonly QueueDefinition[]) {
    this.name = name;
    this.#when = when;
    this.actions = actions.map((action, index) =>
      "workflow" in action
        ? new StartAction(name, index + 1, action)
        : new Action(name, index + 1, action, queues),
    );
  }

  /** Runs the actions. An error is recorded, not thrown, so that the other observers are still told. */
  hear(event: Event, emission: Emission): void {
    const { kept } = emission;
    const open =
      kept === undefined ? this.actions : this.actions.filter(({ name }) => !kept.before.has(name));
    if (open.length === 0) return;
    try {
      if (this.#when !== undefined && !this.#when(event)) return;
    } catch (error) {
      fail(emission, { observer: this.name, error: asError(error) });
      return;
    }
    for (const action of open) action.run(event, emission);
  }
}

class Action<Event> implements OneAction<Event> {
  readonly name: string;
  readonly #observer: string;
  readonly #number: number;
  readonly #definition: ActionDefinition<Event>;
  readonly #maker: JobMaker<unknown>;

  /** `number`: place of the action among those of its observer, from 1. */
  constructor(
    observer: string,
    number: number,
    definition: ActionDefinition<Event>,
    queues: readonly QueueDefinition[],
  ) {
    this.name = `${observer}.${number}`;
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
      if (refused === undefined) fail(emission, { ...this.#about, error: asError(error) });
      else this.#send(refused, emission, asError(error));
    }
  }

  get #about(): { readonly observer: string; readonly task: string } {
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
      // The job cannot be stored either (too large, or not JSON); its first refusal is reported.
      return undefined;
    }
  }

  /** `refusal`: why the job will go dead. */
  #send(
    item: EnqueueItem,
    { client, jobs, failed, kept, replies, lost, options }: Emission,
    refusal?: Error,
  ): void {
    const durability = this.#maker.durability(options);
    const place = jobs.push(undefined) - 1;
    client.registerQueue(this.#maker.queue(item.queue));
    kept?.settled.push(this.name);
    const stored: Waiter["stored"] = (existing, replaced) => {
      const id = existing ?? item.id;
      const outcome = outcomeOf(existing, replaced);
      if (refusal === undefined)
        jobs[place] = { ...this.#about, id, deduplicated: existing !== undefined, outcome };
      else failed.push({ ...this.#about, error: refusal, jobId: id });
    };
    replies.push(
      new Promise((resolve) => {
        const waiter: Waiter = {
          stored: (existing, replaced) => resolve(stored(existing, replaced)),
          failed: (error) => {
            lost.push({ failure: { ...this.#about, error }, error });
            if (!isTaken(error)) kept?.open.push({ name: this.name, id: item.id });
            resolve();
          },
          meter: this.#maker.meter(item.queue),
        };
        client.send(item, waiter, durability);
      }),
    );
  }
}

/** Error codes for an invalid input, or for an invalid key made from it. */
const REFUSALS: ReadonlySet<string> = new Set(["OptionInvalid", "PayloadInvalid"]);

class StartAction<Event> implements OneAction<Event> {
  readonly name: string;
  readonly #observer: string;
  readonly #number: number;
  readonly #definition: StartDefinition<Event>;

  constructor(observer: string, number: number, definition: StartDefinition<Event>) {
    this.name = `${observer}.${number}`;
    this.#observer = observer;
    this.#number = number;
    this.#definition = definition;
  }

  run(event: Event, emission: Emission): void {
    emission.kept?.settled.push(this.name);
    emission.replies.push(this.#start(event, emission));
  }

  async #start(event: Event, emission: Emission): Promise<void> {
    const { client, kept, started, lost } = emission;
    const { workflow, start } = this.#definition;
    const about = { observer: this.#observer, workflow };
    const id = actionRunId(emission.id, this.#observer, this.#number);
    try {
      const run = await start(event, { client, id });
      started.push({ ...about, id: run.id, deduplicated: run.deduplicated });
    } catch (error) {
      if (!isTaken(error)) kept?.open.push({ name: this.name, id });
      // A refusal by the workflow's schema is final and would repeat, so only other errors count as lost.
      const isLost = error instanceof TaskweftError && !REFUSALS.has(error.code);
      if (isLost) lost.push({ failure: { ...about, error }, error });
      else fail(emission, { ...about, error: asError(error) });
    }
  }
}

/**
 * An action's id is its own, so if it is taken, the action was done, by rules that have changed since. If a
 * replay did it again after that job is forgotten, the work would be done twice.
 */
function isTaken(error: unknown): boolean {
  return error instanceof TaskweftError && error.code === "IdConflict";
}

/** Logs the failure: nothing is stored that an operator could find later. */
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

/**
 * The id says where the job came from. Names of observers contain no dots, so no two events and observers give
 * the same id. The two dots keep it apart from the steps of a run that has the event's id.
 */
export function actionJobId(event: string, observer: string, number: number): string {
  const readable = `${event}..${observer}.${number}`;
  if (JOB_ID_PATTERN.test(readable)) return readable;
  return `event..${createHash("sha256").update(readable).digest("hex").slice(0, 40)}`;
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
