/** Everything that the audit can find. The numbers are documented in docs/fsck.md: add, never renumber. */
export const FINDING_CODES = {
  "TW-F01": "a job stands in no index: no worker would run it",
  "TW-F02": "a job stands where its state does not belong, or twice",
  "TW-F03": "an id has no record",
  "TW-F04": "a tombstone that no list contains, or that has a history",
  "TW-F05": "a record cannot be read",
  "TW-F06": "the history of a job cannot be read",
  "TW-F07": "a job has ended and is neither in done nor in dead: it would never be removed",
  "TW-F08": "a job stands in another queue than its own",
  "TW-F09": "a job is in another shard than the one its id leads to: it would not be found by its id",
  "TW-F10": "a cancel is requested for a job that is not active",
  "TW-F11": "clients wait for a job that has ended or is gone",
  "TW-F12": "notes of a job that has completed or is gone: they would never be removed",
  "TW-F13": "notes cannot be read",
  "TW-F20": "an idempotency key has no expiry: it would never be freed",
  "TW-F21": "a dead or cancelled job still has its idempotency key",
  "TW-F22": "a retained event has no expiry: it would never be removed",
  "TW-F23": "a handler listens to an event without an expiry: the entry would never be removed",
  "TW-F24": "a job or step waits for an event that would not find it",
  "TW-F30": "a worker has no lease: its jobs would never be taken back, and it would never be removed",
  "TW-F40": "a queue with jobs is not declared",
  "TW-F41": "there is more than one hint for idle workers",
  "TW-F50": "the gate does not know a job that has a limit: it would not be counted",
  "TW-F51": "the gate knows an id that has ended or is gone, or has another entry than its record says",
  "TW-F52": "an id waits at the gate in a wrong place",
  "TW-F53": "a group counts other slots than its jobs hold",
  "TW-F54": "a queue counts other jobs at the gate than wait there",
  "TW-F55": "a group has room for a waiting job, and no note says so: the job would wait for ever",
  "TW-F60":
    "a workflow run stands in another list than that of its state: it would never be removed, or shown",
  "TW-F61": "a list names a workflow run that does not exist",
  "TW-F62": "fields of a workflow run that does not exist: they would never be removed",
  "TW-F63": "a workflow run cannot be read",
  "TW-F64": "a workflow run counts other jobs than are under way: it would never end, or too early",
  "TW-F65": "a workflow run that has ended counts jobs",
  "TW-F66": "a workflow run has no definition: it cannot go on",
  "TW-F67": "a workflow run that has ended or is gone listens for events",
  "TW-F68": "a step that is a workflow run would not learn of that run's end",
  "TW-F69":
    "a workflow definition counts other runs than are pinned to it: it would be removed too early, or never",
  "TW-F70": "a workflow run has a timeout, and no job would end it then",
  "TW-F42": "a key has another type than the protocol says",
} as const;
export type FindingCode = keyof typeof FINDING_CODES;

/** A violation of a rule of docs/states.md. Contains nothing of payloads, results or idempotency keys. */
export interface AuditFinding {
  readonly code: FindingCode;
  /** The affected job. */
  readonly id?: string;
  /** What else is affected: a Redis key, a worker, or an idempotency key by its digest. */
  readonly subject?: string;
  readonly expected: string;
  readonly found: string;
  /** What a repair does; absent if a person must decide. */
  readonly repair?: string;
  /**
   * Outcome of the repair. `moved`: the state had changed since the look, so nothing was done. `too-long`:
   * the list to search is too long. Absent if no repair was tried.
   */
  readonly outcome?: RepairOutcome;
}

export type RepairOutcome = "moved" | "repaired" | "too-long";

export interface AuditReport {
  /** Number of jobs and tombstones that were checked. */
  readonly jobs: number;
  /** The first 1,000 findings. */
  readonly findings: readonly AuditFinding[];
  /** Number of findings by code. */
  readonly counts: Readonly<Partial<Record<FindingCode, number>>>;
  /** Number of findings that were not repaired. */
  readonly remaining: number;
}
