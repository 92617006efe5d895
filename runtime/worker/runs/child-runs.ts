/**
 * Steps of workflow runs that are runs themselves. The job of such a step starts the child run and then only
 * waits. The script that ends the child run makes the job due again; as a fallback it also comes back now and
 * then to check.
 *
 *   claimed -> no run yet --> started, in the same move in which the job begins to wait
 *           -> it runs    --> waits (in the due set)
 *           -> it has ended --> the step ends as the run did
 *                           --> when the step was retried, the run is retried too, and the job waits
 */
import type { Connection } from "../../connection/index.js";
import type { WorkflowDefinition } from "../../definition/index.js";
import { processMetrics } from "../../metrics/index.js";
import {
  begunJob,
  encodeRunParent,
  parseRunEnd,
  parseRunParent,
  runFields,
  type RunEnd,
  type RunParent,
  type RunRecord,
  type ShardKeys,
  type StepStatus,
} from "../../protocol/index.js";
import { followRun, type FollowRunCall } from "../../scripts/index.js";
import {
  childRunId,
  evaluate,
  roundOf,
  RunStarter,
  type Scope,
  WorkflowGraph,
} from "../../workflow/index.js";
import { resultTooLarge } from "../abort-reasons.js";
import type { ChildInputs } from "./child-inputs.js";
import type { Fetcher } from "../claims/fetcher.js";
import type { RunReader } from "./run-reader.js";
import type { StepContext } from "../claims/step-context.js";
import { endOfStep } from "./step-end.js";
import type { StepEnds } from "./step-ends.js";

/**
 * The end of the child run brings the job back. This interval only bounds how long a bug could hold the
 * parent up.
 */
const LOOK_MS = 3_600_000;

export interface ChildRunsPorts {
  readonly connection: Connection;
  readonly keys: ShardKeys;
  /** Redis time (ms). */
  readonly now: () => number;
  readonly reader: RunReader;
  readonly ends: StepEnds;
  readonly fetcher: Pick<Fetcher, "forget" | "round" | "wake">;
  /** Characters of JSON that a result may have. */
  readonly maxResultCharacters: number;
  readonly inputs: ChildInputs;
}

/** The child run of a step, as it is stored. */
export interface ChildNow {
  readonly id: string;
  /** The parent step, or `undefined` while the run has not been started. */
  readonly parent: RunParent | undefined;
  readonly end: RunEnd | undefined;
  /** The run failed or was cancelled, and is to be retried. */
  readonly isRetried: boolean;
}

export class ChildRuns {
  readonly #ports: ChildRunsPorts;
  /** By name and hash. */
  readonly #known = new Map<string, { readonly starter: RunStarter; readonly graph: WorkflowGraph }>();

  constructor(ports: ChildRunsPorts) {
    this.#ports = ports;
  }

  async find({ run, step, item }: StepContext): Promise<ChildNow> {
    const { reader } = this.#ports;
    const [round, mark] = [runFields.round(run, step.name), runFields.goesOn(run, nameOf(step.name, item))];
    const own = await reader.read([round, mark]);
    const id = childRunId(run, step.name, roundOf(own.get(round)), item?.index);
    const facts = await reader.read([runFields.parent(id), runFields.state(id)]);
    const state = facts.get(runFields.state(id));
    const end = parseRunEnd(state ?? null);
    // The script counts this state as an end, so asking again would give the same answer for ever.
    if (end === undefined && state?.includes(" ") === true) throw new Error("its end cannot be read");
    return {
      id,
      parent: parseRunParent(facts.get(runFields.parent(id))),
      end,
      isRetried: own.has(mark),
    };
  }

