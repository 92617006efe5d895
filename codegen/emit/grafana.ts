/**
 * `generated/grafana.json`: a dashboard of the project's tasks and queues, to be imported or provisioned.
 * docs/metrics.md explains the metrics.
 */
import type { ProjectModel } from "../model/project.js";
import { GENERATED_MARK } from "./manifest.js";

interface Panel {
  readonly title: string;
  readonly unit: string;
  readonly queries: readonly (readonly [expression: string, legend: string])[];
}

/** Selector of all metrics that are counted by task and queue. */
const CHOSEN = 'task=~"$task",queue=~"$queue"';
const perSecond = (metric: string): string => `rate(${metric}{${CHOSEN}}[$__rate_interval])`;
const quantile = (share: number, by: string, metric: string): string =>
  `histogram_quantile(${share}, sum by (${by}, le) (${perSecond(`${metric}_bucket`)}))`;

/**
 * The seven panels of a queue, then those that explain them. Every worker reports the same gauges from Redis,
 * so their maximum is taken, not their sum.
 */
const PANELS: readonly Panel[] = [
  {
    title: "Queued",
    unit: "ops",
    queries: [[`sum by (task) (${perSecond("taskweft_job_queued_total")})`, "{{task}}"]],
  },
  {
    title: "Executed",
    unit: "ops",
    queries: [
      [`sum by (task, outcome) (${perSecond("taskweft_job_executed_total")})`, "{{task}} {{outcome}}"],
    ],
  },
  {
    title: "Failures by error",
    unit: "ops",
    queries: [
      [`sum by (task, error_type) (${perSecond("taskweft_job_failed_total")})`, "{{task}} {{error_type}}"],
    ],
  },
  {
    title: "Duration",
    unit: "s",
    queries: [0.5, 0.95, 0.99].map((share) => [
      quantile(share, "task", "taskweft_job_duration_seconds"),
      `{{task}} p${share * 100}`,
    ]),
  },
  {
    title: "Retries",
    unit: "ops",
    queries: [[`sum by (task) (${perSecond("taskweft_job_retry_attempts_total")})`, "{{task}}"]],
  },
  {
    title: "Queue depth",
    unit: "short",
    queries: [['max by (queue, state) (taskweft_job_queue_depth{queue=~"$queue"})', "{{queue}} {{state}}"]],
  },
  { title: "Dead letters", unit: "short", queries: [["max(taskweft_job_dlq_items)", "dead"]] },
  {
    title: "Waiting time",
    unit: "s",
    queries: [0.5, 0.95].map((share) => [
      quantile(share, "queue", "taskweft_job_queue_latency_seconds"),
      `{{queue}} p${share * 100}`,
    ]),
  },
  {
    title: "Slots",
    unit: "short",
    queries: [
      ["sum(taskweft_worker_slots_used)", "used"],
      ["sum(taskweft_worker_slots)", "all"],
    ],
  },
];

const COLUMNS = 3;
const [WIDTH, HEIGHT] = [24 / COLUMNS, 8];
const DATASOURCE = { type: "prometheus", uid: "${datasource}" };

export function emitGrafana({ tasks, queues }: ProjectModel): string {
  const dashboard = {
    description: `${GENERATED_MARK}. Do not edit.`,
    title: "taskweft",
    tags: ["taskweft"],
    editable: true,
    schemaVersion: 39,
    time: { from: "now-3h", to: "now" },
    refresh: "30s",
    templating: {
      list: [
        { name: "datasource", label: "Prometheus", type: "datasource", query: "prometheus" },
        choice(
          "task",
          tasks.map(({ definition }) => definition.name),
        ),
        choice(
          "queue",
          queues.map(({ name }) => name),
        ),
      ],
    },
    panels: PANELS.map(panelJson),
  };
  return `${JSON.stringify(dashboard, undefined, 2)}\n`;
}

/**
 * A dashboard variable with these values, any number of which can be selected. Names contain no characters
 * with a special meaning there.
 */
function choice(name: string, values: readonly string[]) {
  return {
    name,
    label: name,
    type: "custom",
    query: values.join(","),
    multi: true,
    includeAll: true,
    current: { text: "All", value: "$__all" },
  };
}

function panelJson({ title, unit, queries }: Panel, index: number) {
  return {
    id: index + 1,
    type: "timeseries",
    title,
    datasource: DATASOURCE,
    gridPos: {
      x: (index % COLUMNS) * WIDTH,
      y: Math.floor(index / COLUMNS) * HEIGHT,
      w: WIDTH,
      h: HEIGHT,
    },
    fieldConfig: { defaults: { unit, min: 0 }, overrides: [] },
    targets: queries.map(([expr, legendFormat], place) => ({
      refId: String.fromCharCode(65 + place),
      expr,
      legendFormat,
    })),
  };
}
