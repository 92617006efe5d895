/** Jobs as text: a line in a list, or all details. */
import type { JobDetails, JobEvent, JobSummary, WaitReason } from "../../runtime/inspect/index.js";
import type { Colors } from "./colors.js";
import { printable, printableLines } from "./sanitize.js";
import type { Column } from "./table.js";
import { relative, roughly, timestamp } from "./times.js";

export function jobColumns(now: number): readonly Column<JobSummary>[] {
  return [
    { header: "ID", value: (job) => job.id },
    { header: "TASK", value: (job) => job.task, shrinks: true },
    { header: "QUEUE", value: (job) => job.queue, shrinks: true },
    { header: "STATE", value: (job) => job.state },
    { header: "TRIES", value: (job) => String(job.attempts + job.crashes), align: "right" },
    {
      header: "AGE",
      value: (job) => (job.enqueuedAt === undefined ? "" : roughly(now - job.enqueuedAt)),
      align: "right",
    },
    { header: "NOTE", value: (job) => note(job, now), shrinks: true },
  ];
}

/** The most useful detail for the job's state. */
function note(job: JobSummary, now: number): string {
  if (job.unreadable === true) return "cannot be read";
  const error = job.lastError ?? "";
  switch (job.state) {
    case "active":
      return `held by ${job.worker ?? "a worker"}`;
    case "scheduled":
      return job.dueAt === undefined ? "" : relative(job.dueAt, now);
    case "retry":
      return job.dueAt === undefined ? error : `${relative(job.dueAt, now)}: ${error}`;
    case "completed":
    case "cancelled":
      return job.endedAt === undefined ? "" : relative(job.endedAt, now);
    case "dead":
      return job.crashed === true ? `its worker was lost ${job.crashes} times` : error;
    case "pending":
      return error;
  }
}

const WAITS_FOR: Readonly<Record<WaitReason, string>> = {
  concurrency: "the limit of concurrency: as many run, or are next, as may",
  fairness: "its turn: others of its key are before it, and each other key has a turn between",
  paused: "its task or queue to be resumed",
  rateLimit: "the rate limit: as many have started lately, or are next, as may",
};

export function jobText(job: JobDetails, now: number, colors: Colors): string {
  const fields: readonly (readonly [string, string | undefined])[] = [
    ["id", job.id],
    ["task", job.task],
    ["queue", job.queue],
    ["state", job.state],
    ["attempts", `${job.attempts}${job.crashes > 0 ? `, and ${job.crashes} lost with their worker` : ""}`],
    ["enqueued", moment(job.enqueuedAt, now)],
    ["due", moment(job.dueAt, now)],
    ["ended", moment(job.endedAt, now)],
    ["removed", moment(job.removedAt, now)],
    ["worker", job.worker],
    ["lease ends", moment(job.leaseEndsAt, now)],
    ["waits for", job.waitsFor === undefined ? undefined : WAITS_FOR[job.waitsFor]],
    ["progress", progressText(job.progress)],
    ["definition", job.hash],
    ["options", Object.keys(job.options).length === 0 ? undefined : JSON.stringify(job.options)],
  ];
  const lines = fields.flatMap(([name, value]) =>
    value === undefined ? [] : [`${colors.dim(name.padEnd(11))}${printable(value)}`],
  );
  return [
    ...lines,
    ...(job.unreadable === true
      ? ["", "What Redis holds of it cannot be read, so it never runs. weft jobs delete removes it."]
      : []),
    "",
    ...valueLines(job, colors),
    "",
    ...stepLines(job, colors),
    ...waitLines(job, now, colors),
    ...logLines(job, colors),
    colors.dim("timeline"),
    ...job.timeline.flatMap((event) => eventLines(event, colors)),
  ].join("\n");
}

function progressText(progress: unknown): string | undefined {
  return typeof progress === "number" ? `${progress} %` : JSON.stringify(progress);
}

function logLines({ log }: JobDetails, colors: Colors): readonly string[] {
  if (log === undefined) return [];
  const lines = log.lines.map(
    ({ at, level, text }) => `  ${timestamp(at)} ${level.toUpperCase().padEnd(5)} ${printable(text)}`,
  );
  const left = log.dropped === 0 ? [] : [colors.dim(`  ${log.dropped} lines before these were dropped`)];
  return [colors.dim("log"), ...left, ...lines, ""];
}

function stepLines({ steps = [] }: JobDetails, colors: Colors): readonly string[] {
  if (steps.length === 0) return [];
  const lines = steps.map(
    ({ name, bytes }) => `  ${printable(name)}${bytes === 0 ? "" : colors.dim(` (${bytes} bytes)`)}`,
  );
  return [colors.dim("steps done"), ...lines, ""];
}

function waitLines({ listensTo = [] }: JobDetails, now: number, colors: Colors): readonly string[] {
  if (listensTo.length === 0) return [];
  const lines = listensTo.map(
    ({ name, event, fields, until }) =>
      `  ${printable(name)}: ${printable(event)} by ${printable(fields.join(", "))}, until ${moment(until, now)}`,
  );
  return [colors.dim("waits for events"), ...lines, ""];
}

function moment(at: number | undefined, now: number): string | undefined {
  return at === undefined ? undefined : `${timestamp(at)} (${relative(at, now)})`;
}

function valueLines(job: JobDetails, colors: Colors): readonly string[] {
  if (job.hidden) {
    return [
      `${colors.dim("payload")}    hidden: no generated/manifest.json here knows ${printable(job.task)}, so its sensitive fields are unknown`,
      "           call weft in the project's folder, after weft codegen",
    ];
  }
  return [
    colors.dim("payload"),
    json(job.payload),
    ...("result" in job ? [colors.dim("result"), json(job.result)] : []),
  ];
}

function json(value: unknown): string {
  return printableLines(JSON.stringify(value, undefined, 2)).replaceAll(/^/gm, "  ");
}

function eventLines(event: JobEvent, colors: Colors): readonly string[] {
  const head = `  ${timestamp(event.at)}  ${event.kind.padEnd(9)}`;
  switch (event.kind) {
    case "failed": {
      const text = `attempt ${event.attempt}: ${event.error}: ${event.message}`;
      const stack =
        event.stack === undefined || event.stack === "" ? [] : [colors.dim(indented(event.stack))];
      return [`${head} ${printable(text)}`, ...stack];
    }
    case "completed":
      return [`${head} in ${event.durationMs} ms by ${printable(event.worker ?? "")}`];
    case "crashed":
      return [`${head} with worker ${printable(event.worker ?? "")}`];
    case "alone":
      return [`${head} in worker ${printable(event.worker ?? "")}`];
    case "slept":
      return [`${head} until ${timestamp(event.wakeAt ?? event.at)}`];
    case "waited":
      return [`${head} for an event, until ${timestamp(event.wakeAt ?? event.at)}`];
    case "handed-back":
      return [`${head} by worker ${printable(event.worker ?? "")} when it stopped`];
    case "cancelled":
    case "enqueued":
    case "retried":
      return [head.trimEnd()];
  }
}

function indented(stack: string): string {
  return printableLines(stack).replaceAll(/^ */gm, "      ");
}
