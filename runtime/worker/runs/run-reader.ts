/**
 * Reads what is stored of a workflow run: its definition, the outcomes of its steps, the items of its
 * fan-outs.
 */
import type { Connection } from "../../connection/index.js";
import type { WorkflowDefinition } from "../../definition/index.js";
import { TaskweftError } from "../../errors.js";
import {
  parseRunRecord,
  parseStepOutcome,
  type RunRecord,
  runFields,
  type ShardKeys,
} from "../../protocol/index.js";
import { type Scope, WorkflowGraph } from "../../workflow/index.js";
import { RunRecords } from "./run-records.js";

export type RunFacts = ReadonlyMap<string, string>;

/** The value of a step in expressions; `undefined` while it has not ended. */
type StepScope = { readonly status: string; readonly result?: unknown } | undefined;

/** Bounds the records that are remembered. */
const MAX_RECORD_CHARACTERS = 16 * 1024 * 1024;
/** Items that one read fetches. */
const ITEM_CHUNK = 200;

export class RunReader {
  readonly #connection: Connection;
  readonly #keys: ShardKeys;
  /** By name and hash. A definition never changes under its hash. */
  readonly #graphs = new Map<string, WorkflowGraph>();
  /** Values computed from facts: many steps of a run are read together and ask for the same values. */
  readonly #made = new WeakMap<RunFacts, Map<string, Promise<StepScope>>>();
  readonly #records = new RunRecords(MAX_RECORD_CHARACTERS);
  #latest: { readonly run: string; readonly facts: RunFacts; readonly record: RunRecord } | undefined;

  constructor(connection: Connection, keys: ShardKeys) {
    this.#connection = connection;
    this.#keys = keys;
  }

  /** `undefined` when the definition is not stored, because the run is gone. */
  async graph(workflow: string): Promise<WorkflowGraph | undefined> {
    const known = this.#graphs.get(workflow);
    if (known !== undefined) return known;
    const field = `@${workflow}`;
    const text = (await this.read([field])).get(field);
    if (text === undefined) return undefined;
    const definition = JSON.parse(text) as WorkflowDefinition;
    // Without `keepMs` the end of a run could not be written, nor the ends of other runs in the same call.
    if (!Number.isFinite(definition.keepMs)) throw new TypeError("a definition without keepMs");
    const graph = new WorkflowGraph(definition);
    this.#graphs.set(workflow, graph);
    return graph;
  }

