/** Finds contract and handler of a task. Handlers are imported when first needed, or all at once by `preload`. */
import type { AnyTaskContract } from "../definition/index.js";
import { TaskweftError } from "../errors.js";
import type { AnyHandler, DefinedHandler, Middleware, Registry } from "./handler.js";
import { checkedLayers, withMiddleware } from "./middleware.js";

export interface TaskEntry {
  readonly contract: AnyTaskContract;
  /** `undefined` until loaded. */
  handler: AnyHandler | undefined;
  readonly load: () => Promise<AnyHandler>;
}

export class HandlerTable {
  readonly #entries = new Map<string, TaskEntry>();
  readonly #registry: Registry;
  #layers: Promise<readonly Middleware[]> | undefined;

  constructor(registry: Registry) {
    this.#registry = registry;
    for (const contract of registry.contracts) {
      const load = Object.hasOwn(registry.handlers, contract.name)
        ? registry.handlers[contract.name]
        : undefined;
      if (load === undefined) continue;
      const entry: TaskEntry = {
        contract,
        handler: undefined,
        load: async () => {
          const [defined, layers] = await Promise.all([load(), this.#middleware()]);
          entry.handler = withMiddleware(layers, checkedHandler(contract.name, defined));
          return entry.handler;
        },
      };
      this.#entries.set(contract.name, entry);
    }
  }

  get(task: string): TaskEntry | undefined {
    return this.#entries.get(task);
  }

  /** Imports the handlers of the tasks whose queue is among `queues`, so that a broken handler file fails the start. */
  async preload(queues: ReadonlySet<string>): Promise<void> {
    const wanted = [...this.#entries.values()].filter((entry) => queues.has(entry.contract.queue));
    await Promise.all(wanted.map((entry) => entry.load()));
  }

  #middleware(): Promise<readonly Middleware[]> {
    const { middleware } = this.#registry;
    this.#layers ??= middleware === undefined ? Promise.resolve([]) : middleware().then(checkedLayers);
    return this.#layers;
  }
}

/** The compiler says the same, but development runs handlers without it, and then jobs would go to another task's handler. */
function checkedHandler(task: string, defined: Partial<DefinedHandler> | undefined): AnyHandler {
  if (typeof defined?.handler === "function" && defined.name === task) return defined.handler as AnyHandler;
  const got = defined?.name === undefined ? "none" : `one for ${JSON.stringify(defined.name)}`;
  throw new TaskweftError(
    "OptionInvalid",
    `the handler file of ${task}: expected a handler made by defineHandler("${task}", ...), got ${got}. Export it from there, and run \`weft codegen\`.`,
    { operation: "start" },
  );
}
