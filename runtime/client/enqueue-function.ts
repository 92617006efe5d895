/** Makes the functions that generated code exports: `enqueuePaymentProcess(payload, options)` and `enqueue(name, ...)`. */
import type { AnyTaskContract, Durability, QueueDefinition, TaskContract } from "../definition/index.js";
import { TaskweftError } from "../errors.js";
import type { EnqueueItem } from "../scripts/index.js";
import type { TaskweftClient } from "./client.js";
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

  function send(
    client: TaskweftClient,
    item: EnqueueItem,
    awaitable: Awaitable,
    durability: Durability,
  ): Promise<JobHandle<Result>> {
    client.registerQueue(maker.queue(item.queue));
    return new Promise((resolve, reject) => {
      client.send(
        item,
        {
          stored: (existing) => resolve(new StoredJobHandle<Result>(client, item.id, existing, awaitable)),
          failed: reject,
        },
        durability,
      );
    });
  }

  function enqueueOne(payload: Payload, options?: EnqueueOptions<Queue>): Promise<JobHandle<Result>> {
    try {
      const client = options?.client ?? currentClient();
      const item = maker.make(client, payload, options);
      return send(client, item, awaitableOf(contract, options), maker.durability(options));
    } catch (error) {
      return Promise.reject(error as Error);
    }
  }

  async function many(
    payloads: readonly Payload[],
    options?: EnqueueOptions<Queue>,
  ): Promise<readonly JobHandle<Result>[]> {
    const client = options?.client ?? currentClient();
    const items = payloads.map((payload) => maker.make(client, payload, options));
    const awaitable = awaitableOf(contract, options);
    const durability = maker.durability(options);
    return await Promise.all(items.map((item) => send(client, item, awaitable, durability)));
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
