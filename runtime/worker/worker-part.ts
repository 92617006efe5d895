import type { Connection } from "../connection/index.js";
import { TaskweftError } from "../errors.js";
import type { ShardKeys } from "../protocol/index.js";
import type { FollowUpPorts } from "./follow-ups.js";
import type { HandlerTable } from "./handler-table.js";
import type { HeartbeatThread } from "./heartbeat-thread.js";
import type { ShardPlace } from "./shard-place.js";
import type { SharedSlots } from "./shared-slots.js";

/** A worker of a project, whatever the number of its shards. */
export interface Worker {
  /** Name under which it holds its lease (in the first shard); a new one after a lost lease. */
  readonly name: string;
  /**
   * Loads the handlers, checks Redis, registers and begins to work. With several shards, those whose Redis does not answer are served when it
   * does: once others are, it waits for them for five seconds more.
   * @throws TaskweftError `RedisUnsuitable`, `ProtocolUnknown`, `ShardsDiffer`; `OptionInvalid` for a queue that nobody knows; `Closed`
   * when it was stopped meanwhile; and what a broken handler file throws.
   */
  start(): Promise<this>;
  /**
   * Stops claiming, waits for running handlers up to the grace, aborts the rest, and hands back what did not finish
   * without spending an attempt. The lease is given up last. Calling it again gives the same promise.
   */
  stop(): Promise<void>;
}

/** Where the jobs of a shard are. */
export interface Home {
  readonly connection: Connection;
  readonly keys: ShardKeys;
}

/** What the part of a worker is given by the whole, which also ends its connection. */
export interface WorkerPart {
  readonly place: ShardPlace;
  /** A name of the process, by which its parts are known to be one worker. */
  readonly process: string;
  /** The slots of the process. */
  readonly slots: SharedSlots;
  readonly thread: HeartbeatThread;
  /** Closed by whoever made it. */
  readonly handlers: HandlerTable;
  /** Rejects for a queue that no shard knows. */
  readonly queuesKnown: () => Promise<void>;
  /** Where the follow-up of a job lives, whose limit may have a key. */
  readonly homeOf: FollowUpPorts["homeOf"];
}

export function stoppedWhileStarting(): TaskweftError {
  return new TaskweftError("Closed", "the worker was stopped while it started; make another one", {
    operation: "start",
  });
}
