/** Runs the job of a workflow run that says how it goes on: it writes the end of the run, or begins what undoes a step. */
import type { Connection } from "../connection/index.js";
import {
  encodeRunEnd,
  parseRunRecord,
  parseStepOutcome,
  runFields,
  type RunEndState,
  type RunRecord,
  type ShardKeys,
  type StepOutcome,
} from "../protocol/index.js";
import { endRun } from "../scripts/index.js";
import { decide, evaluate, stepsRead, undoneField, type WorkflowGraph } from "../workflow/index.js";
import type { Claim } from "./claim.js";
import type { Fetcher } from "./fetcher.js";
import type { RunFacts, RunReader } from "./run-reader.js";
import type { StepEnds } from "./step-ends.js";

export interface DeciderPorts {
  readonly connection: Connection;
  readonly keys: ShardKeys;
  /** Redis time (ms). */
  readonly now: () => number;
  readonly reader: RunReader;
  readonly ends: StepEnds;
  readonly fetcher: Pick<Fetcher, "forget" | "round">;
  /** The lease under that name is gone. */
  readonly onLost: () => void;
}

export class RunDecider {
  readonly #ports: DeciderPorts;

  constructor(ports: DeciderPorts) {
    this.#ports = ports;
  }

  /** @throws what Redis refuses; deciding again is harmless. */
  async decide(worker: string, claim: Claim): Promise<void> {
    const { reader, ends, now } = this.#ports;
    const { run = "", workflow = "" } = claim.record.options;
    const graph = await reader.graph(workflow);
    const facts = graph === undefined ? new Map<string, string>() : await reader.read(allFields(graph, run));
    const record = facts.get(run);
    if (graph === undefined || record === undefined) {
      // Nothing is known of the run any more; its job goes.
      await this.#end(worker, claim, "", "", 0);
      return;
    }
    const { definition } = graph;
    const decision = decide(definition, {
      state: facts.get(runFields.state(run)),
      outcomes: outcomesOf(
        facts,
        run,
        definition.steps.map((step) => step.name),
      ),
      undone: undoneOf(facts, run, graph),
    });
    const known = parseRunRecord(record);
    if (decision.kind === "undo") {
      const begins = [graph.undo(run, decision.step, now())];
      const decider = graph.decider(run, now());
      ends.add({
        id: claim.id,
        endsJob: true,
        run,
        step: "",
        outcome: "",
        state: "",
        itemOf: undefined,
        decider,
        begins,
      });
      return;
    }
    const detail =
      decision.kind === "completed" ? await this.#output(graph, run, known, facts) : decision.reason;
    await this.#finish(worker, claim, graph, known, decision.kind, detail);
  }

  async #output(graph: WorkflowGraph, run: string, { input }: RunRecord, facts: RunFacts): Promise<unknown> {
    const { output } = graph.definition;
    if (output === undefined) return null;
    const steps = await this.#ports.reader.scopeOf(graph, run, stepsRead(output), facts);
    return evaluate(output, { input, steps });
  }

  async #finish(
    worker: string,
    claim: Claim,
    graph: WorkflowGraph,
    { key }: RunRecord,
    state: RunEndState,
    detail: unknown,
  ): Promise<void> {
    const end = encodeRunEnd({ state, at: Math.round(this.#ports.now()), detail });
    // A run that failed frees its key: the next start begins another one.
    await this.#end(worker, claim, end, state === "completed" ? "" : key, graph.definition.keepMs);
  }

  async #end(worker: string, claim: Claim, end: string, key: string, keepMs: number): Promise<void> {
    const { connection, keys, fetcher, onLost } = this.#ports;
    const { round } = fetcher;
    const { run = "" } = claim.record.options;
    const reply = await endRun(connection, { keys, worker, id: claim.id, run, end, keepMs, key });
    if (reply === "LOST") onLost();
    else fetcher.forget(claim.id, round);
  }
}

function allFields(graph: WorkflowGraph, run: string): string[] {
  const fields = [run, runFields.state(run)];
  for (const { name, forEach, compensate } of graph.definition.steps) {
    fields.push(runFields.step(run, name));
    if (forEach !== undefined) fields.push(runFields.items(run, name));
    if (compensate !== undefined) fields.push(runFields.step(run, undoneField(name)));
  }
  return fields;
}

function outcomesOf(facts: RunFacts, run: string, names: readonly string[]): Map<string, StepOutcome> {
  const outcomes = new Map<string, StepOutcome>();
  for (const name of names) {
    const text = facts.get(runFields.step(run, name));
    if (text !== undefined) outcomes.set(name, parseStepOutcome(text));
  }
  return outcomes;
}

function undoneOf(facts: RunFacts, run: string, graph: WorkflowGraph): Map<string, StepOutcome> {
  const undone = new Map<string, StepOutcome>();
  for (const { name } of graph.definition.steps) {
    const text = facts.get(runFields.step(run, undoneField(name)));
    if (text !== undefined) undone.set(name, parseStepOutcome(text));
  }
  return undone;
}
