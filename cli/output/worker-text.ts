/** Workers as text. */
import type { WorkerSummary } from "../../runtime/inspect/index.js";
import type { Column } from "./table.js";
import { relative } from "./times.js";

export function workerColumns(now: number): readonly Column<WorkerSummary>[] {
  return [
    { header: "WORKER", value: ({ name }) => name },
    { header: "HOST", value: (worker) => about(worker, "host") },
    { header: "PID", value: (worker) => about(worker, "pid"), align: "right" },
    { header: "VERSION", value: (worker) => about(worker, "version") },
    // What it has claimed: more than run at once, while it claims ahead.
    { header: "HELD", value: ({ active }) => String(active), align: "right" },
    { header: "SLOTS", value: (worker) => about(worker, "concurrency"), align: "right" },
    { header: "QUEUES", value: (worker) => about(worker, "queues") },
    { header: "LEASE", value: ({ alive, leaseEndsAt }) => leaseText(alive, leaseEndsAt, now) },
  ];
}

/** Workers say these things of themselves; other programs that speak the protocol may leave them out. */
function about(worker: WorkerSummary, field: string): string {
  const value = worker.about[field];
  if (Array.isArray(value)) return value.join(",");
  return typeof value === "string" || typeof value === "number" ? String(value) : "?";
}

/** A condemned worker has a lease that ends at 0. */
function leaseText(alive: boolean, endsAt: number, now: number): string {
  if (alive) return `ends ${relative(endsAt, now)}`;
  return endsAt === 0
    ? "lost: others take its jobs back"
    : `ended ${relative(endsAt, now)}: others take its jobs back`;
}
