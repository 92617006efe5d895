/** What the ticks of a schedule make: jobs of a task (job-ticks.ts), or runs of a workflow (run-ticks.ts). */
import type { Connection } from "../../connection/index.js";
import type { ScheduleState, ShardKeys } from "../../protocol/index.js";
import type { TickReply } from "../../scripts/index.js";
import type { DueTicks } from "./due-ticks.js";
import type { ShardPlace } from "../shard-place.js";

export interface TickTarget {
  readonly makes: "job" | "run";
  /** The name of the target, for readers of the schedule. */
  readonly named: { readonly task: string } | { readonly workflow: string };
  /** The queue of the jobs; for a workflow the queue of the run's own jobs. */
  readonly queue: string;
  /** All queues in which its jobs may wait. */
  readonly queues: Iterable<string>;
  /** Hash of the definition of the task or workflow. */
  readonly hash: string;
  /** Decides in which shard the schedule lives. */
  readonly routingKey: string;
  /**
   * How many of the ticks ran, or why none did. WAITING: the run that the tick replaces was cancelled but has
   * not ended.
   */
  settle(state: ScheduleState, due: DueTicks, nowMs: number): Promise<TickReply | "WAITING">;
}

export interface TickPorts {
  readonly connection: Connection;
  readonly keys: ShardKeys;
  readonly random: () => number;
  readonly place: ShardPlace;
}
