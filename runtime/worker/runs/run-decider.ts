/**
 * Runs the job that decides how a workflow run goes on: it writes the end of the run, or starts the job that
 * undoes a step.
 */
import type { Connection } from "../../connection/index.js";
import { TaskweftError } from "../../errors.js";
import { processMetrics } from "../../metrics/index.js";
import {
  encodeRunEnd,
  parseRunEnd,
  parseRunParent,
  parseRunRecord,
  parseStepOutcome,
  runFields,
  type ShardKeys,
  type StepEnd,
  type StepOutcome,
} from "../../protocol/index.js";
import {
  type EndedRun,
  type EndRunReply,
  endRuns,
  expireRun,
  MOST_CALL_CHARACTERS,
  Together,
} from "../../scripts/index.js";
import {
  decide,
  evaluate,
  listenersOf,
  RUN_COMPENSATING,
  RUN_FAILING,
  RUN_RETRYING,
  type RunSoFar,
  stepJobId,
  stepsRead,
  stopperId,
  timeoutJobId,
  undoneField,
  type WorkflowGraph,
} from "../../workflow/index.js";
import { MOST_OUTPUT_CHARACTERS, outputTooLarge } from "../abort-reasons.js";
import type { Claim } from "../claims/claim.js";
import type { Fetcher } from "../claims/fetcher.js";
import type { Logger } from "../handler.js";
import { describeError } from "../attempts/outcome.js";
import type { RunFacts, RunReader } from "./run-reader.js";
import { RunResumer } from "./run-resumer.js";
import { RunStopper } from "./run-stopper.js";
import { endOfOwnJob } from "./step-end.js";
import type { StepEnds } from "./step-ends.js";

/** Most runs that one call ends. */
const MAX_ENDS = 64;
/** Retention of a run whose definition cannot be read (ms). */
const GIVEN_UP_KEEP_MS = 7 * 86_400_000;

export interface DeciderPorts {
  readonly connection: Connection;
  readonly keys: ShardKeys;
  readonly logger: Logger;
  /** Redis time (ms). */
  readonly now: () => number;
  readonly reader: RunReader;
  readonly ends: StepEnds;
  readonly fetcher: Pick<Fetcher, "forget" | "round" | "wake">;
  /** The lease under that name is lost. */
  readonly onLost: () => void;
}

export class RunDecider {
  readonly #ports: DeciderPorts;
  readonly #resumer: RunResumer;
  readonly #stopper: RunStopper;
  /**
   * Collects the ends of runs that one tick of this worker decides; all are written under one worker name.
   */
  #ends: { readonly worker: string; readonly together: Together<EndedRun, EndRunReply> } | undefined;

  constructor(ports: DeciderPorts) {
    this.#ports = ports;
    this.#resumer = new RunResumer(ports);
    this.#stopper = new RunStopper(ports);
  }

  /** The fields of a run that a deciding job needs. */
  fields({ id, record }: Claim, graph: WorkflowGraph): readonly string[] {
    const { run = "" } = record.options;
    return id === timeoutJobId(run) || id === stopperId(run) ? [] : this.#allFields(graph, run);
  }

  /**
   * When the stored data of the run is unusable, the run fails: the data would not be usable the next time
   * either.
   * @param facts the fields of the run, if they have been read already.
   * @throws what Redis refuses; deciding again is harmless.
   */
  async decide(worker: string, claim: Claim, facts?: RunFacts): Promise<void> {
    try {
      await this.#decide(worker, claim, facts);
    } catch (error) {
      if (error instanceof TaskweftError) throw error;
      await this.#giveUp(worker, claim, `what is stored of it cannot be used (${describeError(error).name})`);
    }
  }

  /** Runs that have completed with these ends, without a decider. */
  over(ends: readonly StepEnd[]): void {
    for (const { run, decider } of ends) {
      this.#ports.reader.forget(run);
      countEnded(decider.common.options.workflow ?? "", "completed");
    }
  }

