/**
 * The client that enqueue functions use by default: one per process, made by `connect()` or, in a worker, for
 * its handlers.
 */
import { TaskweftError } from "../errors.js";
import { createClient, type ClientOptions, type TaskweftClient } from "./client.js";

let defaultClient: TaskweftClient | undefined;
let provide: (() => TaskweftClient) | undefined;

/**
 * Connects the process to Redis and checks that the server is suitable. Waits for Redis in silence, up to
 * `deadline` (30 s). Calling it again replaces the client and closes the earlier one.
 * @throws TaskweftError `RedisUnavailable`, `RedisUnsuitable`, `ProtocolUnknown`, `ShardsDiffer`,
 *   `OptionInvalid`.
 */
export async function connect(options: ClientOptions = {}): Promise<TaskweftClient> {
  const client = createClient(options);
  try {
    await client.ready();
  } catch (error) {
    // The client has no pending calls; closing it normally would wait for Redis again and double the
    // deadline.
    client.drop();
    throw error;
  }
  const before = defaultClient;
  defaultClient = client;
  await before?.close();
  return client;
}

/**
 * @internal Sets how to make the client on first use if `connect()` was not called: handlers of a worker
 *   share its Redis.
 */
export function provideClient(make: () => TaskweftClient): void {
  provide = make;
}

/** Closes the client made by `connect()` once its pending calls have been sent. */
export async function disconnect(): Promise<void> {
  const client = defaultClient;
  defaultClient = undefined;
  provide = undefined;
  await client?.close();
}

/** @throws TaskweftError `NotConnected` */
export function currentClient(): TaskweftClient {
  defaultClient ??= provide?.();
  if (defaultClient === undefined) {
    throw new TaskweftError(
      "NotConnected",
      "expected a connection, got none. Call `await connect({ url })` once at start, or pass `{ client: createClient({ url }) }`.",
      { operation: "enqueue" },
    );
  }
  return defaultClient;
}
