/** An inspector with a connection of its own, for programs that look, act and end. */
import { Connection, type IoredisOptions, openRedis } from "../connection/index.js";
import { TaskweftError } from "../errors.js";
import { DEFAULT_PREFIX, PREFIX_PATTERN, ShardKeys } from "../protocol/index.js";
import { createInspector, type Inspector, type InspectorOptions } from "./inspector.js";

export interface OpenInspectorOptions extends Omit<InspectorOptions, "connection" | "keys"> {
  /** As `ConnectionOptions.url`. Default: `TASKWEFT_REDIS_URL`, else `redis://127.0.0.1:6379`. */
  readonly url?: string;
  /** First part of every key. Default `weft`. */
  readonly prefix?: string;
}

export interface OpenedInspector extends Inspector {
  /** Drops the connection. */
  close(): void;
}

/** A person waits for the answer: it comes or fails, and never waits for a server to come back. */
const COMMAND_TIMEOUT_MS = 15_000;
const MAX_RECONNECTS = 3;
const RECONNECT_DELAY_MS = 100;

/** The server that has the keys of this prefix, for questions about the server itself. @throws TaskweftError `OptionInvalid`. */
export function openServer(
  url: string,
  prefix: string | undefined,
  options: IoredisOptions,
): Connection["redis"] {
  return openRedis(url, new ShardKeys(prefix).tag, options);
}

/** @throws TaskweftError `OptionInvalid` for a prefix that cannot be one. Connects on first use. */
export function openInspector(options: OpenInspectorOptions = {}): OpenedInspector {
  const { url, prefix = DEFAULT_PREFIX, ...others } = options;
  if (!PREFIX_PATTERN.test(prefix)) {
    throw new TaskweftError(
      "OptionInvalid",
      `prefix: expected ${PREFIX_PATTERN.source}, got ${JSON.stringify(prefix)}`,
      {
        operation: "inspect",
      },
    );
  }
  const redis = {
    commandTimeout: COMMAND_TIMEOUT_MS,
    maxRetriesPerRequest: MAX_RECONNECTS,
    retryStrategy: (times: number) => (times > MAX_RECONNECTS ? null : RECONNECT_DELAY_MS),
  };
  const keys = new ShardKeys(prefix);
  const connection = new Connection({ url, redis }, "inspect", keys);
  const inspector = createInspector({ ...others, connection, keys });
  return { ...inspector, close: () => connection.disconnect() };
}
