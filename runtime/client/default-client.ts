/** The client that enqueue functions use when none is passed: one a process, made by `connect()`, or for a worker's handlers. */
import { TaskweftError } from "../errors.js";
import { createClient, type ClientOptions, type TaskweftClient } from "./client.js";

let defaultClient: TaskweftClient | undefined;
let provide: (() => TaskweftClient) | undefined;

/**
 * Connects the process to Redis and checks that the server can keep the promises. Calling it again replaces the client;
 * the earlier one is closed.
 * @throws TaskweftError `RedisUnavailable`, `RedisUnsuitable`, `ProtocolUnknown`, `OptionInvalid`.
 */
export async function connect(options: ClientOptions = {}): Promise<TaskweftClient> {
  const client = createClient(options);
  try {
    await client.ready();
  } catch (error) {
    // Nothing was given to it: to wait for an answer once more would double the deadline.
    client.drop();
    throw error;
  }
  const before = defaultClient;
  defaultClient = client;
  await before?.close();
  return client;
}

/** @internal Makes the client on its first use, unless `connect()` was called: a worker's handlers have a Redis already. */
export function provideClient(make: () => TaskweftClient): void {
  provide = make;
}

/** Closes the client made by `connect()`, after what it was given has been sent. */
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