  async #decide(worker: string, claim: Claim, known?: RunFacts): Promise<void> {
    const { reader, ends, now } = this.#ports;
    const { run = "", workflow = "" } = claim.record.options;
    const graph = await reader.graph(workflow);
    if (graph !== undefined && claim.id === timeoutJobId(run))
      return await this.#expire(worker, claim, graph);
    if (graph !== undefined && claim.id === stopperId(run)) return await this.#stopper.stop(claim, graph);
    const facts = known ?? (await reader.read(graph === undefined ? [run] : this.#allFields(graph, run)));
    const record = await reader.record(run, facts);
    if (record === undefined) {
      // Nothing of the run is stored any more, so only the job is removed.
      const nothing = {
        end: "",
        key: "",
        keepMs: 0,
        state: "",
        timeout: "",
        listeners: [],
        parent: undefined,
      };
      await this.#end(worker, claim, nothing);
      return;
    }
    if (graph === undefined) return await this.#giveUp(worker, claim, "its definition is not stored");
    const { definition } = graph;
    const state = facts.get(runFields.state(run));
    if (parseRunEnd(state ?? null) !== undefined) {
      // Corrupt counters have called for a decision too early; the run has ended without this one.
      ends.add(endOfOwnJob({ id: claim.id, graph, run }, []));
      return;
    }
    const ended = await reader.withKept(run, record, facts);
    const soFar: RunSoFar = {
      state,
      outcomes: outcomesOf(ended, run, graph, (name) => name),
      undone: outcomesOf(facts, run, graph, undoneField),
      timedOut: facts.has(runFields.timeout(run)),
    };
    if (state === RUN_RETRYING) {
      await this.#resume(worker, claim, graph, soFar, ended);
      return;
    }
    const decision = decide(definition, soFar);
    const { key: owned, input } = record;
    if (decision.kind === "undo") {
      ends.add(endOfOwnJob({ id: claim.id, graph, run }, [graph.undo(decision.step)]));
      return;
    }
    const at = Math.round(now());
    let kind = decision.kind;
    let end = encodeRunEnd({
      state: kind,
      at,
      detail: decision.kind === "completed" ? await this.#output(graph, run, input, facts) : decision.reason,
    });
    if (kind === "completed" && end.length > MOST_OUTPUT_CHARACTERS) {
      kind = "failed";
      end = encodeRunEnd({ state: kind, at, detail: outputTooLarge(end.length) });
    }
    // A run that failed releases its key: the next start begins another run.
    const key = kind === "completed" ? "" : owned;
    const { keepMs, timeoutMs } = definition;
    const timeout = timeoutMs === undefined ? "" : timeoutJobId(run);
    const listeners = listenersOf(definition, run, input);
    const call = { end, key, keepMs, state: state ?? "", timeout, listeners, parent: parentOf(run, facts) };
    const reply = await this.#end(worker, claim, call);
    // The run was cancelled after it was read.
    if (reply === "MOVED") await this.decide(worker, claim);
    else if (reply === "ENDED") countEnded(workflow, kind);
  }

  /** The run stops like one whose step has failed: running steps are awaited. */
  async #expire(worker: string, claim: Claim, graph: WorkflowGraph): Promise<void> {
    const { connection, keys, fetcher, onLost } = this.#ports;
    const { round } = fetcher;
    const { run = "" } = claim.record.options;
    const { onTimeout } = graph.definition;
    const state = onTimeout === "fail" ? RUN_FAILING : RUN_COMPENSATING;
    const waits = graph.waits(run);
    const reply = await expireRun(connection, { keys, worker, id: claim.id, run, state, waits });
    if (reply === "LOST") onLost();
    else fetcher.forget(claim.id, round);
  }

