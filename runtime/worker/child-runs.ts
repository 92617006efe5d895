/**
 * Steps of workflow runs that are runs themselves. The job of such a step starts the run and then only waits: it is claimed again when
 * the run has ended, which the script that ends it sees to, and now and then to look.
 *
 *   claimed -> no run yet --> started, in the move in which the job begins to wait
 *           -> it goes on --> waits (in the due set)
 *           -> it has ended --> the step ends as the run did
 *                           --> where the step was retried the run goes on from where it failed, and the job waits
 */
import type { Connection } from "../connection/index.js";
import type { WorkflowDefinition } from "../definition/index.js";
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
} from "../protocol/index.js";
import { followRun, type FollowRunCall } from "../scripts/index.js";
import { childRunId, evaluate, roundOf, RunStarter, type Scope, WorkflowGraph } from "../workflow/index.js";
import { resultTooLarge } from "./abort-reasons.js";
import type { ChildInputs } from "./child-inputs.js";
import type { Fetcher } from "./fetcher.js";
import type { RunReader } from "./run-reader.js";
import type { StepContext } from "./step-context.js";
import { endOfStep } from "./step-end.js";
import type { StepEnds } from "./step-ends.js";

/** The end of the run brings the job back; this only bounds how long a fault of ours could hold the parent up. */
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

/** The run of a step, as it is stored. */
export interface ChildNow {
  readonly id: string;
  /** Of whom it is a step; `undefined`: it has not been started. */
  readonly parent: RunParent | undefined;
  readonly end: RunEnd | undefined;
  /** It is to go on, where it has ended badly. */
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
    // As the script sees it, it has ended: asking again would say so again.
    if (end === undefined && state?.includes(" ") === true) throw new Error("its end cannot be read");
    return {
      id,
      parent: parseRunParent(facts.get(runFields.parent(id))),
      end,
      isRetried: own.has(mark),
    };
  }

  /**
   * Ends the step with the run that is there, or waits for it; `again` where there is news. `goesOn`: so does the parent.
   * @throws what Redis refuses; doing it again is harmless.
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
    // Cancelled with its parent, or by itself: then its step has failed.
    if (!goesOn) return this.#end(context, "cancelled", null);
    return this.#end(context, "failed", `RunCancelled: ${id}: ${String(end.detail)}`);
  }

  /** Starts the run of a step, unless its input does not fit; `again` where there is news. @throws what Redis refuses; doing it again is harmless. */
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
    // LOST, GONE: whoever holds the job now goes on. It comes back under its id, and must not be taken for one that is held still.
    if (reply !== "LOST") fetcher.forget(id, round);
    if (reply === "WAITING" && action.kind !== "wait") fetcher.wake();
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
