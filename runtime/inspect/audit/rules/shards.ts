/** A job is in the shard that its id leads to. A misplaced job still runs, but is not found by its id. */
import type { JobFacts } from "../facts.js";
import type { AuditFinding } from "../finding.js";

export function shardFindings({ id, record, leadsElsewhere }: JobFacts): readonly AuditFinding[] {
  if (leadsElsewhere === undefined || record.kind === "none") return [];
  return [{ code: "TW-F09", id, expected: `shard ${leadsElsewhere}`, found: "it in this shard" }];
}
