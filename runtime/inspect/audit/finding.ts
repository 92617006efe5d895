/** Everything that the audit can find. The numbers are documented in docs/fsck.md: add, never renumber. */
export const FINDING_CODES = {
  "TW-F01": "a job stands in no index: nobody would run it",
  "TW-F02": "a job stands where its state does not belong, or twice",
  "TW-F03": "an id without a record",
  "TW-F04": "a tombstone that no list holds, or that has a run",
  "TW-F05": "a record that cannot be read",
  "TW-F06": "a run that cannot be read",
  "TW-F07": "a job that has ended and stands in neither done nor dead: nobody would remove it",
  "TW-F08": "a job stands in another queue than its own",
  "TW-F09": "a job in another shard than the one to which its id leads: nobody would find it by its id",
  "TW-F10": "a cancel of a job that is not active",
  "TW-F11": "clients wait for a job that has ended or is gone",
  "TW-F12": "notes of a job that has completed or is gone: nobody would remove them",
  "TW-F13": "notes that cannot be read",
  "TW-F20": "an idempotency key without an end: it would never be freed",
  "TW-F21": "an idempotency key that a dead or cancelled job still has",
  "TW-F22": "an event that is kept without an end: it would never be removed",
  "TW-F23": "a handler listens to an event without an end: it would never be removed",
  "TW-F24": "a job or step waits for an event that would not find it",
  "TW-F30": "a worker without a lease: nobody would take back its jobs, or forget it",
  "TW-F40": "a queue with jobs that nobody has declared",
  "TW-F41": "more than one hint for idle workers",
  "TW-F50": "a job with a limit of which the gate does not know: it would not be counted",
  "TW-F51": "the gate knows an id that has ended or is gone, or not as its record says",
  "TW-F52": "an id waits at the gate in a place that is not its own",
  "TW-F53": "a group counts other slots than its jobs hold",
  "TW-F54": "a queue counts other jobs at the gate than wait there",
  "TW-F55": "a group has room for one that waits, and no note says so: it would wait for ever",
  "TW-F60":
    "a workflow run stands in another list than that of its state: nobody would remove it, or show it",
  "TW-F61": "a list names a workflow run that there is not",
  "TW-F62": "fields of a workflow run that there is not: nobody would remove them",
  "TW-F63": "a workflow run that cannot be read",
  "TW-F64": "a workflow run counts other jobs than are under way: it would never end, or too early",
  "TW-F65": "a workflow run that has ended counts jobs",
  "TW-F66": "a workflow run without its definition: it cannot go on",
  "TW-F67": "a workflow run that has ended or is gone listens to events",
  "TW-F68": "a step that is a workflow run does not hear of its end",
  "TW-F69": "a workflow definition counts other runs than are pinned to it: it would go too early, or never",
  "TW-F70": "a workflow run whose time is bounded, and that nothing would end then",
  "TW-F42": "a key of another type than the protocol says",
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
