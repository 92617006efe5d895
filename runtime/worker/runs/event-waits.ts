/**
 * Steps of workflow runs that wait for an event. Their job is claimed when they start to wait, when the run
 * has received an event, and at the timeout.
 *
 *   claimed -> an event that the run has received matches --> completed, its payload is the result
 *           -> none matches -> timed out --> failed
 *                           -> waits (in the due set, until the timeout or until an emit brings the job back)
 */
import type { Connection } from "../../connection/index.js";
import { formatDuration, type StepWait } from "../../definition/index.js";
import { parseHeard, runFields, type ShardKeys } from "../../protocol/index.js";
import { waitStep } from "../../scripts/index.js";
import { evaluate, type Scope, stepsRead } from "../../workflow/index.js";
import type { Fetcher } from "../claims/fetcher.js";
import type { RunFacts } from "./run-reader.js";
import type { StepContext } from "../claims/step-context.js";
import { endOfStep } from "./step-end.js";
import type { StepEnds } from "./step-ends.js";

export interface EventWaitsPorts {
  readonly connection: Connection;
  readonly keys: ShardKeys;
  /** Redis time (ms). */
  readonly now: () => number;
  readonly ends: StepEnds;
  readonly fetcher: Pick<Fetcher, "forget" | "round">;
}

export class EventWaits {
  readonly #ports: EventWaitsPorts;

  constructor(ports: EventWaitsPorts) {
    this.#ports = ports;
  }

  /**
   * Ends the step or lets it wait; `again` when the stored state of the run has changed and must be read
   * again.
   * @throws what Redis refuses; repeating the call is harmless.
   */
  async wait(
    worker: string,
    context: StepContext,
    wait: StepWait,
    scope: Scope,
    facts: RunFacts,
  ): Promise<"again" | undefined> {
    const { connection, keys, now, ends, fetcher } = this.#ports;
    const { id, graph, run, step } = context;
    const heard = facts.get(runFields.heard(run, step.name)) ?? "";
    const event = parseHeard(heard).find((one) => evaluate(wait.match, { ...scope, event: one }) === true);
    if (event !== undefined) {
      ends.add(endOfStep(context, "completed", event, now()));
      return undefined;
    }
    const { round } = fetcher;
    const { queue } = graph.definition;
    const { timeoutMs } = wait;
    const reply = await waitStep(connection, {
      keys,
      worker,
      id,
      run,
      step: step.name,
      queue,
      timeoutMs,
      heard,
      // Results of steps may be others when the run is retried; the input stays.
      drops: stepsRead(wait.match).length === 0,
    });
    if (reply === "AGAIN") return "again";
    if (reply === "OVER") {
      const reason = `no event ${wait.event} that matches came within ${formatDuration(timeoutMs)}`;
      ends.add(endOfStep(context, "failed", reason, now()));
      // The job comes back under the same id, and must not be taken for one that this worker still holds.
    } else if (reply !== "LOST") fetcher.forget(id, round);
    // LOST, GONE: whoever holds the job now continues.
    return undefined;
  }
}
