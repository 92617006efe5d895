/**
 * Finds the contract and the handler of a task. Handlers are imported when they are first needed, or all at
 * once by `preload`. The handler of an isolated task is imported by the thread or process that runs it; the
 * handler in this table only forwards the job.
 */
import type { AnyTaskContract } from "../../definition/index.js";
import { TaskweftError } from "../../errors.js";
import { type JobMeter, processMetrics } from "../../metrics/index.js";
import { batchMember } from "./batch.js";
import type { AnyBatchHandler, AnyHandler, DefinedHandler, Middleware, Registry } from "../handler.js";
import type { Execution } from "./execution.js";
import { HostPool, type HostPoolOptions } from "../hosts/host-pool.js";
import { checkedLayers, withMiddleware } from "./middleware.js";

export interface TaskEntry {
  readonly contract: AnyTaskContract;
  /** Counts the jobs of the task in the queue of its definition. */
  readonly meter: JobMeter;
  /** `undefined` until it is loaded. */
  handler: AnyHandler | undefined;
  readonly load: () => Promise<AnyHandler>;
}

/** The meter for jobs of a task in this queue. */
export function meterOf({ contract, meter }: TaskEntry, queue: string): JobMeter {
  return queue === contract.queue ? meter : processMetrics.jobs.of(contract.name, queue);
}

type WorkerSettings = Omit<HostPoolOptions, "module" | "rule">;

export class HandlerTable {
  readonly #entries = new Map<string, TaskEntry>();
  readonly #registry: Registry;
  readonly #settings: WorkerSettings | undefined;
  /** By isolation rule, as text: tasks with the same rule share a pool. */
  readonly #pools = new Map<string, HostPool>();
  #layers: Promise<readonly Middleware[]> | undefined;

  /**
   * @param settings of the worker, for the hosts of isolated tasks. Without them, as inside a host, all
   * handlers run here.
   */
  constructor(registry: Registry, settings?: WorkerSettings) {
    this.#registry = registry;
    this.#settings = settings;
    for (const contract of registry.contracts) {
      const load = Object.hasOwn(registry.handlers, contract.name)
        ? registry.handlers[contract.name]
        : undefined;
      if (load === undefined) continue;
      const pool = this.#poolFor(contract);
      const entry: TaskEntry = {
        contract,
        meter: processMetrics.jobs.of(contract.name, contract.queue).executes(Object.keys(contract.errors)),
        // Only the executor calls the handler, and the context that it passes is an Execution.
        handler: pool && ((job, ctx) => pool.run(job, ctx as Execution)),
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

  /**
   * Imports the handlers of the tasks whose queue is among `queues`, so that a broken handler file fails the
   * start.
   */
  async preload(queues: ReadonlySet<string>): Promise<void> {
    const wanted = [...this.#entries.values()].filter((entry) => queues.has(entry.contract.queue));
    const elsewhere = wanted.filter((entry) => entry.handler !== undefined);
    try {
      await Promise.all([
        ...wanted.filter((entry) => entry.handler === undefined).map((entry) => entry.load()),
        ...Array.from(this.#pools, async ([rule, pool]) => {
          const tasks = elsewhere.map((entry) => entry.contract).filter((task) => ruleText(task) === rule);
          if (tasks.length > 0) await pool.load(tasks.map((task) => task.name));
        }),
      ]);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** Ends the threads and processes that run isolated handlers. */
  close(): void {
    for (const pool of this.#pools.values()) pool.close();
  }

  /**
   * A thread or process can load only the handlers of the registry's own module. A handler that was put in by
   * hand runs here.
   */
  #poolFor(contract: AnyTaskContract): HostPool | undefined {
    const { name, isolate } = contract;
    const { isolated, handlers, middleware } = this.#registry;
    if (isolate === undefined || isolated === undefined || this.#settings === undefined) return undefined;
    if (handlers[name] !== isolated.handlers[name]) return undefined;
    if (middleware !== isolated.middleware) {
      throw new TaskweftError(
        "OptionInvalid",
        `the middleware of this worker: expected that of tasks/middleware.ts, because ${name} runs in a ${isolate.in} that loads it from there, got another one.`,
        { operation: "start" },
      );
    }
    const rule = ruleText(contract);
    const { module } = isolated;
    const pool = this.#pools.get(rule) ?? new HostPool({ ...this.#settings, module, rule: isolate });
    this.#pools.set(rule, pool);
    return pool;
  }

  #middleware(): Promise<readonly Middleware[]> {
    const { middleware } = this.#registry;
    this.#layers ??= middleware === undefined ? Promise.resolve([]) : middleware().then(checkedLayers);
    return this.#layers;
  }
}

/** What a handler file may export, as far as can be checked without its types. */
type Exported = Partial<DefinedHandler> & { readonly batchHandler?: unknown };
function ruleText({ isolate }: AnyTaskContract): string {
  return JSON.stringify([isolate?.in, isolate?.memoryMb, isolate?.most]);
}

/**
 * The compiler checks the same, but in development handlers run without it, and jobs could then go to another
 * task's handler.
 */
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
