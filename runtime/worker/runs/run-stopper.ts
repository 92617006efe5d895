/**
 * Runs the job that a cancel adds to a run: it stops running jobs and cancels the runs of its steps. The
 * caller of the cancel does the same at once, but may die before it is finished. This job is taken back from
 * a worker that dies, until it is done.
 */
import { stopRun } from "../../cancel.js";
import type { Connection } from "../../connection/index.js";
import { TaskweftError } from "../../errors.js";
import type { ShardKeys } from "../../protocol/index.js";
import type { WorkflowGraph } from "../../workflow/index.js";
import type { Claim } from "../claims/claim.js";
import type { Logger } from "../handler.js";
import { describeError } from "../attempts/outcome.js";
import { endOfOwnJob } from "./step-end.js";
import type { StepEnds } from "./step-ends.js";

export interface StopperPorts {
  readonly connection: Connection;
  readonly keys: ShardKeys;
  readonly logger: Logger;
  readonly ends: StepEnds;
}

export class RunStopper {
  readonly #ports: StopperPorts;

  constructor(ports: StopperPorts) {
    this.#ports = ports;
  }

  /** @throws what Redis refuses; stopping again is harmless. */
  async stop({ id, record }: Claim, graph: WorkflowGraph): Promise<void> {
    const { connection, keys, logger, ends } = this.#ports;
    const { run = "" } = record.options;
    try {
      await stopRun(connection, keys, run, graph.definition);
    } catch (error) {
      if (error instanceof TaskweftError) throw error;
      // The stored data would not be readable the next time either. Running jobs end by themselves, and then
      // the run is decided.
      const what = describeError(error).name;
      logger.error("the running jobs of a cancelled run cannot be found", { run, error: what });
    }
    ends.add(endOfOwnJob({ id, graph, run }, []));
  }
}
