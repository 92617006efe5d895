/**
 * `generated/alerts.yaml`: alerting rules for Prometheus. An alert about tasks exists once per task owner and
 * carries the owner's name as a label, so that it can be routed to that team. docs/metrics.md explains each
 * alert.
 */
import { stringify } from "yaml";
import { compareText } from "../model/diagnostic.js";
import type { ProjectModel } from "../model/project.js";

interface Alert {
  readonly name: string;
  readonly expr: string;
  readonly for: string;
  readonly severity: "page" | "ticket";
  readonly summary: string;
}

const OF_SYSTEM: readonly Alert[] = [
  {
    name: "TaskweftNobodyWorks",
    expr: "max(taskweft_worker_alive) == 0 or absent(taskweft_worker_alive)",
    for: "2m",
    severity: "page",
    summary: "No worker is alive, or none is scraped.",
  },
  {
    name: "TaskweftRedisGone",
    expr: "max(taskweft_redis_up) == 0",
    for: "1m",
    severity: "page",
    summary: "Workers get no answer from Redis.",
  },
  {
    name: "TaskweftRedisNearlyFull",
    expr: "max by (shard) (taskweft_redis_memory_used_bytes / (taskweft_redis_memory_max_bytes > 0)) > 0.9",
    for: "5m",
    severity: "page",
    summary: "Redis of shard {{ $labels.shard }} is nearly full; then enqueues are refused.",
  },
  {
    name: "TaskweftNothingGoesOn",
    expr: "max by (queue) (taskweft_job_oldest_pending_seconds) > 900 unless max by (queue) (taskweft_queue_paused) == 1",
    for: "10m",
    severity: "page",
    summary: "The first job of {{ $labels.queue }} could have started long ago.",
  },
  {
    name: "TaskweftJobsWaitTooLong",
    expr: "histogram_quantile(0.95, sum by (queue, le) (rate(taskweft_job_queue_latency_seconds_bucket[10m]))) > 300",
    for: "10m",
    severity: "page",
    summary: "Jobs of {{ $labels.queue }} wait for more than five minutes.",
  },
  {
    name: "TaskweftLeasesLost",
    expr: "sum(increase(taskweft_worker_leases_lost_total[15m])) > 0",
    for: "0m",
    severity: "ticket",
    summary: "Workers or Redis stood still; jobs may have run twice.",
  },
];

/** `TASKS` is replaced by a selector for the tasks of one owner. */
const OF_OWNER: readonly Alert[] = [
  {
    name: "TaskweftProducersRefused",
    expr: "sum by (task, code) (rate(taskweft_job_enqueue_failed_total{TASKS}[5m])) > 0",
    for: "5m",
    severity: "page",
    summary: "Enqueues of {{ $labels.task }} are refused with {{ $labels.code }}.",
  },
  {
    name: "TaskweftJobsDie",
    expr: 'sum by (task) (increase(taskweft_job_executed_total{outcome="dead",TASKS}[15m])) > 0',
    for: "0m",
    severity: "page",
    summary: "Jobs of {{ $labels.task }} go dead.",
  },
  {
    name: "TaskweftJobKillsWorkers",
    // A single crash is enough: after the third the job is dead, and the counts of the lost workers are lost
    // too.
    expr: "sum by (task) (increase(taskweft_job_crashed_total{TASKS}[15m])) > 0",
    for: "0m",
    severity: "ticket",
    summary: "Workers are lost while they run {{ $labels.task }}.",
  },
  {
    name: "TaskweftJobsFail",
    // By outcome, not by error: the series of an error begins with its first occurrence, which `rate` does
    // not show.
    expr: 'sum by (task) (rate(taskweft_job_executed_total{outcome=~"retry|dead",TASKS}[1h])) / (sum by (task) (rate(taskweft_job_executed_total{TASKS}[1h])) > 0) > 0.2',
    for: "30m",
    severity: "ticket",
    summary: "More than a fifth of the attempts of {{ $labels.task }} fail.",
  },
];

/** The rules without the `@generated` mark. */
export function emitAlerts(project: ProjectModel): string {
  const owners = new Map<string | undefined, string[]>();
  for (const { owner, definition } of project.tasks)
    owners.set(owner, [...(owners.get(owner) ?? []), definition.name]);
  const sorted = [...owners].toSorted(([a = "~"], [b = "~"]) => compareText(a, b));
  const rules = [
    ...OF_SYSTEM.map((alert) => ruleOf(alert, undefined)),
    ...sorted.flatMap(([owner, tasks]) =>
      OF_OWNER.map((alert) => {
        const expr = alert.expr.replaceAll("TASKS", `task=~"${tasks.join("|")}"`);
        return ruleOf({ ...alert, expr }, owner);
      }),
    ),
  ];
  return stringify({ groups: [{ name: "taskweft", rules }] }, { lineWidth: 0 });
}

function ruleOf({ name, expr, for: pending, severity, summary }: Alert, owner: string | undefined) {
  return {
    alert: name,
    expr,
    for: pending,
    labels: { severity, ...(owner === undefined ? {} : { owner }) },
    annotations: { summary },
  };
}
