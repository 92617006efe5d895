/**
 * Turns files without errors into a ProjectModel. Everything has been checked before; whatever is missing
 * here is our bug.
 */
import {
  DEFAULT_QUEUE_NAME,
  DEFAULT_RETRY_POLICY,
  DEFAULT_TIMEOUT_MS,
  type FollowUpRule,
  type Retention,
  type RetryPolicy,
  type TaskDefinition,
} from "../../runtime/definition/index.js";
import type { DefinitionFile } from "../model/definition-file.js";
import type { ScheduleDefinitionEntry } from "../model/definition-schedule.js";
import type { TaskDefinitionEntry } from "../model/definition-task.js";
import { compareText } from "../model/diagnostic.js";
import type { JsonValue } from "../model/json-schema.js";
import type { ErrorModel, ProjectModel, QueueModel, ScheduleModel, TaskModel } from "../model/project.js";
import { buildEvents } from "./build-events.js";
import { buildWorkflows } from "./workflows/build-workflows.js";
import { identifierOf, modulePathOf } from "./check-names.js";
import type { CheckedEvent, CheckedObserver } from "./check-observers.js";
import type { CheckedTask } from "./check-tasks.js";
import type { CheckedWorkflow } from "./workflows/checked-workflow.js";
import type { Declarations } from "./declarations.js";
import { definitionHash } from "./hash.js";
import type { SchemaLibrary } from "./payload/library.js";
import {
  resolveDedupe,
  resolveErrorRule,
  resolveIdempotency,
  resolveIsolate,
  resolvePolicy,
  resolveRateLimit,
  resolveRetention,
  resolveRetry,
  toMs,
} from "./resolve-settings.js";
import { sourceOf } from "./source.js";

export interface BuildInput {
  readonly contents: readonly DefinitionFile[];
  readonly declarations: Declarations;
  readonly tasks: ReadonlyMap<string, CheckedTask>;
  /** By the task with the `onExhausted`. */
  readonly followUps: ReadonlyMap<string, FollowUpRule>;
  readonly events: ReadonlyMap<string, CheckedEvent>;
  readonly observers: ReadonlyMap<string, CheckedObserver>;
  readonly workflows: ReadonlyMap<string, CheckedWorkflow>;
  readonly library: SchemaLibrary;
  readonly files: readonly string[];
}

interface ResolvedDefaults {
  readonly queue: string;
  readonly timeoutMs: number;
  readonly retry: RetryPolicy;
  readonly retention: Retention;
}

export function buildProject(input: BuildInput): ProjectModel {
  const policies = new Map<string, RetryPolicy>();
  for (const content of input.contents) {
    for (const [name, written] of Object.entries(content.retryPolicies ?? {}))
      policies.set(name, resolvePolicy(written));
  }
  const defaults = resolveDefaults(input.contents, policies);
  const written = new Map(input.contents.flatMap((content) => Object.entries(content.tasks ?? {})));
  const tasks = Array.from(input.tasks, ([name, checked]) => {
    const entry = written.get(name);
    if (entry === undefined) throw new Error(`the task "${name}" has a position but no content`);
    const settings = resolveSettings(name, entry, defaults, policies, input.followUps.get(name));
    return buildTask(entry, checked, settings, input.library);
  });
  const queues = buildQueues(input);
  return {
    tasks: tasks.sort((a, b) => compareText(a.definition.name, b.definition.name)),
    events: buildEvents(input),
    schedules: buildSchedules(input.contents),
    queues,
    workflows: buildWorkflows(input, { defaultQueue: defaults.queue, tasks, queues }),
    retryPolicies: [...input.declarations.retryPolicies.keys()],
    schemas: [...input.declarations.schemas.keys()],
    files: [...input.files].sort(compareText),
  };
}

function resolveDefaults(
  contents: readonly DefinitionFile[],
  policies: ReadonlyMap<string, RetryPolicy>,
): ResolvedDefaults {
  const written = contents.find((content) => content.defaults !== undefined)?.defaults;
  return {
    queue: written?.queue ?? DEFAULT_QUEUE_NAME,
    timeoutMs: written?.timeout === undefined ? DEFAULT_TIMEOUT_MS : toMs(written.timeout),
    retry: resolveRetry(written?.retry, policies, DEFAULT_RETRY_POLICY),
    retention: resolveRetention(written?.retention),
  };
}

function buildTask(
  written: TaskDefinitionEntry,
  checked: CheckedTask,
  settings: Omit<TaskDefinition, "hash">,
  library: SchemaLibrary,
): TaskModel {
  const payload = library.extract(checked.payload);
  const result = checked.result === undefined ? undefined : library.extract(checked.result);
  const { name } = settings;
  const key = checked.idempotencyKey;
  const { batchKey, concurrencyKey, dedupeKey, fairnessKey, rateLimitKey } = checked;
  const keys = { key, concurrencyKey, dedupeKey, rateLimitKey, batchKey, fairnessKey };
  const hash = definitionHash({ settings, payload, result, ...keys });
  return {
    definition: { ...settings, hash },
    identifier: identifierOf(name),
    modulePath: modulePathOf(name),
    ...(written.description === undefined ? {} : { description: written.description }),
    ...(written.owner === undefined ? {} : { owner: written.owner }),
    source: sourceOf(checked.at),
    payload,
    ...(result === undefined ? {} : { result }),
    ...(key === undefined ? {} : { idempotencyKey: key }),
    ...(dedupeKey === undefined ? {} : { dedupeKey }),
    ...(concurrencyKey === undefined ? {} : { concurrencyKey }),
    ...(batchKey === undefined ? {} : { batchKey }),
    ...(fairnessKey === undefined ? {} : { fairnessKey }),
    ...(rateLimitKey === undefined ? {} : { rateLimitKey }),
    errors: errorModels(written),
  };
}

