/**
 * What operators see of a shard and may do to it. The command line and programs of your own use
 * this and never read Redis themselves, so that they agree. Reads are bounded: no call reads a whole backlog.
 */
export { HIDDEN } from "../definition/index.js";
export {
  FINAL_STATES,
  JOB_STATES,
  ShardKeys,
  type FinalState,
  type JobLog,
  type JobLogLine,
  type JobState,
  type RecordOptions,
} from "../protocol/index.js";
export { gaugesSnapshot, type QueueGauges, type ShardGauges, type UnservedQueue } from "../gauges/index.js";
export { FINDING_CODES, type AuditFinding, type AuditReport, type FindingCode } from "./audit/finding.js";
export type { CancelOutcome } from "../cancel.js";
export { createInspector, type Inspector, type InspectorOptions } from "./inspector.js";
export {
  findShards,
  openInspector,
  openServer,
  type OpenedInspector,
  type OpenInspectorOptions,
} from "./open.js";
export { PURGE_STATES, type PurgeOptions, type PurgeReport, type PurgeState } from "./purge.js";
export {
  createRedactor,
  type EventJsonSchemas,
  type TaskJsonSchemas,
  type WorkflowJsonSchemas,
} from "./redact.js";
export { RUN_STATES } from "./run-types.js";
export type * from "./run-types.js";
export type * from "./types.js";
