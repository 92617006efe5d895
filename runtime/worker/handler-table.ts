/** Finds contract and handler of a task. Handlers are imported when first needed, or all at once by `preload`. */
import type { AnyTaskContract } from "../definition/index.js";
import { TaskweftError } from "../errors.js";
import { batchMember } from "./batch.js";
import type { AnyBatchHandler, AnyHandler, DefinedHandler, Middleware, Registry } from "./handler.js";
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
          entry.handler = withMiddleware(layers, checkedHandler(contract, defined));
          return entry.handler;
        },
      };
      this.#entries.set(contract.name, entry);
    }
  }

  /** Whether any task is handled in batches. */
  get hasBatches(): boolean {
    return [...this.#entries.values()].some(({ contract }) => contract.batch !== undefined);
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

/** What a handler file may export, as far as it can be told without its types. */
type Exported = Partial<DefinedHandler> & { readonly batchHandler?: unknown };

/** The compiler says the same, but development runs handlers without it, and then jobs would go to another task's handler. */
function checkedHandler({ name, batch }: AnyTaskContract, defined: Exported | undefined): AnyHandler {
  const { handler, batchHandler } = defined?.name === name ? defined : {};
  if (batch === undefined && typeof handler === "function") return handler as AnyHandler;
  if (batch !== undefined && typeof batchHandler === "function")
    return batchMember(batchHandler as AnyBatchHandler);
  const define = batch === undefined ? "defineHandler" : "defineBatchHandler";
  throw new TaskweftError(
    "OptionInvalid",
    `the handler file of ${name}: expected a handler made by ${define}("${name}", ...), got ${gotInstead(name, defined)}. Export it from there, and run \`weft codegen\`.`,
    { operation: "start" },
  );
}

function gotInstead(task: string, defined: Exported | undefined): string {
  if (defined?.name === undefined) return "none";
  if (defined.name !== task) return `one for ${JSON.stringify(defined.name)}`;
  if (typeof defined.handler === "function") return "one for a single job, and the task has `batch`";
  return typeof defined.batchHandler === "function" ? "one for batches, and the task has no `batch`" : "none";
}
