/**
 * Makes the functions that generated code exports: `enqueuePaymentProcess(payload, options)` and
 * `enqueue(name, ...)`.
 */
import type { AnyTaskContract, Durability, QueueDefinition, TaskContract } from "../definition/index.js";
import { TaskweftError } from "../errors.js";
import type { JobMeter } from "../metrics/index.js";
import type { EnqueueItem } from "../scripts/index.js";
import type { Waiter } from "./batcher.js";
import type { TaskweftClient } from "./client.js";
import { currentClient } from "./default-client.js";
import type { EnqueueFunction, EnqueueOptions, JobHandle } from "./enqueue-options.js";
import { JobMaker } from "./job-maker.js";
import { type Awaitable, type HandleSource, StoredJobHandle } from "./job-handle.js";
import { durationMs } from "../option-values.js";

/** What the jobs of one call share. A class, not a literal, for the reason given at JobItem. */
class EnqueueCall implements HandleSource {
  readonly client: TaskweftClient;
  readonly awaitable: Awaitable;
  readonly keepDeadMs: number;
  readonly durability: Durability;

  constructor(client: TaskweftClient, awaitable: Awaitable, keepDeadMs: number, durability: Durability) {
    this.client = client;
    this.awaitable = awaitable;
    this.keepDeadMs = keepDeadMs;
    this.durability = durability;
  }
}

/**
 * Makes the handle of a job once it is stored. One object per job where closures would be three, because
 * thousands are made at a time.
 */
class HandleWaiter<Result> implements Waiter {
  readonly failed: Waiter["failed"];
  readonly meter: JobMeter;
  readonly #source: HandleSource;
  readonly #id: string;
  readonly #index: number;
  readonly #onStored: (handle: JobHandle<Result>, index: number) => void;

  constructor(
    source: HandleSource,
    id: string,
    meter: JobMeter,
    onStored: (handle: JobHandle<Result>, index: number) => void,
    failed: Waiter["failed"],
    index = 0,
  ) {
    this.#source = source;
    this.#id = id;
    this.meter = meter;
    this.#onStored = onStored;
    this.failed = failed;
    this.#index = index;
  }

  stored(existing: string | undefined, replaced: boolean): void {
    this.#onStored(new StoredJobHandle<Result>(this.#source, this.#id, existing, replaced), this.#index);
  }
}

export function createEnqueueFunction<Payload, Result, Queue extends string>(
  contract: TaskContract<Payload, Result>,
  queues: readonly QueueDefinition[],
): EnqueueFunction<Payload, Result, Queue> {
  const maker = new JobMaker<Payload>(contract, queues);
  const keepDeadMs = contract.retention.deadMs;

  function callOf(options: EnqueueOptions<Queue> | undefined): EnqueueCall {
    const client = options?.client ?? currentClient();
    return new EnqueueCall(client, awaitableOf(contract, options), keepDeadMs, maker.durability(options));
  }

  function send({ client, durability }: EnqueueCall, item: EnqueueItem, waiter: Waiter): void {
    client.registerQueue(maker.queue(item.queue));
    client.send(item, waiter, durability);
  }

  // Not `async`: that would add a promise per job, and thousands are enqueued at a time.
  function enqueueOne(payload: Payload, options?: EnqueueOptions<Queue>): Promise<JobHandle<Result>> {
    return new Promise((resolve, reject) => {
      const call = callOf(options);
      const item = maker.make(call.client, payload, options);
      send(call, item, new HandleWaiter(call, item.id, maker.meter(item.queue), resolve, reject));
    });
  }

  function many(
    payloads: readonly Payload[],
    options?: EnqueueOptions<Queue>,
  ): Promise<readonly JobHandle<Result>[]> {
    return new Promise((resolve, reject) => {
      const call = callOf(options);
      // All items are made before the first is sent, so that one invalid payload keeps all of them from being
      // stored.
      const items = payloads.map((payload) => maker.make(call.client, payload, options));
      const handles: JobHandle<Result>[] = [];
      let unanswered = items.length;
      if (unanswered === 0) resolve(handles);
      const stored = (handle: JobHandle<Result>, index: number): void => {
        handles[index] = handle;
        unanswered -= 1;
        if (unanswered === 0) resolve(handles);
      };
      for (const [index, item] of items.entries()) {
        send(call, item, new HandleWaiter(call, item.id, maker.meter(item.queue), stored, reject, index));
      }
    });
  }

  return Object.assign(enqueueOne, { many });
}

function awaitableOf(contract: AnyTaskContract, options: EnqueueOptions | undefined): Awaitable {
  const completed = options?.retention?.completed;
  if (durationMs("retention.completed", completed, contract.retention.completedMs) === 0) return "nothing";
  return contract.schemas.result === undefined ? "end" : "result";
}

/** `enqueue("payment:process", payload, options)`, typed by the project's task map. */
export type EnqueueByName<Tasks, Queue extends string = string> = <Name extends keyof Tasks & string>(
  task: Name,
  payload: Tasks[Name] extends { payload: infer Payload } ? Payload : never,
  options?: EnqueueOptions<Queue>,
) => Promise<JobHandle<Tasks[Name] extends { result: infer Result } ? Result : never>>;

export function createEnqueueByName<Tasks, Queue extends string>(
  contracts: readonly AnyTaskContract[],
  queues: readonly QueueDefinition[],
): EnqueueByName<Tasks, Queue> {
  const byName = new Map(
    contracts.map((contract) => [
      contract.name,
      createEnqueueFunction<unknown, unknown, Queue>(contract as TaskContract, queues),
    ]),
  );
  const byAnyName = (task: string, payload: unknown, options?: EnqueueOptions<Queue>) => {
    const enqueueOne = byName.get(task);
    if (enqueueOne !== undefined) return enqueueOne(payload, options);
    return Promise.reject(
      new TaskweftError(
        "TaskUnknown",
        `expected a task of the definitions (${[...byName.keys()].join(", ")}), got ${JSON.stringify(task)}`,
        { operation: "enqueue" },
      ),
    );
  };
  return byAnyName as EnqueueByName<Tasks, Queue>;
}
