/** Makes the functions that generated code exports: `enqueuePaymentProcess(payload, options)` and `enqueue(name, ...)`. */
import type { AnyTaskContract, QueueDefinition, TaskContract } from "../definition/index.js";
import { TaskweftError } from "../errors.js";
import type { EnqueueItem } from "../scripts/index.js";
import type { Waiter } from "./batcher.js";
import { currentClient } from "./default-client.js";
import type { EnqueueFunction, EnqueueOptions, JobHandle } from "./enqueue-options.js";
import { JobMaker } from "./job-maker.js";
import { type Awaitable, StoredJobHandle } from "./job-handle.js";
import { durationMs } from "../option-values.js";

export function createEnqueueFunction<Payload, Result, Queue extends string>(
  contract: TaskContract<Payload, Result>,
  queues: readonly QueueDefinition[],
): EnqueueFunction<Payload, Result, Queue> {
  const maker = new JobMaker<Payload>(contract, queues);
  const keepDeadMs = contract.retention.deadMs;

  /** What is needed to send a job of these options. */
  function sender(options: EnqueueOptions<Queue> | undefined) {
    const client = options?.client ?? currentClient();
    const awaitable = awaitableOf(contract, options);
    const durability = maker.durability(options);
    return {
      make: (payload: Payload) => maker.make(client, payload, options),
      send: (
        item: EnqueueItem,
        stored: (handle: JobHandle<Result>) => void,
        failed: Waiter["failed"],
      ): void => {
        client.registerQueue(maker.queue(item.queue));
        const waiter: Waiter = {
          stored: (existing, replaced) =>
            stored(new StoredJobHandle<Result>(client, item.id, existing, replaced, awaitable, keepDeadMs)),
          failed,
          meter: maker.meter(item.queue),
        };
        client.send(item, waiter, durability);
      },
    };
  }

  // Not `async`: each promise less counts where thousands are enqueued at a time.
  function enqueueOne(payload: Payload, options?: EnqueueOptions<Queue>): Promise<JobHandle<Result>> {
    return new Promise((resolve, reject) => {
      const { make, send } = sender(options);
      send(make(payload), resolve, reject);
    });
  }

  function many(
    payloads: readonly Payload[],
    options?: EnqueueOptions<Queue>,
  ): Promise<readonly JobHandle<Result>[]> {
    return new Promise((resolve, reject) => {
      const { make, send } = sender(options);
      // All are made before the first is sent: one bad payload, and none is stored.
      const items = payloads.map(make);
      const handles: JobHandle<Result>[] = [];
      let unanswered = items.length;
      if (unanswered === 0) resolve(handles);
      for (const [index, item] of items.entries()) {
        const stored = (handle: JobHandle<Result>): void => {
          handles[index] = handle;
          unanswered -= 1;
          if (unanswered === 0) resolve(handles);
        };
        send(item, stored, reject);
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