function resolveSettings(
  name: string,
  written: TaskDefinitionEntry,
  defaults: ResolvedDefaults,
  policies: ReadonlyMap<string, RetryPolicy>,
  followUp: FollowUpRule | undefined,
): Omit<TaskDefinition, "hash"> {
  const errors = Object.entries(written.errors ?? {}).sort(([a], [b]) => compareText(a, b));
  return {
    name,
    queue: written.queue ?? defaults.queue,
    timeoutMs: written.timeout === undefined ? defaults.timeoutMs : toMs(written.timeout),
    ...(written.startWithin === undefined ? {} : { startWithinMs: toMs(written.startWithin) }),
    retry: resolveRetry(written.retry, policies, defaults.retry),
    retention: resolveRetention(written.retention, defaults.retention),
    ...(written.idempotency === undefined ? {} : { idempotency: resolveIdempotency(written.idempotency) }),
    ...(written.dedupe === undefined ? {} : { dedupe: resolveDedupe(written.dedupe) }),
    ...(written.concurrency === undefined ? {} : { concurrency: { limit: written.concurrency.limit } }),
    ...(written.batch === undefined
      ? {}
      : { batch: { size: written.batch.size, withinMs: toMs(written.batch.within) } }),
    ...(written.rateLimit === undefined ? {} : { rateLimit: resolveRateLimit(written.rateLimit) }),
    ...(written.durability === undefined ? {} : { durability: written.durability }),
    ...(written.isolate === undefined ? {} : { isolate: resolveIsolate(written.isolate) }),
    ...(followUp === undefined ? {} : { onExhausted: followUp }),
    ...(written.waitsFor === undefined ? {} : { waitsFor: sortedWaits(written.waitsFor) }),
    errors: Object.fromEntries(errors.map(([error, rule]) => [error, resolveErrorRule(rule)])),
  };
}

/** Sorted, because both the waiting side and the emit use the list of fields as a part of the lookup. */
function sortedWaits(
  waits: NonNullable<TaskDefinitionEntry["waitsFor"]>,
): NonNullable<TaskDefinition["waitsFor"]> {
  const events = Object.entries(waits).sort(([a], [b]) => compareText(a, b));
  return Object.fromEntries(events.map(([event, fields]) => [event, fields.toSorted(compareText)]));
}

function errorModels(written: TaskDefinitionEntry): ErrorModel[] {
  return Object.entries(written.errors ?? {})
    .sort(([a], [b]) => compareText(a, b))
    .map(([name, { description }]) => ({ name, ...(description === undefined ? {} : { description }) }));
}

function buildSchedules(contents: readonly DefinitionFile[]): ScheduleModel[] {
  return contents
    .flatMap((content) => Object.entries(content.schedules ?? {}))
    .sort(([a], [b]) => compareText(a, b))
    .map(([name, written]) => buildSchedule(name, written));
}

function buildSchedule(name: string, written: ScheduleDefinitionEntry): ScheduleModel {
  const { cron, description, jitter, task, timezone, workflow } = written;
  const settings = {
    cron,
    timezone,
    missed: written.missed ?? "latest",
    overlap: written.overlap ?? "allow",
    jitterMs: jitter === undefined ? 0 : toMs(jitter),
  };
  const described = description === undefined ? {} : { description };
  if (workflow !== undefined)
    return { name, workflow, ...settings, input: (written.input ?? {}) as JsonValue, ...described };
  if (task === undefined) throw new Error(`the schedule "${name}" makes nothing`);
  return { name, task, ...settings, payload: (written.payload ?? {}) as JsonValue, ...described };
}

function buildQueues({ contents, declarations }: BuildInput): QueueModel[] {
  const written = contents.flatMap((content) => Object.entries(content.queues ?? {}));
  if (written.length === 0) return [{ name: DEFAULT_QUEUE_NAME, weight: 1 }];
  return written
    .sort(([a], [b]) => compareText(a, b))
    .map(([name, { weight = 1, concurrency, maxPending, rateLimit, description }]) => {
      const at = declarations.queues.get(name)?.keyOrigin;
      return {
        name,
        weight,
        ...(concurrency === undefined ? {} : { concurrency }),
        ...(maxPending === undefined ? {} : { maxPending }),
        ...(rateLimit === undefined ? {} : { rateLimit: resolveRateLimit(rateLimit) }),
        ...(description === undefined ? {} : { description }),
        ...(at === undefined ? {} : { source: sourceOf(at) }),
      };
    });
}
