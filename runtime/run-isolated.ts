/**
 * Makes the registry of a project with isolated tasks. When the same code runs in a host (the thread or
 * process of such a task), it provides the host's handlers and a client for their enqueues.
 */
import { provideClient } from "./client/default-client.js";
import { createClient, disconnect } from "./client/index.js";
import { HandlerTable } from "./worker/attempts/handler-table.js";
import { serve } from "./worker/hosts/serve.js";
import { thisHost } from "./worker/hosts/this-host.js";
import type { Registry } from "./worker/index.js";

/**
 * Marks a registry as one that hosts can create by importing `module`, the `import.meta.url` of the calling
 * module. Handlers of tasks with `isolate` are imported only there.
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
