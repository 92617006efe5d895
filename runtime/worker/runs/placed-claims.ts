/**
 * Claimed jobs of runs with their steps, and what they need of their runs, which is read for all of them at
 * once.
 */
import type { WorkflowGraph } from "../../workflow/index.js";
import type { Claim } from "../claims/claim.js";
import { areOfOneFanOut, contextOf, type StepContext } from "../claims/step-context.js";
import type { RunDecider } from "./run-decider.js";
import type { RunFacts, RunReader } from "./run-reader.js";
import { addFields, addOwnFields } from "./step-fields.js";

/** A job of a run. `since`: as in StepContext. */
export interface Taken {
  readonly claim: Claim;
  readonly since: number;
}

/** A claim before its run is read. */
export interface Placed {
  readonly claim: Claim;
  /** `undefined` when the definition is not stored, or cannot be read. */
  readonly graph: WorkflowGraph | undefined;
  /** `undefined` for the job that decides, and when nothing of the run is stored any more. */
  readonly context: StepContext | undefined;
}

/** @throws what Redis refuses. */
export async function readTogether(
  reader: RunReader,
  decider: RunDecider,
  taken: readonly Taken[],
): Promise<{ readonly placed: readonly Placed[]; readonly facts: RunFacts }> {
  const graphs = await reader.graphs(taken.map(({ claim }) => claim.record.options.workflow ?? ""));
  const placed = taken.map((one) => place(one, graphs));
  const fields = new Set<string>();
  let before: StepContext | undefined;
  for (const { claim, graph, context } of placed) {
    // The fields of the claim before have all been added.
    if (context !== undefined && areOfOneFanOut(context, before)) addOwnFields(context, fields);
    else if (context !== undefined) addFields(reader, context, fields);
    else if (graph !== undefined) for (const field of decider.fields(claim, graph)) fields.add(field);
    before = context;
  }
  return { placed, facts: await reader.read([...fields]) };
}

function place({ claim, since }: Taken, graphs: ReadonlyMap<string, WorkflowGraph>): Placed {
  const { workflow = "", step: name } = claim.record.options;
  const graph = graphs.get(workflow);
  const step = name === undefined ? undefined : graph?.step(name);
  if (graph === undefined || step === undefined) return { claim, graph, context: undefined };
  return { claim, graph, context: contextOf(claim, since, graph, step) };
}