  /** The definitions that are stored and can be read, by name and hash. */
  async graphs(workflows: readonly string[]): Promise<ReadonlyMap<string, WorkflowGraph>> {
    for (const workflow of new Set(workflows)) {
      if (this.#graphs.has(workflow)) continue;
      await this.graph(workflow).catch((error: unknown) => {
        // A later read of this definition alone reports the error.
        if (error instanceof TaskweftError) throw error;
      });
    }
    return this.#graphs;
  }

  read(fields: readonly string[]): Promise<RunFacts> {
    return this.#connection.readRunFields(this.#keys, fields);
  }

  /** The fields that `record` needs; includes the record itself only when it is not remembered here. */
  fieldsOfRecord(run: string): readonly string[] {
    return this.#records.has(run) ? [runFields.stamp(run)] : [runFields.stamp(run), run];
  }

  /** `undefined` when nothing of the run is stored any more. */
  async record(run: string, facts: RunFacts): Promise<RunRecord | undefined> {
    const known = this.recordIn(run, facts);
    // The remembered record was of an earlier run with this id, or has been forgotten since `fieldsOfRecord`.
    return known ?? this.recordIn(run, await this.read([runFields.stamp(run), run]));
  }

  /** The record from the facts or from memory. */
  recordIn(run: string, facts: RunFacts): RunRecord | undefined {
    // The items of a fan-out ask for the same record one after the other.
    if (this.#latest?.run === run && this.#latest.facts === facts) return this.#latest.record;
    const record = this.#findRecord(run, facts);
    if (record !== undefined) this.#latest = { run, facts, record };
    return record;
  }

  #findRecord(run: string, facts: RunFacts): RunRecord | undefined {
    const stamp = facts.get(runFields.stamp(run));
    const text = facts.get(run);
    const known = stamp === undefined ? undefined : this.#records.get(run, stamp);
    if (known !== undefined || text === undefined) return known;
    return stamp === undefined ? parseRunRecord(text) : this.#records.add(run, stamp, text);
  }

  /** Adds the outcomes that steps keep and have not passed on yet. */
  async withKept(run: string, { life }: RunRecord, facts: RunFacts): Promise<RunFacts> {
    const steps = [...(life?.passed ?? [])].filter((step) => !facts.has(runFields.step(run, step)));
    if (steps.length === 0) return facts;
    const kept = await this.read(steps.map((step) => runFields.kept(run, step)));
    const all = new Map(facts);
    for (const step of steps) {
      const outcome = kept.get(runFields.kept(run, step));
      if (outcome !== undefined) all.set(runFields.step(run, step), outcome);
    }
    return all;
  }

  /** The run has ended. */
  forget(run: string): void {
    this.#records.forget(run);
  }

  /** The fields with the outcomes of these steps. */
  fieldsOf(graph: WorkflowGraph, run: string, steps: readonly string[]): string[] {
    return steps.flatMap((step) => {
      const outcome = runFields.step(run, step);
      return graph.step(step)?.forEach === undefined ? [outcome] : [outcome, runFields.items(run, step)];
    });
  }

  /**
   * The value of `steps` in expressions. The result of a fan-out is the list of its items' results, which is
   * read here.
   */
  async scopeOf(
    graph: WorkflowGraph,
    run: string,
    steps: readonly string[],
    facts: RunFacts,
  ): Promise<Scope> {
    if (steps.length === 0) return {};
    const entries = await Promise.all(
      [...new Set(steps)].map(
        async (name) => [name, await this.#stepScope(graph, run, name, facts)] as const,
      ),
    );
    return Object.fromEntries(entries.filter(([, value]) => value !== undefined));
  }

  #stepScope(graph: WorkflowGraph, run: string, step: string, facts: RunFacts): Promise<StepScope> {
    const made = this.#made.get(facts) ?? new Map<string, Promise<StepScope>>();
    this.#made.set(facts, made);
    const field = runFields.step(run, step);
    const scope = made.get(field) ?? this.#makeStepScope(graph, run, step, facts);
    made.set(field, scope);
    return scope;
  }

  async #makeStepScope(graph: WorkflowGraph, run: string, step: string, facts: RunFacts): Promise<StepScope> {
    const text = facts.get(runFields.step(run, step));
    if (text === undefined) return undefined;
    const { status, detail } = parseStepOutcome(text);
    if (status !== "completed") return { status };
    const total = facts.get(runFields.items(run, step));
    const fansOut = graph.step(step)?.forEach !== undefined;
    const result = fansOut ? await this.#itemResults(run, step, Number(total ?? 0)) : detail;
    // A task without a result gives null; a path into it evaluates to the same either way.
    return { status, result };
  }

  /** null for items that did not complete. */
  async #itemResults(run: string, step: string, total: number): Promise<readonly unknown[]> {
    const fields = Array.from({ length: total }, (_unused, index) => runFields.step(run, `${step}.${index}`));
    const facts = await this.read(fields);
    return fields.map((field) => {
      const text = facts.get(field);
      const outcome = text === undefined ? undefined : parseStepOutcome(text);
      return outcome?.status === "completed" ? outcome.detail : null;
    });
  }

  /** Whether each item of a fan-out has ended; read a part at a time. */
  async itemsEnded(run: string, step: string, total: number): Promise<readonly boolean[]> {
    const ended: boolean[] = [];
    while (ended.length < total) {
      const size = Math.min(ITEM_CHUNK, total - ended.length);
      const fields = Array.from({ length: size }, (_unused, i) =>
        runFields.step(run, `${step}.${ended.length + i}`),
      );
      const facts = await this.read(fields);
      ended.push(...fields.map((field) => facts.has(field)));
    }
    return ended;
  }
}
