/** One inspector for a system with several shards: asks each shard and merges the answers. */
import { TaskweftError, type ErrorCode } from "../errors.js";
import { addUnserved } from "../gauges/index.js";
import type { ShardRouter } from "../protocol/index.js";
import type { AuditReport, FindingCode } from "./audit/finding.js";
import type { Holding, Inspector } from "./inspector.js";
import { MAX_COLLECTED } from "./job-walk.js";
import { purgeShards } from "./purge.js";
import { listRunsOver } from "./run-pages.js";
import type {
  EventListOptions,
  EventPage,
  JobFilter,
  JobListOptions,
  JobPage,
  QueueSummary,
  TaskSummary,
  WorkerSummary,
} from "./types.js";

const DEFAULT_LIMIT = 50;
const MOST_FINDINGS = 1000;

/** @param shards One inspector per shard, in order. */
export function inspectShards(shards: readonly Inspector[], router: ShardRouter): Inspector {
  const all = <Reply>(ask: (shard: Inspector) => Promise<Reply>): Promise<Reply[]> =>
    Promise.all(shards.map(ask));
  const byId = <Reply>(id: string, act: (shard: Inspector, id: string) => Promise<Reply>): Promise<Reply> =>
    findJob(shards, router, id, act);
  const listQueues = async () => mergeQueues(await all((shard) => shard.listQueues()));
  const listSchedules = async () =>
    (await all((shard) => shard.listSchedules())).flat().toSorted((a, b) => (a.name < b.name ? -1 : 1));
  return {
    collectIds: async (filter, limit = MAX_COLLECTED) => {
      const found = await eachThatKnows(shards, "QueueUnknown", (shard) => shard.collectIds(filter, limit));
      const ids = found.flatMap((one) => one.ids).slice(0, limit);
      return { ids, steps: found.reduce((sum, { steps }) => sum + steps, 0) };
    },
    listEvents: (options = {}) => listEvents(shards, options),
    listJobs: (options = {}) => listJobs(shards, options),
    listQueues,
    listRuns: (options = {}) => listRunsOver(shards, options),
    listSchedules,
    listTasks: async () => mergeTasks(await all((shard) => shard.listTasks())),
    listUnservedQueues: async () => addUnserved(await all((shard) => shard.listUnservedQueues())),
    listWorkers: async () => mergeWorkers(await all((shard) => shard.listWorkers())),
    readGauges: async () => (await all((shard) => shard.readGauges())).flat(),
    readProtocol: async () => {
      const protocols = await all((shard) => shard.readProtocol());
      return protocols.find(({ stored, known }) => stored !== known) ?? protocols[0]!;
    },
    showEvent: (event, id) => shards[router.ofId(id)]!.showEvent(event, id),
    showJob: (id) => byId(id, (shard, at) => shard.showJob(at)),
    showQueue: async (name) => {
      const found = (await listQueues()).find((queue) => queue.name === name);
      return found ?? (await shards[0]!.showQueue(name));
    },
    showRun: (id) => shards[router.ofId(id)]!.showRun(id),
    showTask: async (name) =>
      mergeTasks([await eachThatKnows(shards, "TaskUnknown", (shard) => shard.showTask(name))])[0]!,
    showSchedule: async (name) => (await owner(shards, name)).showSchedule(name),
    isQueueEmpty: (name) =>
      areEmptyTwice(() => eachThatKnows(shards, "QueueUnknown", (shard) => shard.isQueueEmpty(name))),
    isTaskEmpty: (name) =>
      areEmptyTwice(() => eachThatKnows(shards, "TaskUnknown", (shard) => shard.isTaskEmpty(name))),
    audit: async (options) => mergeReports(await all((shard) => shard.audit(options))),
    cancel: (id, expected) => byId(id, (shard, at) => shard.cancel(at, expected)),
    ...holdingOver(shards),
    cancelRun: (id) => shards[router.ofId(id)]!.cancelRun(id),
    pauseSchedule: async (name) => (await owner(shards, name)).pauseSchedule(name),
    purgeQueue: (name, options) => purgeShards(shards, name, options),
    remove: (id, expected) => byId(id, (shard, at) => shard.remove(at, expected)),
    resumeSchedule: async (name) => (await owner(shards, name)).resumeSchedule(name),
    retry: (id, expected) => byId(id, (shard, at) => shard.retry(at, expected)),
    retryRun: (id) => shards[router.ofId(id)]!.retryRun(id),
    skipStep: (id, step, result) => shards[router.ofId(id)]!.skipStep(id, step, result),
  };
}

/**
 * Tries the shard that the id leads to first. The id may also be the caller's own, stored behind a stem in
 * the shard of its key.
 */
