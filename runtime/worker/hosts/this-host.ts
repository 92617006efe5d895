import type { HostClient, HostPort } from "./messages.js";

/** What host-body.js leaves for the module that it imports. */
export interface ThisHost {
  readonly module: string;
  readonly client: HostClient | undefined;
  readonly port: HostPort;
  /** Whether the module has made its registry. */
  served: boolean;
}

const HOST = Symbol.for("taskweft.host");

/** The host in which this code runs, if it is one. */
export function thisHost(): ThisHost | undefined {
  return (globalThis as { [HOST]?: ThisHost })[HOST];
}
