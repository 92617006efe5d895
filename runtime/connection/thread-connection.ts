/**
 * What a thread needs to open a connection of its own. Only plain data can be copied to a thread: a function
 * or an object with behaviour (a TLS check, a Connector, a credential provider) cannot. The thread has its
 * own reconnect options.
 */
import type { HostAddress } from "../config/redis-address.js";
import { type ConnectionOptions, PLAIN_OPTIONS, redisUrl } from "./connection.js";
import { addressOptions, checkedAddress } from "./open-redis.js";
import { SILENCE_LIMIT_MS } from "./silence.js";

export interface ThreadConnection {
  /** The address as the user wrote it. */
  readonly address: string;
  /** URL of a single server; `undefined` when the options contain the address. */
  readonly url: string | undefined;
  /** Nodes of a Cluster. */
  readonly nodes: readonly HostAddress[] | undefined;
  readonly options: Readonly<Record<string, unknown>>;
}

/** Options that are functions and that the thread replaces with its own. */
const THREADS_OWN = new Set(["reconnectOnError", "retryStrategy", "sentinelRetryStrategy"]);

/** The program of a thread that renews leases; the header of that file describes its input. */
export const HEARTBEAT_THREAD = new URL("./heartbeat-thread.js", import.meta.url);

/**
 * What a thread needs to connect to the same Redis; `obstacle` names an option that cannot be copied to the
 * thread.
 */
export function threadConnection(
  options: ConnectionOptions,
  role: string,
): ThreadConnection | { readonly obstacle: string } {
  const given = Object.entries(options.redis ?? {}).filter(([name]) => !THREADS_OWN.has(name));
  for (const [name, value] of given) {
    const obstacle = behaviourIn(value, `redis.${name}`);
    if (obstacle !== undefined) return { obstacle };
  }
  const written = redisUrl(options);
  const address = checkedAddress(written);
  return {
    address: written,
    url: address.kind === "server" ? address.url : undefined,
    nodes: address.kind === "cluster" ? address.hosts : undefined,
    options: {
      ...PLAIN_OPTIONS,
      // The thread is idle apart from this, so the timers of ioredis cost nothing that matters.
      socketTimeout: SILENCE_LIMIT_MS,
      connectionName: `taskweft-${role}`,
      ...addressOptions(address),
      ...Object.fromEntries(given),
    },
  };
}

/** Path of the first value that copying would lose or change. */
function behaviourIn(value: unknown, path: string): string | undefined {
  if (typeof value === "function" || typeof value === "symbol") return path;
  if (typeof value !== "object" || value === null || value instanceof Uint8Array) return undefined;
  const prototype: unknown = Object.getPrototypeOf(value);
  if (!Array.isArray(value) && prototype !== Object.prototype && prototype !== null) return path;
  for (const [key, inner] of Object.entries(value)) {
    const found = behaviourIn(inner, `${path}.${key}`);
    if (found !== undefined) return found;
  }
  return undefined;
}
