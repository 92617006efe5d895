/** Makes all that is stored when a run starts: the same from every caller, but for the time. */
import type { WorkflowDefinition } from "../definition/index.js";
import { encodeRunRecord, type RunStart, runFields } from "../protocol/index.js";
import { queuesOf, WorkflowGraph } from "./graph.js";
import { listenersOf } from "./listeners.js";

export interface StartedWith {
  readonly run: string;
  /** Field of the `keys` hash that the run owns. Default: none. */
  readonly key?: string;
  readonly input: unknown;
  /** Redis time (ms). */
  readonly now: number;
  /** What begins with the run waits so long (ms), and its time counts from then. Default: 0. */
  readonly delayMs?: number;
}

export class RunStarter {
  readonly definition: WorkflowDefinition;
  /** All queues in which jobs of a run, and of the runs in it, may wait. */
  readonly queues: ReadonlySet<string>;
  readonly #graph: WorkflowGraph;
  readonly #text: string;

  constructor(definition: WorkflowDefinition) {
    this.definition = definition;
    this.queues = new Set(queuesOfRun(definition));
    this.#graph = new WorkflowGraph(definition);
    this.#text = JSON.stringify(definition);
  }

  start({ run, key = "", input, now, delayMs = 0 }: StartedWith): RunStart {
    const { name, hash } = this.definition;
    const at = Math.round(now);
    const begins = this.#graph.roots(run, at);
    const timeout = this.#graph.timeout(run, at);
    return {
      run,
      record: encodeRunRecord({ workflow: name, hash, startedAt: at, key, input }),
      definition: { field: runFields.definition(name, hash), text: this.#text },
      begins: delayMs === 0 ? begins : begins.map((begin) => later(begin, delayMs)),
      timeout: timeout === undefined ? undefined : later(timeout, delayMs),
      listeners: listenersOf(this.definition, run, input),
    };
  }
}

function later<Begin extends { readonly delayMs: number }>(begin: Begin, delayMs: number): Begin {
  return { ...begin, delayMs: begin.delayMs + delayMs };
}

function queuesOfRun(definition: WorkflowDefinition): readonly string[] {
  return [...queuesOf(definition), ...Object.values(definition.children ?? {}).flatMap(queuesOfRun)];
}
