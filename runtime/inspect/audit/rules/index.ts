/**
 * The rules, one file per family. A new index or a new piece of data about jobs needs a new file here and a
 * fact in `facts.ts`.
 */
import type { JobFacts } from "../facts.js";
import type { AuditFinding } from "../finding.js";
import { describePlacement, placementOf } from "../placement.js";
import { gateFindings } from "./gate.js";
import { keyFindings } from "./keys.js";
import { leftoverFindings } from "./leftovers.js";
import { placeFindings } from "./places.js";
import { shardFindings } from "./shards.js";

export { eventFindings } from "./events.js";
export { listenerFindings, type ListenerFacts, listenerId, listenersOfJob } from "./listeners.js";
export { isPinnedRight, pinCount, type PinFacts, pinFindings, pinSurplus } from "./pins.js";
export { hintFindings, queueFindings, type QueueFacts } from "./queues.js";
export { jobsToCount, workflowRunFindings, type WorkflowRunFacts } from "./runs.js";
export { workerFindings, type WorkerFacts } from "./workers.js";

/** All findings about one id. One repair settles all that can be repaired. */
export function jobFindings(facts: JobFacts): readonly AuditFinding[] {
  const placement = placementOf(facts);
  const placed = placeFindings(facts);
  const where = placement === undefined ? undefined : describePlacement(facts, placement);
  // What to keep of a job depends on where it belongs: while that is undecided, everything stays.
  const others = [...leftoverFindings(facts), ...keyFindings(facts), ...gateFindings(facts)];
  return [
    ...placed.map((finding) => withRepair(finding, where)),
    ...shardFindings(facts),
    ...others.map((finding) =>
      withRepair(finding, placement === undefined ? undefined : LEFTOVERS[finding.code]),
    ),
  ];
}

const LEFTOVERS: Readonly<Partial<Record<AuditFinding["code"], string>>> = {
  "TW-F10": "forget the cancel",
  "TW-F11": "tell them, and forget that they wait",
  "TW-F12": "remove the notes",
  "TW-F20": "let it end in 24 h",
  "TW-F21": "free it",
  "TW-F50": "tell the gate of it",
  "TW-F51": "put the entry right, or forget it",
  "TW-F52": "take it away from there",
};

function withRepair(finding: AuditFinding, repair: string | undefined): AuditFinding {
  return repair === undefined ? finding : { ...finding, repair };
}
