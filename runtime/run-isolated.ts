/**
 * The registry of a project with isolated tasks, and the other side of it: in a host, the same line gives the host its
 * handlers and a client for what they enqueue.
 */
import { provideClient } from "./client/default-client.js";
import { createClient, disconnect } from "./client/index.js";
import { HandlerTable } from "./worker/handler-table.js";
import { serve } from "./worker/hosts/serve.js";
import { thisHost } from "./worker/hosts/this-host.js";
import type { Registry } from "./worker/index.js";

/**
 * Marks a registry as one that hosts can make for themselves, by importing `module`: the `import.meta.url` of the module
 * that calls this. Handlers of tasks with `isolate` are imported only there.
 */
export function isolatedIn(module: string, registry: Registry): Registry {
  const host = thisHost();
  if (host?.module === module && !host.served) {
    host.served = true;
    const { client } = host;
    if (client !== undefined) provideClient(() => createClient(client));
    serve(host.port, new HandlerTable(registry), disconnect);
  }
  const { handlers, middleware } = registry;
  return { ...registry, isolated: { module, handlers, ...(middleware === undefined ? {} : { middleware }) } };
}
