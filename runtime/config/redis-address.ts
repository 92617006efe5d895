/**
 * The address of Redis in one text: a server, the primary that Sentinels name, or a Cluster.
 *
 *   redis://user:password@host:port/db                            a server
 *   redis+sentinel://user:password@host:port,host:port/name/db    the primary `name`; the hosts are Sentinels
 *   redis+cluster://user:password@host:port,host:port             a Cluster; the hosts are some of its nodes
 *
 * `rediss` instead of `redis`: over TLS, to the Sentinels too.
 */

export interface HostAddress {
  readonly host: string;
  readonly port: number;
}

export type RedisAddress =
  | {
      readonly kind: "server";
      readonly url: string;
      readonly hosts: readonly HostAddress[];
      readonly tls: boolean;
    }
  | {
      readonly kind: "sentinel" | "cluster";
      readonly hosts: readonly HostAddress[];
      readonly tls: boolean;
      /** Everything but the hosts, under the option names of ioredis. */
      readonly options: Readonly<Record<string, unknown>>;
    };

/** The schemes of an address. */
export const REDIS_URL_PATTERN = /^rediss?(\+(sentinel|cluster))?:\/\//i;
export const REDIS_URL_EXPECTED =
  "redis://user:password@host:port, redis+sentinel://host:port,host:port/name or redis+cluster://host:port,host:port (rediss for TLS)";

const MANY_HOSTS =
  /^(?<scheme>rediss?)\+(?<kind>sentinel|cluster):\/\/(?:(?<user>.*)@)?(?<hosts>[^/?#@]*)(?:\/(?<path>[^?#]*))?(?:\?(?<query>[^#]*))?$/i;
const DEFAULT_PORTS = { server: 6379, sentinel: 26_379, cluster: 6379 } as const;
/** A database number; an empty one means 0. */
const DATABASE = /^\d{0,4}$/;
const SENTINEL_PARAMETERS = ["sentinelUsername", "sentinelPassword"] as const;

export function isRedisAddress(text: string): boolean {
  try {
    parseRedisAddress(text);
    return true;
  } catch {
    return false;
  }
}

/** @throws Error that says what is wrong, without the address itself, which may contain a password. */
export function parseRedisAddress(text: string): RedisAddress {
  if (!REDIS_URL_PATTERN.test(text)) throw new Error("no such URL");
  const parts = MANY_HOSTS.exec(text)?.groups;
  if (parts === undefined) return serverAddress(text);
  if (/\?sentinel(username|password)=/i.test(parts["user"] ?? "")) {
    throw new Error('expected "@" in sentinelUsername and sentinelPassword as %40');
  }
  const kind = parts["kind"]?.toLowerCase() === "sentinel" ? "sentinel" : "cluster";
  const tls = parts["scheme"]?.toLowerCase() === "rediss";
  const hosts = (parts["hosts"] ?? "").split(",").map((host) => hostOf(host, DEFAULT_PORTS[kind]));
  const parameters = new URLSearchParams(parts["query"] ?? "");
  const path = (parts["path"] ?? "").split("/").map(decodeURIComponent);
  const options = {
    ...credentials(parts["user"]),
    ...(tls ? { tls: {} } : {}),
    ...(kind === "sentinel"
      ? sentinelOptions(hosts, path, parameters, tls)
      : clusterOptions(path, parameters)),
  };
  return { kind, hosts, tls, options };
}

function serverAddress(url: string): RedisAddress {
  if (/^rediss?\+/i.test(url)) throw new Error("Invalid URL");
  const { hostname, port, protocol, pathname, searchParams } = new URL(url);
  // ioredis sends any text to the server, and continues in database 0 when the server refuses it.
  if (!DATABASE.test(pathname.replace(/^\//, "")) || !DATABASE.test(searchParams.get("db") ?? ""))
    throw new Error("expected a database number behind the host, as in redis://host:6379/0");
  const host = { host: hostname, port: Number(port || DEFAULT_PORTS.server) };
  return { kind: "server", url, hosts: [host], tls: protocol === "rediss:" };
}

function hostOf(text: string, defaultPort: number): HostAddress {
  const [, bracketed, plain, port] = /^(?:\[([0-9a-f:.]+)\]|([^[\]:\s]+))(?::(\d{1,5}))?$/i.exec(text) ?? [];
  const host = bracketed ?? plain;
  const number = port === undefined ? defaultPort : Number(port);
  if (host === undefined || number < 1 || number > 65_535) {
    // In an address that lacks its host, the text behind the colon is a password.
    const shown = text.replace(/:(?!\d{1,5}$).*/s, ":***");
    throw new Error(`expected host:port,host:port, got ${JSON.stringify(shown)} among the hosts`);
  }
  return { host, port: number };
}

function credentials(text: string | undefined): Readonly<Record<string, string>> {
  if (text === undefined) return {};
  const colon = text.indexOf(":");
  const username = decodeURIComponent(colon < 0 ? text : text.slice(0, colon));
  const password = colon < 0 ? "" : decodeURIComponent(text.slice(colon + 1));
  return { ...(username === "" ? {} : { username }), ...(password === "" ? {} : { password }) };
}

function sentinelOptions(
  sentinels: readonly HostAddress[],
  [name = "", db = "0", ...rest]: readonly string[],
  parameters: URLSearchParams,
  tls: boolean,
): Readonly<Record<string, unknown>> {
  if (name === "")
    throw new Error("expected the name of the primary behind the Sentinels, as in .../mymaster");
  if (rest.length > 0 || !DATABASE.test(db)) throw new Error("expected a database number behind the name");
  assertParameters(parameters, SENTINEL_PARAMETERS);
  return {
    sentinels: sentinels.map((sentinel) => ({ ...sentinel })),
    name,
    ...(Number(db) === 0 ? {} : { db: Number(db) }),
    ...Object.fromEntries(parameters),
    ...(tls ? { enableTLSForSentinelMode: true, sentinelTLS: {} } : {}),
  };
}

function clusterOptions([path = "", ...rest]: readonly string[], parameters: URLSearchParams): object {
  if (rest.length > 0 || (path !== "" && path !== "0")) throw new Error("a Cluster has database 0 only");
  assertParameters(parameters, []);
  return {};
}

function assertParameters(parameters: URLSearchParams, known: readonly string[]): void {
  for (const name of parameters.keys()) {
    if (known.includes(name)) continue;
    throw new Error(`unknown parameter ${JSON.stringify(name)}; known: ${known.join(", ") || "none"}`);
  }
}
