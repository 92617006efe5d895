/**
 * Every metric family: the one list from which the exposition is made, and against which the table of
 * docs/metrics.md is checked.
 */

export interface Family {
  readonly type: "counter" | "gauge" | "histogram";
  readonly help: string;
  readonly labels: readonly string[];
  /**
   * How values of several processes or shards are combined. Default: `sum`. `max` is for values that every
   * process reads from Redis, and which would otherwise be counted once for each process.
   */
  readonly over?: "max";
}

const OF_JOB = ["task", "queue"] as const;

/** In the order of the exposition. */
export const FAMILIES = {
  taskweft_job_queued_total: {
    type: "counter",
    help: "Jobs that this process has stored in Redis.",
    labels: OF_JOB,
  },
  taskweft_job_deduplicated_total: {
    type: "counter",
    help: "Enqueues that made no new job, because their id, idempotency key or dedupe key was known.",
    labels: OF_JOB,
  },
  taskweft_job_enqueue_failed_total: {
    type: "counter",
    help: "Enqueues that were refused by Redis or not answered, by the code of their error.",
    labels: [...OF_JOB, "code"],
  },
  taskweft_job_executed_total: {
    type: "counter",
    help: "Attempts that have ended in this process, by what came of them.",
    labels: [...OF_JOB, "outcome"],
  },
  taskweft_job_failed_total: {
    type: "counter",
    help: "Attempts that have failed, by the name of their error.",
    labels: [...OF_JOB, "error_type"],
  },
  taskweft_job_retry_attempts_total: {
    type: "counter",
    help: "Attempts of jobs that had failed before.",
    labels: OF_JOB,
  },
  taskweft_job_crashed_total: {
    type: "counter",
    help: "Jobs that were taken back from a worker which was lost.",
    labels: OF_JOB,
  },
  taskweft_job_duration_seconds: {
    type: "histogram",
    help: "How long attempts took, whatever came of them.",
    labels: OF_JOB,
  },
  taskweft_job_queue_latency_seconds: {
    type: "histogram",
    help: "From when a job could start until its first attempt did.",
    labels: OF_JOB,
  },
  taskweft_run_started_total: {
    type: "counter",
    help: "Workflow runs that this process has started.",
    labels: ["workflow"],
  },
  taskweft_run_ended_total: {
    type: "counter",
    help: "Workflow runs of which this process has written the end.",
    labels: ["workflow", "state"],
  },
  taskweft_worker_slots: { type: "gauge", help: "Handlers that may run at the same time.", labels: [] },
  taskweft_worker_slots_used: { type: "gauge", help: "Handlers that run.", labels: [] },
  taskweft_worker_leases_lost_total: {
    type: "counter",
    help: "Leases that have ended under a living worker, whose jobs may have run twice then.",
    labels: [],
  },
  taskweft_worker_redis_errors_total: {
    type: "counter",
    help: "Calls of workers that Redis refused or did not answer; they are tried again.",
    labels: ["operation"],
  },
  taskweft_redis_up: {
    type: "gauge",
    help: "1 when Redis answered for what follows; 0 when it did not, and it is missing.",
    labels: [],
    over: "max",
  },
  taskweft_job_queue_depth: {
    type: "gauge",
    help: "Jobs that wait: pending (could start), scheduled (due later, retries among them).",
    labels: ["queue", "state"],
    over: "max",
  },
  taskweft_job_oldest_pending_seconds: {
    type: "gauge",
    help: "How long the first job in line could have started at most; 0 when none is in line.",
    labels: ["queue"],
    over: "max",
  },
  taskweft_queue_paused: {
    type: "gauge",
    help: "1 while an operator holds the queue back.",
    labels: ["queue"],
    over: "max",
  },
  taskweft_job_active: { type: "gauge", help: "Jobs that workers hold.", labels: [], over: "max" },
  taskweft_job_dlq_items: {
    type: "gauge",
    help: "Dead jobs that are kept for a person.",
    labels: [],
    over: "max",
  },
  taskweft_run_active: {
    type: "gauge",
    help: "Workflow runs that have not ended.",
    labels: [],
    over: "max",
  },
  taskweft_worker_alive: {
    type: "gauge",
    help: "Workers that hold a lease.",
    labels: [],
    over: "max",
  },
  taskweft_redis_memory_used_bytes: {
    type: "gauge",
    help: "Memory that the Redis of a shard uses.",
    labels: ["shard"],
    over: "max",
  },
  taskweft_redis_memory_max_bytes: {
    type: "gauge",
    help: "Memory that it may use (maxmemory); 0 = no limit.",
    labels: ["shard"],
    over: "max",
  },
} as const satisfies Readonly<Record<string, Family>>;

export type FamilyName = keyof typeof FAMILIES;
/** A value for each label of the family. */
export type LabelsOf<Name extends FamilyName> = Readonly<
  Record<(typeof FAMILIES)[Name]["labels"][number], string>
>;