async function findJob<Reply>(
  shards: readonly Inspector[],
  router: ShardRouter,
  id: string,
  act: (shard: Inspector, id: string) => Promise<Reply>,
): Promise<Reply> {
  const home = router.ofId(id);
  const places = [home, ...[...shards.keys()].filter((shard) => shard !== home)];
  let notFound: unknown;
  for (const place of places) {
    try {
      return await act(shards[place]!, router.idIn(place, id));
    } catch (error) {
      if (!isCode(error, "JobNotFound")) throw error;
      notFound ??= error;
    }
  }
  throw notFound;
}

/**
 * The answers of the shards that do not fail with `unknown`.
 * @throws that error if all shards fail with it.
 */
async function eachThatKnows<Reply>(
  shards: readonly Inspector[],
  unknown: ErrorCode,
  ask: (shard: Inspector) => Promise<Reply>,
): Promise<Reply[]> {
  const settled = await Promise.allSettled(shards.map(ask));
  const failures = settled.flatMap((one) => (one.status === "rejected" ? [one.reason as unknown] : []));
  const serious = failures.find((error) => !isCode(error, unknown));
  if (serious !== undefined) throw serious;
  if (failures.length === shards.length) throw failures[0];
  return settled.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []));
}

/**
 * Asks once more when all shards are empty: the end of a job in a shard that answered late may have made a
 * job (`onExhausted`) in one that had answered before.
 */
async function areEmptyTwice(ask: () => Promise<readonly boolean[]>): Promise<boolean> {
  return (await ask()).every(Boolean) && (await ask()).every(Boolean);
}

/**
 * The one shard that has the schedule.
 * @throws TaskweftError `ScheduleUnknown` with the names of all schedules.
 */
async function owner(shards: readonly Inspector[], name: string): Promise<Inspector> {
  const lists = await Promise.all(shards.map((shard) => shard.listSchedules()));
  const place = lists.findIndex((list) => list.some((schedule) => schedule.name === name));
  if (place >= 0) return shards[place]!;
  const names = lists.flat().map((schedule) => schedule.name);
  const list = names.length === 0 ? "none yet" : names.toSorted().join(", ");
  throw new TaskweftError("ScheduleUnknown", `no schedule named ${name}. Schedules: ${list}`, {
    operation: "showSchedule",
  });
}

/** Reads one shard after the other; the cursor names the shard and the place in it. */
async function pageOver<Item>(
  shards: readonly Inspector[],
  { cursor, limit = DEFAULT_LIMIT }: PageOptions,
  ask: (shard: Inspector, options: Required<Pick<PageOptions, "limit">> & PageOptions) => Promise<Page<Item>>,
): Promise<Page<Item>> {
  let [shard, inside] = decodeCursor(cursor, shards.length);
  const items: Item[] = [];
  while (shard < shards.length) {
    const page = await ask(shards[shard]!, {
      limit: limit - items.length,
      ...(inside === "" ? {} : { cursor: inside }),
    });
    items.push(...page.items);
    [shard, inside] = page.next === undefined ? [shard + 1, ""] : [shard, page.next];
    // A page may be shorter than its limit if it has looked at enough ids.
    if (items.length >= limit || inside !== "") break;
  }
  return shard < shards.length ? { items, next: `${shard}:${inside}` } : { items };
}

interface PageOptions {
  readonly cursor?: string;
  readonly limit?: number;
}

interface Page<Item> {
  readonly items: readonly Item[];
  readonly next?: string;
}

async function listJobs(shards: readonly Inspector[], options: JobListOptions): Promise<JobPage> {
  if (options.queue !== undefined) await assertQueue(shards, options);
  const { items, ...rest } = await pageOver(shards, options, async (shard, place) => {
    const { cursor: _cursor, ...filter } = options;
    const { jobs, ...next } = await pageOf(shard, { ...filter, ...place });
    return { items: jobs, ...next };
  });
  return { jobs: items, ...rest };
}

async function listEvents(shards: readonly Inspector[], options: EventListOptions): Promise<EventPage> {
  const { items, ...rest } = await pageOver(shards, options, async (shard, place) => {
    const { cursor: _cursor, ...filter } = options;
    const { events, ...next } = await shard.listEvents({ ...filter, ...place });
    return { items: events, ...next };
  });
  return { events: items, ...rest };
}

async function pageOf(shard: Inspector, options: JobListOptions): Promise<JobPage> {
  try {
    return await shard.listJobs(options);
  } catch (error) {
    if (isCode(error, "QueueUnknown")) return { jobs: [] };
    throw error;
  }
}

async function assertQueue(shards: readonly Inspector[], filter: JobFilter): Promise<void> {
  await eachThatKnows(shards, "QueueUnknown", (shard) => shard.showQueue(filter.queue ?? ""));
}