  async #resume(
    worker: string,
    claim: Claim,
    graph: WorkflowGraph,
    soFar: RunSoFar,
    facts: RunFacts,
  ): Promise<void> {
    const { fetcher, onLost } = this.#ports;
    const { round } = fetcher;
    const { reply, isOver } = await this.#resumer.resume(worker, claim, graph, soFar, facts);
    if (reply === "LOST") onLost();
    // The run was cancelled meanwhile, or there is nothing to run.
    else if (reply === "MOVED" || (reply === "RESUMED" && isOver)) await this.decide(worker, claim);
    else {
      fetcher.forget(claim.id, round);
      fetcher.wake();
    }
  }

  /** Ends the run without its definition, or without its record. */
  async #giveUp(worker: string, claim: Claim, reason: string): Promise<void> {
    const { reader, logger, now } = this.#ports;
    const { run = "", workflow = "" } = claim.record.options;
    const facts = await reader.read([run, runFields.state(run), ...parentFields(run)]);
    const state = facts.get(runFields.state(run)) ?? "";
    const detail = `the run cannot go on: ${reason}`;
    const hasEnded = parseRunEnd(state) !== undefined;
    const end = hasEnded ? state : encodeRunEnd({ state: "failed", at: Math.round(now()), detail });
    if (!hasEnded) logger.error("a workflow run cannot go on, and has failed", { run, reason });
    let kept = { key: "", keepMs: GIVEN_UP_KEEP_MS, listeners: [] as readonly string[] };
    try {
      const { key, input } = parseRunRecord(facts.get(run) ?? "");
      kept = { ...kept, key };
      const graph = await reader.graph(workflow);
      if (graph !== undefined)
        kept = { key, keepMs: graph.definition.keepMs, listeners: listenersOf(graph.definition, run, input) };
    } catch (error) {
      // The listeners of an unreadable run are unknown; an emit removes listeners of runs that are gone.
      if (error instanceof TaskweftError) throw error;
    }
    const reply = await this.#end(worker, claim, {
      ...kept,
      end,
      state,
      timeout: timeoutJobId(run),
      parent: parentOf(run, facts),
    });
    if (reply === "MOVED") await this.#giveUp(worker, claim, reason);
    else if (reply === "ENDED" && !hasEnded) countEnded(workflow, "failed");
  }

  #allFields(graph: WorkflowGraph, run: string): string[] {
    const fields = [...this.#ports.reader.fieldsOfRecord(run), runFields.state(run), ...parentFields(run)];
    if (graph.definition.timeoutMs !== undefined) fields.push(runFields.timeout(run));
    for (const { name, child, forEach, compensate } of graph.definition.steps) {
      fields.push(runFields.step(run, name));
      if (child !== undefined) fields.push(runFields.round(run, name));
      if (forEach !== undefined) fields.push(runFields.items(run, name));
      if (compensate !== undefined) fields.push(runFields.step(run, undoneField(name)));
    }
    return fields;
  }

  #endsOf(worker: string): Together<EndedRun, EndRunReply> {
    if (this.#ends?.worker !== worker) {
      const { connection, keys } = this.#ports;
      const send = (ends: readonly EndedRun[]) => endRuns(connection, { keys, worker, ends });
      const together = new Together({
        send,
        mostItems: MAX_ENDS,
        sizeOf: ({ end }: EndedRun) => end.length,
        mostSize: MOST_CALL_CHARACTERS,
      });
      this.#ends = { worker, together };
    }
    return this.#ends.together;
  }

  async #output(graph: WorkflowGraph, run: string, input: unknown, facts: RunFacts): Promise<unknown> {
    const { output } = graph.definition;
    if (output === undefined) return null;
    const steps = await this.#ports.reader.scopeOf(graph, run, stepsRead(output), facts);
    return evaluate(output, { input, run: { id: run }, steps });
  }

  async #end(
    worker: string,
    claim: Claim,
    end: Omit<EndedRun, "id" | "queue" | "run">,
  ): Promise<EndRunReply> {
    const { fetcher, reader, onLost } = this.#ports;
    const { round } = fetcher;
    const { queue, options } = claim.record;
    const { run = "" } = options;
    const reply = await this.#endsOf(worker).ask({ id: claim.id, run, queue, ...end });
    if (reply === "LOST") onLost();
    else if (reply !== "MOVED") {
      fetcher.forget(claim.id, round);
      reader.forget(run);
    }
    // The parent run can go on at once.
    if (reply === "ENDED" && end.parent !== undefined) fetcher.wake();
    return reply;
  }
}

/** @param workflow name and hash of the definition. */
function countEnded(workflow: string, state: string): void {
  processMetrics.count("taskweft_run_ended_total", { workflow: workflow.split(" ", 1)[0]!, state });
}

/** Only ids of runs that no user started contain a dot, and only such a run can have a parent. */
function parentFields(run: string): string[] {
  return run.includes(".") ? [runFields.parent(run)] : [];
}

/** The job of the parent step. */
function parentOf(run: string, facts: RunFacts): EndedRun["parent"] {
  const parent = parseRunParent(facts.get(runFields.parent(run)));
  if (parent === undefined) return undefined;
  return { job: stepJobId(parent.run, parent.step, parent.item), queue: parent.queue };
}

/**
 * The outcomes of the steps that have ended.
 * @param fieldOf the name under which the outcome of a step is stored.
 */
function outcomesOf(
  facts: RunFacts,
  run: string,
  { definition }: WorkflowGraph,
  fieldOf: (step: string) => string,
): Map<string, StepOutcome> {
  const outcomes = new Map<string, StepOutcome>();
  for (const { name } of definition.steps) {
    const text = facts.get(runFields.step(run, fieldOf(name)));
    if (text !== undefined) outcomes.set(name, parseStepOutcome(text));
  }
  return outcomes;
}
