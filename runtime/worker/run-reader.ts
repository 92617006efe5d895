/** Reads what a workflow run knows: its definition, how its steps ended, the items of its fan-outs. */
import type { Connection } from "../connection/index.js";
import type { WorkflowDefinition } from "../definition/index.js";
import { parseStepOutcome, runFields, type ShardKeys } from "../protocol/index.js";
import { type Scope, WorkflowGraph } from "../workflow/index.js";

export type RunFacts = ReadonlyMap<string, string>;

export class RunReader {
  readonly #connection: Connection;
  readonly #keys: ShardKeys;
  /** By name and hash. A definition never changes under its hash. */
  readonly #graphs = new Map<string, WorkflowGraph>();

  constructor(connection: Connection, keys: ShardKeys) {
    this.#connection = connection;
    this.#keys = keys;
  }

  /** `undefined` where the definition is not stored: the run is gone. */
  async graph(workflow: string): Promise<WorkflowGraph | undefined> {
    const known = this.#graphs.get(workflow);
    if (known !== undefined) return known;
    const field = `@${workflow}`;
    const text = (await this.read([field])).get(field);
    if (text === undefined) return undefined;
    const graph = new WorkflowGraph(JSON.parse(text) as WorkflowDefinition);
    this.#graphs.set(workflow, graph);
    return graph;
  }

  read(fields: readonly string[]): Promise<RunFacts> {
    return this.#connection.readRunFields(this.#keys, fields);
  }

  /** The fields that say how these steps ended. */
  fieldsOf(graph: WorkflowGraph, run: string, steps: readonly string[]): string[] {
    return steps.flatMap((step) => {
      const outcome = runFields.step(run, step);
      return graph.step(step)?.forEach === undefined ? [outcome] : [outcome, runFields.items(run, step)];
    });
  }

  /** What expressions see as `steps`: the result of a fan-out is the list of its items' results, which is read here. */
  async scopeOf(
    graph: WorkflowGraph,
    run: string,
    steps: readonly string[],
    facts: RunFacts,
  ): Promise<Scope> {
    const entries = await Promise.all(
      [...new Set(steps)].map(async (name) => {
        const text = facts.get(runFields.step(run, name));
        if (text === undefined) return [name, undefined] as const;
        const { status, detail } = parseStepOutcome(text);
        if (status !== "completed") return [name, { status }] as const;
        const total = facts.get(runFields.items(run, name));
        const fansOut = graph.step(name)?.forEach !== undefined;
        const result = fansOut ? await this.#itemResults(run, name, Number(total ?? 0)) : detail;
        // A task without a result gives null, which a path cannot lead into either way.
        return [name, { status, result }] as const;
      }),
    );
    return Object.fromEntries(entries.filter(([, value]) => value !== undefined));
  }

  /** Of items that did not complete: null. */
  async #itemResults(run: string, step: string, total: number): Promise<readonly unknown[]> {
    const fields = Array.from({ length: total }, (_unused, index) => runFields.step(run, `${step}.${index}`));
    const facts = await this.read(fields);
    return fields.map((field) => {
      const text = facts.get(field);
      const outcome = text === undefined ? undefined : parseStepOutcome(text);
      return outcome?.status === "completed" ? outcome.detail : null;
    });
  }
}
