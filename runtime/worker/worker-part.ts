import type { Connection } from "../connection/index.js";
import { TaskweftError } from "../errors.js";
import type { ShardKeys } from "../protocol/index.js";
import type { FollowUpPorts } from "./attempts/follow-ups.js";
import type { HandlerTable } from "./attempts/handler-table.js";
import type { HeartbeatThread } from "./leases/heartbeat-thread.js";
import type { ShardPlace } from "./shard-place.js";
import type { SharedSlots } from "./claims/shared-slots.js";

/** A worker of a project, whatever the number of its shards. */
export interface Worker {
  /** Name under which the worker holds its lease (in the first shard); changes after a lost lease. */
  readonly name: string;
  /**
   * Loads the handlers, checks Redis, registers and starts to work. With several shards, unreachable ones are
   * served as soon as they answer: once one shard is being served, `start()` waits at most five seconds for
   * the others.
   * @throws TaskweftError `RedisUnsuitable`, `ProtocolUnknown`, `ShardsDiffer`; `OptionInvalid` for an
   * unknown queue; `Closed` when the worker was stopped meanwhile; and whatever a broken handler file throws.
   */
  start(): Promise<this>;
  /**
   * Stops claiming, waits for running handlers for the grace time, aborts the rest, and hands unfinished jobs
   * back without counting an attempt. The lease is given up last. Calling it again returns the same promise.
   */
  stop(): Promise<void>;
}

/** The connection to a shard and its keys. */
export interface Home {
  readonly connection: Connection;
  readonly keys: ShardKeys;
}

/** What the whole worker gives to each of its parts. The whole also closes the connections. */
export interface WorkerPart {
  readonly place: ShardPlace;
  /** A random name of the process, which shows that its parts are one worker. */
  readonly process: string;
  /** The slots of the process. */
  readonly slots: SharedSlots;
  readonly thread: HeartbeatThread;
  /** Closed by whoever made it. */
  readonly handlers: HandlerTable;
  /** Rejects for a queue that no shard knows. */
  readonly queuesKnown: () => Promise<void>;
  /** The shard in which a job's follow-up belongs, whose limit may have a key. */
  readonly homeOf: FollowUpPorts["homeOf"];
}

export function stoppedWhileStarting(): TaskweftError {
  return new TaskweftError("Closed", "the worker was stopped while it started; make another one", {
    operation: "start",
  });
}
