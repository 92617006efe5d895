/** Ticks that enqueue jobs of a task. */
import {
  type AnyTaskContract,
  type LimitedGroup,
  limitKey,
  type ScheduleDefinition,
} from "../../definition/index.js";
import { processMetrics } from "../../metrics/index.js";
import {
  datedHead,
  parseDraining,
  type RecordOptions,
  type ScheduleState,
  tickJobId,
  waitingField,
} from "../../protocol/index.js";
import { tick, type TickJob, type TickReply } from "../../scripts/index.js";
import type { DueTicks } from "./due-ticks.js";
import { cancelEarlier } from "./earlier.js";
import { fittingGroup } from "../attempts/fitting-group.js";
import type { Registry } from "../handler.js";
import type { TickPorts, TickTarget } from "./tick-target.js";

export class JobTicks implements TickTarget {
  readonly makes = "job";
  readonly named: { readonly task: string };
  readonly queue: string;
  readonly queues: readonly string[];
  readonly hash: string;
  /** A job with a limit must live in the shard of its key; otherwise the name of the schedule decides. */
  readonly routingKey: string;
  readonly #schedule: ScheduleDefinition;
  readonly #contract: AnyTaskContract;
  readonly #maxPending: number;
  readonly #payload: string;
  readonly #group: LimitedGroup | undefined;
  readonly #ports: TickPorts;

  constructor(schedule: ScheduleDefinition, { contracts, queues }: Registry, ports: TickPorts) {
    const contract = contracts.find(({ name }) => name === schedule.task);
    if (contract === undefined) throw new Error(`the schedule ${schedule.name} is for an unknown task`);
    const queue = queues.find(({ name }) => name === contract.queue) ?? { name: contract.queue, weight: 1 };
    const group = fittingGroup(contract, queue, schedule.payload);
    this.#schedule = schedule;
    this.#contract = contract;
    this.#maxPending = queue.maxPending ?? 0;
    this.#payload = JSON.stringify(schedule.payload);
    this.#group = group;
    this.#ports = ports;
    this.named = { task: schedule.task };
    this.queue = contract.queue;
    this.queues = [contract.queue];
    this.hash = contract.hash;
    this.routingKey = group === undefined || limitKey(contract) === undefined ? schedule.name : group.name;
  }

  async settle(state: ScheduleState, due: DueTicks, nowMs: number): Promise<TickReply> {
    const { connection, keys } = this.#ports;
    const { name, overlap } = this.#schedule;
    const { run, missedMs, upToMs } = due;
    if (overlap === "replace" && run.length > 0 && state.pausedAtMs === 0 && !(await this.#isDrained())) {
      // The earlier job stays while there is no room for the job that replaces it.
      if (await this.#isFull()) return "FULL";
      // Before the tick is settled: if this worker is lost in between, the next one repeats both steps, and
      // no job that should be cancelled goes on.
      await cancelEarlier(this.#ports, state.lastJob, this.#contract.retention.deadMs);
    }
    const reply = await tick(connection, {
      keys,
      schedule: name,
      queue: this.queue,
      lastMs: state.lastMs,
      upToMs,
      overlap,
      maxPending: this.#maxPending,
      missedMs,
      group: this.#group,
      jobs: run.map((tickMs) => this.#jobOf(tickMs, nowMs)),
    });
    if (typeof reply === "number") processMetrics.jobs.of(this.named.task, this.queue).queued += reply;
    return reply;
  }

  /** While draining, the tick is skipped, and the earlier job is one of those that still run. */
  async #isDrained(): Promise<boolean> {
    const { connection, keys } = this.#ports;
    const { queue, task } = parseDraining(await connection.redis.get(keys.draining));
    return queue.has(this.queue) || task.has(this.named.task);
  }

  async #isFull(): Promise<boolean> {
    if (this.#maxPending === 0) return false;
    const { redis } = this.#ports.connection;
    const { keys } = this.#ports;
    const [inLine, atGate] = await Promise.all([
      redis.llen(keys.queue(this.queue).pending),
      redis.hget(keys.groups, waitingField(this.queue)),
    ]);
    return inLine + Number(atGate ?? 0) >= this.#maxPending;
  }

  #jobOf(tickMs: number, nowMs: number): TickJob {
    const [{ name, jitterMs }, contract] = [this.#schedule, this.#contract];
    const delayMs = Math.floor(this.#ports.random() * jitterMs);
    const dueMs = tickMs + delayMs;
    const options: RecordOptions = {};
    const { startWithinMs } = contract;
    if (startWithinMs !== undefined) options.startWithinMs = startWithinMs;
    if (dueMs > nowMs) {
      options.dueAt = dueMs;
      if (startWithinMs !== undefined) options.startBy = dueMs + startWithinMs;
    }
    if (this.#group !== undefined) options.group = this.#group.name;
    const head = datedHead(contract.name, contract.queue, contract.hash, options);
    const { router, shard } = this.#ports.place;
    const id = router.idIn(shard, tickJobId(name, tickMs));
    return { tickMs, id, record: `${head}${this.#payload}]`, dueMs };
  }
}