  /**
   * Ends the step with the outcome of the child run, or waits for it; `again` when the stored state has
   * changed and must be read again.
   * @param goesOn whether the parent run goes on.
   * @throws what Redis refuses; repeating the call is harmless.
   */
  async follow(
    worker: string,
    context: StepContext,
    child: ChildNow,
    { startedAt }: RunRecord,
    goesOn: boolean,
  ): Promise<"again" | undefined> {
    const { id, end, isRetried } = child;
    if (child.parent?.startedAt !== startedAt) {
      return this.#end(context, "failed", `IdConflict: the run ${id} belongs to an earlier run of this id`);
    }
    if (end === undefined) return await this.#send(worker, context, id, { kind: "wait" });
    if (end.state !== "completed" && isRetried && goesOn) {
      const { queue, record } = begunJob(this.#of(context).graph.decider, id, this.#ports.now());
      return await this.#send(worker, context, id, { kind: "retry", queue, decider: record });
    }
    if (end.state === "completed") return this.#complete(context, id, end.detail);
    if (end.state === "failed")
      return this.#end(context, "failed", `RunFailed: ${id}: ${String(end.detail)}`);
    // The child run was cancelled with its parent; if it was cancelled by itself, its step has failed.
    if (!goesOn) return this.#end(context, "cancelled", null);
    return this.#end(context, "failed", `RunCancelled: ${id}: ${String(end.detail)}`);
  }

  /**
   * Starts the child run, unless its input is invalid; `again` when the stored state has changed and must be
   * read again.
   * @throws what Redis refuses; repeating the call is harmless.
   */
  async start(
    worker: string,
    context: StepContext,
    { id }: ChildNow,
    { startedAt }: RunRecord,
    scope: Scope,
  ): Promise<"again" | undefined> {
    const { graph, run, step, item } = context;
    const { queue } = graph.definition;
    const input = evaluate(step.child!.input, scope);
    const { starter } = this.#of(context);
    const problem = await this.#ports.inputs.problemOf(starter.definition, input);
    if (problem !== undefined) return this.#end(context, "failed", problem);
    const start = starter.start({ run: id, input, now: this.#ports.now() });
    const parent = encodeRunParent({ run, startedAt, queue, step: step.name, item: item?.index });
    return await this.#send(worker, context, id, { kind: "start", parent, start });
  }

  async #send(
    worker: string,
    { id, graph, run, step, item }: StepContext,
    child: string,
    action: FollowRunCall["action"],
  ): Promise<"again" | undefined> {
    const { connection, keys, fetcher } = this.#ports;
    const { round } = fetcher;
    const { queue } = graph.definition;
    const own = { id, parent: run, queue, step: nameOf(step.name, item), run: child };
    const reply = await followRun(connection, { keys, worker, ...own, lookMs: LOOK_MS, action });
    if (reply === "AGAIN") return "again";
    // LOST, GONE: whoever holds the job now continues. The job comes back under the same id, and must not be
    // taken for one that this worker still holds.
    if (reply !== "LOST") fetcher.forget(id, round);
    if (reply === "WAITING" && action.kind !== "wait") fetcher.wake();
    if (reply === "WAITING" && action.kind === "start")
      processMetrics.count("taskweft_run_started_total", { workflow: step.child!.workflow });
    return undefined;
  }

  #complete(context: StepContext, id: string, output: unknown): undefined {
    const { maxResultCharacters } = this.#ports;
    const { length } = JSON.stringify(output);
    if (length <= maxResultCharacters) return this.#end(context, "completed", output);
    const reason = resultTooLarge(`the run ${id} has an output`, length, maxResultCharacters);
    return this.#end(context, "failed", `ResultTooLarge: ${reason}`);
  }

  #end(context: StepContext, status: StepStatus, detail: unknown): undefined {
    this.#ports.ends.add(endOfStep(context, status, detail, this.#ports.now()));
  }

  #of({ graph, step }: StepContext): { readonly starter: RunStarter; readonly graph: WorkflowGraph } {
    const definition: WorkflowDefinition | undefined = graph.definition.children?.[step.child!.workflow];
    if (definition === undefined) throw new Error(`the definition of ${step.child!.workflow} is not stored`);
    const key = `${definition.name} ${definition.hash}`;
    const known = this.#known.get(key) ?? {
      starter: new RunStarter(definition),
      graph: new WorkflowGraph(definition),
    };
    this.#known.set(key, known);
    return known;
  }
}

function nameOf(step: string, item: StepContext["item"]): string {
  return item === undefined ? step : `${step}.${item.index}`;
}
