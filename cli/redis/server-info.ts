/** The parts of `INFO` that taskweft uses. */
export interface ServerInfo {
  readonly product: "Redis" | "Valkey";
  readonly version: string;
  /** False if the server is older than the scripts require. */
  readonly supported: boolean;
  readonly processId: number | undefined;
  /** Every field of the reply, by name. */
  readonly fields: ReadonlyMap<string, string>;
}

/** The first versions with the script flags and `unpack` limits that the scripts rely on. */
export const MINIMUM_VERSIONS = { Redis: "7.0", Valkey: "7.2" } as const;

export function parseServerInfo(reply: string): ServerInfo {
  const fields = new Map<string, string>();
  for (const line of reply.split(/\r?\n/)) {
    const colon = line.indexOf(":");
    if (colon > 0 && !line.startsWith("#")) fields.set(line.slice(0, colon), line.slice(colon + 1));
  }
  const valkey = fields.get("valkey_version");
  const product = valkey === undefined ? "Redis" : "Valkey";
  const version = valkey ?? fields.get("redis_version") ?? "0";
  const processId = Number(fields.get("process_id"));
  return {
    product,
    version,
    supported: atLeast(version, MINIMUM_VERSIONS[product]),
    processId: Number.isInteger(processId) && processId > 0 ? processId : undefined,
    fields,
  };
}

function atLeast(version: string, minimum: string): boolean {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const [wantedMajor = 0, wantedMinor = 0] = minimum.split(".").map(Number);
  return major > wantedMajor || (major === wantedMajor && minor >= wantedMinor);
}
