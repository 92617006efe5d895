// Jobs as the tests of the scripts write them down: what is not said is plain.
import type { LimitedGroup } from "../../runtime/definition/index.js";
import {
  datedHead,
  encodeRun,
  NEW_RUN,
  recordHead,
  type JobRun,
  type RecordOptions,
} from "../../runtime/protocol/index.js";
import type { EnqueueItem } from "../../runtime/scripts/index.js";

export interface NewJob {
  readonly queue?: string;
  readonly task?: string;
  readonly payload?: unknown;
  readonly options?: RecordOptions;
  readonly due?: string;
  readonly key?: string;
  readonly keyTtlMs?: number;
  readonly dedupe?: EnqueueItem["dedupe"];
  readonly ownId?: boolean;
  readonly dated?: boolean;
  readonly maxPending?: number;
  readonly group?: LimitedGroup;
}

export function runText(run: Partial<JobRun>): string {
  return encodeRun({ ...NEW_RUN, ...run });
}

export function recordText(job: NewJob = {}): string {
  const { task = "a:task", queue = "q", payload = {} } = job;
  const own = {
    ...(job.key === undefined || job.key === "" ? {} : { key: job.key }),
    ...(job.group === undefined ? {} : { group: job.group.name }),
    ...(job.dedupe === undefined ? {} : { dedupe: job.dedupe.mode }),
  };
  const options = Object.keys(own).length === 0 ? job.options : { ...own, ...job.options };
  const head =
    job.dated === true ? datedHead(task, queue, "h1", options ?? {}) : recordHead(task, queue, "h1", options);
  return `${head}${JSON.stringify(payload)}]`;
}

export function item(id: string, job: NewJob = {}): EnqueueItem {
  return {
    id,
    queue: job.queue ?? "q",
    record: recordText(job),
    due: job.due ?? "",
    key: job.key ?? "",
    keyTtlMs: job.keyTtlMs ?? 0,
    dedupe: job.dedupe,
    ownId: job.ownId ?? false,
    dated: job.dated ?? false,
    group: job.group,
    maxPending: job.maxPending ?? 0,
  };
}
