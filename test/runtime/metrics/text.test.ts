// The text without Redis: what a scraper gets of names that hold anything, of many names, and of several processes.
import { expect, test, vi } from "vitest";
import {
  exposition,
  FAMILIES,
  FleetMetrics,
  Histogram,
  ProcessMetrics,
  Readings,
} from "../../../runtime/metrics/index.js";
import { parseExposition } from "../../support/exposition.js";

const LABELS = { task: "a:task", queue: "q" };

test("label values may hold anything", async () => {
  const metrics = new ProcessMetrics();
  const name = 'a "quoted" \\ back\\n and\na line';
  metrics.jobs.of("a:task", "q").failures.add(name);
  const text = exposition(await metrics.snapshot());
  expect(text.split("\n").filter((line) => line !== "")).toHaveLength(3);
  expect(parseExposition(text).value("taskweft_job_failed_total", { ...LABELS, error_type: name })).toBe(1);
});

test("buckets are cumulative, in seconds, and what is above all bounds is counted", () => {
  const histogram = new Histogram();
  for (const ms of [0, 1, 1.5, 7_200_000]) histogram.observe(ms);
  const readings = new Readings();
  readings.addHistogram("taskweft_job_duration_seconds", LABELS, histogram);
  const metrics = parseExposition(exposition(readings.snapshot));
  const bucket = (le: string): number =>
    metrics.value("taskweft_job_duration_seconds_bucket", { ...LABELS, le });
  expect([bucket("0.001"), bucket("0.005"), bucket("3600"), bucket("+Inf")]).toEqual([2, 3, 3, 4]);
  expect(metrics.value("taskweft_job_duration_seconds_sum", LABELS)).toBeCloseTo(7200.0025);
});

test("a task whose errors have a name each has some of them and `other`", async () => {
  const metrics = new ProcessMetrics();
  const meter = metrics.jobs.of("a:task", "q").executes(["Declared"]);
  for (let n = 0; n < 500; n++) meter.failures.add(`Error${n}`);
  meter.failures.add("Declared");
  const read = parseExposition(exposition(await metrics.snapshot()));
  const names = read.labels("taskweft_job_failed_total").map(({ error_type: name }) => name);
  expect(names).toHaveLength(21);
  expect(read.value("taskweft_job_failed_total", { ...LABELS, error_type: "other" })).toBe(481);
  expect(read.value("taskweft_job_failed_total", { ...LABELS, error_type: "Declared" })).toBe(1);
});

test("tasks that nobody has declared cannot make series without end", async () => {
  const metrics = new ProcessMetrics();
  for (let n = 0; n < 1500; n++) metrics.jobs.of(`task:${n}`, "q").queued += 1;
  const read = parseExposition(exposition(await metrics.snapshot()));
  expect(read.labels("taskweft_job_queued_total")).toHaveLength(1001);
  expect(read.value("taskweft_job_queued_total", { task: "other", queue: "other" })).toBe(500);
});

test("a process that may run a task tells of it from 0", async () => {
  const metrics = new ProcessMetrics();
  metrics.jobs.of("a:task", "q").executes([]);
  metrics.jobs.of("b:task", "q").enqueues();
  metrics.jobs.of("c:task", "q");
  const read = parseExposition(exposition(await metrics.snapshot()));
  expect(read.value("taskweft_job_executed_total", { ...LABELS, outcome: "dead" })).toBe(0);
  expect(read.value("taskweft_job_queued_total", { task: "b:task", queue: "q" })).toBe(0);
  expect(read.labels("taskweft_job_queued_total")).toHaveLength(1);
});

test("nothing to tell is an empty text", () => {
  expect(exposition({})).toBe("");
});

test("families are named as Prometheus wants", () => {
  for (const [name, { type, labels }] of Object.entries(FAMILIES)) {
    expect(name).toMatch(/^taskweft_[a-z_]+$/);
    expect(name.endsWith("_total")).toBe(type === "counter");
    expect(labels.length).toBeLessThanOrEqual(3);
  }
});

/** What a process with one counter and the gauges of a worker says. */
async function snapshotOf(completed: number, depth: number) {
  const metrics = new ProcessMetrics();
  const meter = metrics.jobs.of("a:task", "q");
  meter.outcomes.completed = completed;
  for (let n = 0; n < completed; n++) meter.duration.observe(2);
  metrics.addSource({
    read: async (into) => {
      into.add("taskweft_worker_slots", {}, 10);
      into.add("taskweft_job_queue_depth", { queue: "q", state: "pending" }, depth);
    },
  });
  return await metrics.snapshot();
}

test("processes are one: counts and slots are added, what Redis says is said once", async () => {
  const fleet = new FleetMetrics();
  for (const completed of [3, 4]) {
    const snapshot = await snapshotOf(completed, 100);
    const member = fleet.join(() => member.heard(snapshot));
  }
  const read = parseExposition(exposition(await fleet.snapshot()));
  expect(read.value("taskweft_job_executed_total", { ...LABELS, outcome: "completed" })).toBe(7);
  expect(read.value("taskweft_job_duration_seconds_count", LABELS)).toBe(7);
  expect(read.value("taskweft_worker_slots")).toBe(20);
  expect(read.value("taskweft_job_queue_depth", { queue: "q", state: "pending" })).toBe(100);
});

test("what a process has counted stays when it is gone, and its slots do not", async () => {
  const fleet = new FleetMetrics();
  const [before, after] = [await snapshotOf(3, 0), await snapshotOf(1, 0)];
  const first = fleet.join(() => first.heard(before));
  await fleet.snapshot();
  first.left();
  first.left();
  const second = fleet.join(() => second.heard(after));
  const read = parseExposition(exposition(await fleet.snapshot()));
  expect(read.value("taskweft_job_executed_total", { ...LABELS, outcome: "completed" })).toBe(4);
  expect(read.value("taskweft_worker_slots")).toBe(10);
});

test("a process that does not answer is told of as it was, without what Redis said then, and holds nobody up", async () => {
  const fleet = new FleetMetrics();
  let blocked = false;
  const [before, now] = [await snapshotOf(3, 101), await snapshotOf(4, 0)];
  const member = fleet.join(() => blocked || member.heard(before));
  const other = fleet.join(() => other.heard(now));
  await fleet.snapshot();
  blocked = true;
  vi.useFakeTimers();
  const late = fleet.snapshot();
  await vi.advanceTimersByTimeAsync(2000);
  vi.useRealTimers();
  const read = parseExposition(exposition(await late));
  expect(read.value("taskweft_job_executed_total", { ...LABELS, outcome: "completed" })).toBe(7);
  expect(read.value("taskweft_worker_slots")).toBe(20);
  expect(read.value("taskweft_job_queue_depth", { queue: "q", state: "pending" })).toBe(0);
});
