/** What Redis says about the shop's queues and jobs, in the few words that the demo needs. */
import type { QueueName } from "../../generated/index.js";
import { Connection } from "../../runtime/connection/index.js";
import { TaskweftError } from "../../runtime/errors.js";
import { createInspector, type Inspector, type JobDetails } from "../../runtime/inspect/index.js";
import { prefixOption } from "../../runtime/option-values.js";
import { ShardKeys } from "../../runtime/protocol/index.js";

export interface QueueRow {
  readonly name: string;
  readonly weight: number;
  readonly pending: number;
  /** Due later: scheduled and retry. */
  readonly later: number;
  readonly active: number;
  readonly dead: number;
}

export interface JobOutcome {
  readonly state: string;
  /** Attempts that have an end on record: completed, failed or crashed (the lease of its worker ended). */
  readonly endsOnRecord: number;
  readonly crashes: number;
  /** Class of the error that ended the last attempt. */
  readonly lastError: string | undefined;
}

export interface ShopView {
  /** The heaviest first. */
  queues(): Promise<readonly QueueRow[]>;
  /** Undefined: Redis holds no such job (any more). */
  job(id: string): Promise<JobOutcome | undefined>;
  /** Whether any workflow run has not ended. */
  runsGoOn(): Promise<boolean>;
  /** The state of a workflow run. Undefined: Redis holds no such run (any more). */
  run(id: string): Promise<string | undefined>;
  close(): void;
}

/** Named here, because nobody has declared them in Redis before the first worker is up. */
const QUEUES: readonly QueueName[] = ["critical", "default", "high", "low"];

/** The kinds of events that end an attempt. */
const ENDS = new Set(["completed", "crashed", "failed"]);

const RUN_ENDS = new Set(["cancelled", "completed", "failed"]);

export function openShopView(url: string): ShopView {
  const connection = new Connection({ url }, "demo");
  const inspector = createInspector({
    connection,
    keys: new ShardKeys(prefixOption(undefined)),
    queues: QUEUES,
  });
  return {
    queues: () => readQueues(inspector),
    job: (id) => unlessGone(async () => toOutcome(await inspector.showJob(id))),
    runsGoOn: async () => {
      // Those that go on are listed first.
      const { runs } = await inspector.listRuns({ limit: 1 });
      return runs.some(({ state }) => !RUN_ENDS.has(state));
    },
    run: (id) => unlessGone(async () => (await inspector.showRun(id)).state),
    close: () => connection.disconnect(),
  };
}

async function readQueues(inspector: Inspector): Promise<readonly QueueRow[]> {
  const queues = await inspector.listQueues();
  return queues
    .map(({ name, weight = 0, pending, scheduled, retry, active, dead }) => ({
      name,
      weight,
      pending,
      later: scheduled + retry,
      active,
      dead,
    }))
    .toSorted((left, right) => right.weight - left.weight);
}

async function unlessGone<Found>(read: () => Promise<Found>): Promise<Found | undefined> {
  try {
    return await read();
  } catch (error) {
    if (error instanceof TaskweftError && error.code === "JobNotFound") return undefined;
    throw error;
  }
}

function toOutcome(job: JobDetails): JobOutcome {
  return {
    state: job.state,
    endsOnRecord: job.timeline.filter((event) => ENDS.has(event.kind)).length,
    crashes: job.crashes,
    lastError: job.timeline.findLast((event) => event.kind === "failed")?.error,
  };
}