function decodeCursor(cursor: string | undefined, shards: number): [number, string] {
  if (cursor === undefined) return [0, ""];
  const match = /^(\d{1,2}):(.*)$/.exec(cursor);
  if (match !== null && Number(match[1]) < shards) return [Number(match[1]), match[2] ?? ""];
  throw new TaskweftError("OptionInvalid", "cursor: expected what the page before gave as `next`", {
    operation: "listJobs",
  });
}

const COUNTS = ["pending", "scheduled", "retry", "active", "completed", "dead", "cancelled"] as const;

function mergeQueues(lists: readonly (readonly QueueSummary[])[]): readonly QueueSummary[] {
  const merged = new Map<string, QueueSummary>();
  for (const queue of lists.flat()) {
    const known = merged.get(queue.name);
    merged.set(queue.name, known === undefined ? queue : mergeTwo(known, queue));
  }
  return [...merged.values()].toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

function mergeTwo(one: QueueSummary, other: QueueSummary): QueueSummary {
  const counts = Object.fromEntries(COUNTS.map((field) => [field, one[field] + other[field]]));
  const oldest = [one.oldestPendingMs, other.oldestPendingMs].filter((ms) => ms !== undefined);
  const paused = [one.pausedAt, other.pausedAt].filter((at) => at !== undefined);
  const draining = [one.drainingAt, other.drainingAt].filter((at) => at !== undefined);
  return {
    ...other,
    ...one,
    ...(counts as Record<(typeof COUNTS)[number], number>),
    estimated: [...new Set([...one.estimated, ...other.estimated])],
    ...(oldest.length === 0 ? {} : { oldestPendingMs: Math.max(...oldest) }),
    ...(paused.length === 0 ? {} : { pausedAt: Math.min(...paused) }),
    ...(draining.length === 0 ? {} : { drainingAt: Math.min(...draining) }),
  };
}

/** Pauses and drains apply to every shard. */
function holdingOver(shards: readonly Inspector[]): Holding {
  const queue = (act: (shard: Inspector, name: string) => Promise<void>) => async (name: string) => {
    await eachThatKnows(shards, "QueueUnknown", (shard) => act(shard, name));
  };
  const task = (act: (shard: Inspector, name: string) => Promise<void>) => async (name: string) => {
    await eachThatKnows(shards, "TaskUnknown", (shard) => act(shard, name));
  };
  return {
    acceptQueue: queue((shard, name) => shard.acceptQueue(name)),
    acceptTask: task((shard, name) => shard.acceptTask(name)),
    drainQueue: queue((shard, name) => shard.drainQueue(name)),
    drainTask: task((shard, name) => shard.drainTask(name)),
    pauseQueue: queue((shard, name) => shard.pauseQueue(name)),
    pauseTask: task((shard, name) => shard.pauseTask(name)),
    resumeQueue: queue((shard, name) => shard.resumeQueue(name)),
    resumeTask: task((shard, name) => shard.resumeTask(name)),
  };
}

function mergeTasks(lists: readonly (readonly TaskSummary[])[]): readonly TaskSummary[] {
  const merged = new Map<string, TaskSummary>();
  for (const task of lists.flat()) {
    const { parked = 0, ...known } = merged.get(task.name) ?? {};
    // Shards are paused in order, so the first one has the time of the pause.
    merged.set(task.name, { ...task, ...known, parked: parked + task.parked });
  }
  return [...merged.values()].toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

/** The parts of a worker, one per shard, are merged into one worker. */
function mergeWorkers(lists: readonly (readonly WorkerSummary[])[]): readonly WorkerSummary[] {
  const merged = new Map<unknown, WorkerSummary>();
  for (const part of lists.flat()) {
    const process = part.about["process"] ?? part.name;
    const known = merged.get(process);
    merged.set(
      process,
      known === undefined
        ? part
        : {
            ...known,
            leaseEndsAt: Math.min(known.leaseEndsAt, part.leaseEndsAt),
            alive: known.alive && part.alive,
            active: known.active + part.active,
          },
    );
  }
  return [...merged.values()].toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

function mergeReports(reports: readonly AuditReport[]): AuditReport {
  const counts: Partial<Record<FindingCode, number>> = {};
  for (const report of reports) {
    for (const [code, count] of Object.entries(report.counts) as [FindingCode, number][])
      counts[code] = (counts[code] ?? 0) + count;
  }
  return {
    jobs: reports.reduce((sum, { jobs }) => sum + jobs, 0),
    findings: reports.flatMap(({ findings }) => findings).slice(0, MOST_FINDINGS),
    counts,
    remaining: reports.reduce((sum, { remaining }) => sum + remaining, 0),
  };
}

function isCode(error: unknown, code: ErrorCode): boolean {
  return error instanceof TaskweftError && error.code === code;
}
