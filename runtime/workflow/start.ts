/** Builds everything that is stored when a run starts. Deterministic except for the time. */
import type { WorkflowDefinition } from "../definition/index.js";
import { encodeRunRecord, type RunStart, runFields } from "../protocol/index.js";
import { queuesOf, WorkflowGraph } from "./graph.js";
import { listenersOf } from "./listeners.js";

export interface StartedWith {
  readonly run: string;
  /** Field of the `keys` hash that the run owns. Absent: none. */
  readonly key?: string;
  readonly input: unknown;
  /** Redis time (ms). */
  readonly now: number;
  /** The first jobs wait this long (ms), and the run's timeout counts from then. Default: 0. */
  readonly delayMs?: number;
}

export class RunStarter {
  readonly definition: WorkflowDefinition;
  /** All queues in which jobs of a run, or of its child runs, may wait. */
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
