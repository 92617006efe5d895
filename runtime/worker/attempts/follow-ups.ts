/**
 * Enqueues the job of `onExhausted` when a job goes dead. The follow-up is stored before the death is
 * written: if the worker dies between the two, the job runs again, but no death goes unreported. The id of
 * the follow-up is derived from the dead job, so the next attempt that fails there finds it and adds no
 * second one.
 */
import { createHash } from "node:crypto";
import type { Connection } from "../../connection/index.js";
import {
  type AnyTaskContract,
  type Exhausted,
  type FollowUpRule,
  JOB_ID_PATTERN,
  limitKey,
  type QueueDefinition,
} from "../../definition/index.js";
import { processMetrics } from "../../metrics/index.js";
import {
  randomName,
  datedHead,
  type JobRun,
  type RecordOptions,
  type ShardKeys,
} from "../../protocol/index.js";
import { enqueue, type EnqueueItem } from "../../scripts/index.js";
import type { Claim } from "../claims/claim.js";
import { fittingGroup } from "./fitting-group.js";
import type { Registry } from "../handler.js";
import { describeError } from "./outcome.js";

export interface FollowUpPorts {
  /**
   * The shard in which a job with this id belongs, given the key of its limit (`""` without one), and the id
   * to use there.
   */
  readonly homeOf: (
    id: string,
    key: string,
  ) => { readonly connection: Connection; readonly keys: ShardKeys; readonly id: string };
  readonly registry: Registry;
}

export class FollowUps {
  readonly #ports: FollowUpPorts;
  readonly #contracts: ReadonlyMap<string, AnyTaskContract>;
  readonly #queues: ReadonlyMap<string, QueueDefinition>;

  /** @throws Error for a registry that codegen did not make. */
  constructor(ports: FollowUpPorts) {
    const { contracts, queues } = ports.registry;
    this.#ports = ports;
    this.#contracts = new Map(contracts.map((contract) => [contract.name, contract]));
    this.#queues = new Map(queues.map((queue) => [queue.name, queue]));
    for (const { onExhausted } of contracts) if (onExhausted !== undefined) this.#contract(onExhausted.task);
  }

  /** Returns a function that stores the follow-up; calling it again adds no second one. */
  of(claim: Claim, rule: FollowUpRule, error: unknown): () => Promise<void> {
    const contract = this.#contract(rule.task);
    const made = this.#item(claim, rule, contract, error);
    const routing = limitKey(contract) === undefined ? "" : (made.group?.name ?? "");
    const { connection, keys, id } = this.#ports.homeOf(made.id, routing);
    const item = { ...made, id };
    const call = { keys, client: randomName(), slot: 0, call: 1, items: [item], evenDrained: true };
    const { weight } = this.#queueOf(contract);
    return async () => {
      // This worker may not serve that queue, and workers that take jobs back must know that it exists.
      await connection.redis.hsetnx(keys.meta, `queue:${contract.queue}`, weight);
      const { known } = await enqueue(connection, call);
      if (known.length === 0) processMetrics.jobs.of(contract.name, contract.queue).queued += 1;
    };
  }

  #contract(task: string): AnyTaskContract {
    const contract = this.#contracts.get(task);
    if (contract === undefined)
      throw new Error(`onExhausted names ${task}, which the registry does not have`);
    return contract;
  }

  #queueOf(contract: AnyTaskContract): QueueDefinition {
    return this.#queues.get(contract.queue) ?? { name: contract.queue, weight: 1 };
  }

  #item(claim: Claim, rule: FollowUpRule, contract: AnyTaskContract, error: unknown): EnqueueItem {
    const { record, run } = claim;
    const { name, message } = describeError(error);
    const told: Exhausted = {
      attempts: run.attempts + 1,
      error: name,
      jobId: claim.id,
      message,
      payload: record.payload as object,
      queue: record.queue,
      task: record.task,
    };
    const options: RecordOptions = {};
    if (contract.startWithinMs !== undefined) options.startWithinMs = contract.startWithinMs;
    const payload = Object.fromEntries(rule.fields.map((field) => [field, told[field]]));
    const group = fittingGroup(contract, this.#queueOf(contract), payload);
    if (group !== undefined) options.group = group.name;
    return {
      id: followUpId(claim.id, run, claim.step?.life?.number),
      queue: contract.queue,
      record: `${datedHead(contract.name, contract.queue, contract.hash, options)}${JSON.stringify(payload)}]`,
      due: "",
      // No key: the id identifies the job. And no `maxPending`: a full queue must not keep the dead job from
      // ending.
      key: "",
      keyTtlMs: 0,
      ownId: true,
      dated: true,
      maxPending: 0,
      group,
    };
  }
}

/**
 * The id is the same for all attempts until the job is retried by hand; then it changes, so that a second
 * death is reported too.
 * @param life of the workflow run that the job belongs to, when the run was retried: the history of the job
 * itself may have been reset by that.
 */
export function followUpId(id: string, run: Pick<JobRun, "events">, life?: number): string {
  const retriedAt = life ?? run.events.findLast((event) => event[1] === "retried")?.[0];
  const readable = `${id}..exhausted${retriedAt === undefined ? "" : `.${retriedAt.toString(36)}`}`;
  if (JOB_ID_PATTERN.test(readable)) return readable;
  return `exhausted..${createHash("sha256").update(readable).digest("hex").slice(0, 40)}`;
}
