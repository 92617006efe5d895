/**
 * Every setting of a deployment: its purpose, its valid values, its environment variable and its default. The
 * only source: the model of weft.config.yaml, its JSON Schema, the variables and `weft config` follow from
 * this table.
 */
import { z } from "zod";
import { DURATION_PATTERN, parseDuration } from "../definition/index.js";
import { DEFAULT_PREFIX, MAX_SHARDS, PREFIX_PATTERN } from "../protocol/index.js";
import { LOG_LEVELS } from "./log-levels.js";
import { PROFILE_NAMES } from "./profiles.js";
import { isRedisAddress, REDIS_URL_EXPECTED, REDIS_URL_PATTERN } from "./redis-address.js";

export interface ConfigField<Value = unknown> {
  readonly env: string;
  readonly schema: z.ZodType<Value>;
  /** What a valid value is, for error messages. */
  readonly expected: string;
  readonly description: string;
  /** Converts the text of the environment variable; the schema validates the result. */
  readonly parse: (text: string) => unknown;
  /** The default; absent where the definitions decide. */
  readonly fallback?: Value;
  /** The value may contain a password. */
  readonly secret?: true;
}

type DurationValue = `${number}ms` | `${number}s` | `${number}m` | `${number}h` | `${number}d` | 0;

const MOST_CONCURRENCY = 10_000;
const LONGEST_RESULT = 67_108_864;
const HIGHEST_PORT = 65_535;
const HOST_PATTERN = /^[A-Za-z0-9_.:-]{1,253}$/;
const asText = (text: string): unknown => text;
const wholeText = (text: string): unknown => (/^\d+$/.test(text) ? Number(text) : text);

/** A bare number is rejected, except 0: `lease: 30` does not say whether it means seconds or milliseconds. */
function duration(
  field: Pick<ConfigField, "description" | "env"> & {
    readonly fallback?: DurationValue;
    readonly leastMs?: number;
    readonly mostMs?: number;
  },
): ConfigField<DurationValue> {
  const { leastMs = 0, mostMs = Infinity, ...others } = field;
  const fits = (value: unknown): boolean => {
    if (value === 0) return leastMs === 0;
    const ms = typeof value === "string" ? parseDuration(value) : undefined;
    return ms !== undefined && ms >= leastMs && ms <= mostMs;
  };
  const text = { type: "string", pattern: DURATION_PATTERN.source };
  return {
    ...others,
    expected: expectedDuration(leastMs, mostMs),
    schema: z.custom<DurationValue>(fits).meta(leastMs === 0 ? { anyOf: [text, { const: 0 }] } : text),
    parse: (value) => (value === "0" ? 0 : value),
  };
}

function expectedDuration(leastMs: number, mostMs: number): string {
  if (leastMs > 0) return `a duration such as 30s, at least ${leastMs}ms`;
  return mostMs < Infinity
    ? `a duration such as 5ms, at most ${mostMs}ms, or 0`
    : "a duration such as 30s, or 0";
}

function choice<const Name extends string>(
  names: readonly Name[],
  field: Pick<ConfigField<Name>, "description" | "env" | "fallback">,
): ConfigField<Name> {
  return { ...field, expected: names.join(", "), schema: z.enum(names), parse: asText };
}

export const CONFIG_FIELDS = {
  profile: choice(PROFILE_NAMES, {
    env: "TASKWEFT_PROFILE",
    description: "A set of values for one kind of load; whatever is set by itself wins over it.",
  }),
  "redis.url": {
    env: "TASKWEFT_REDIS_URL",
    description: "Where Redis is. A password belongs into the variable, not into the file.",
    expected: REDIS_URL_EXPECTED,
    schema: z.string().regex(REDIS_URL_PATTERN).refine(isRedisAddress),
    parse: asText,
    fallback: "redis://127.0.0.1:6379",
    secret: true,
  } satisfies ConfigField<string> as ConfigField<string>,
  "redis.prefix": {
    env: "TASKWEFT_PREFIX",
    description: "First part of every key. Producers must have the same.",
    expected: "1 to 40 of A-Z a-z 0-9 . _ -",
    schema: z.string().regex(PREFIX_PATTERN),
    parse: asText,
    fallback: DEFAULT_PREFIX,
  } satisfies ConfigField<string> as ConfigField<string>,
  "redis.shards": {
    env: "TASKWEFT_SHARDS",
    description: "How many shards there are, each a queue system of its own. Everybody must say the same.",
    expected: `a whole number from 1 to ${MAX_SHARDS}`,
    schema: z.int().min(1).max(MAX_SHARDS),
    parse: (text) => (/^\d+$/.test(text) ? Number(text) : text),
    fallback: 1,
  } satisfies ConfigField<number> as ConfigField<number>,
  "worker.concurrency": {
    env: "TASKWEFT_WORKER_CONCURRENCY",
    description: "Handlers that run at the same time in one process.",
    expected: `a whole number from 1 to ${MOST_CONCURRENCY}`,
    schema: z.int().min(1).max(MOST_CONCURRENCY),
    parse: wholeText,
    fallback: 20,
  } satisfies ConfigField<number> as ConfigField<number>,
  "worker.queues": {
    env: "TASKWEFT_WORKER_QUEUES",
    description: "Queues to serve; in the variable separated by commas. Without it: all of the definitions.",
    expected: "names of queues",
    schema: z.array(z.string().min(1)).min(1),
    parse: (text) => text.split(",").map((name) => name.trim()),
  } satisfies ConfigField<string[]> as ConfigField<string[]>,
  "worker.grace": duration({
    env: "TASKWEFT_WORKER_GRACE",
    description: "How long running jobs may finish after SIGTERM.",
    fallback: "30s",
  }),
  "worker.lease": duration({
    env: "TASKWEFT_WORKER_LEASE",
    description: "How long the jobs of a worker that died stay with it.",
    fallback: "15s",
    leastMs: 1000,
  }),
  "worker.maxBlock": duration({
    env: "TASKWEFT_WORKER_MAX_BLOCK",
    description:
      "How long a handler may block the event loop before the worker counts as gone; 0 = as long as the lease.",
    fallback: "60s",
  }),
  "worker.claimAhead": duration({
    env: "TASKWEFT_WORKER_CLAIM_AHEAD",
    description: "Handler time to claim ahead while handlers are short; 0 claims only for free slots.",
    fallback: "5ms",
    mostMs: 1000,
  }),
  "worker.maxResult": {
    env: "TASKWEFT_WORKER_MAX_RESULT",
    description: "Characters of JSON that the result of a job may have; a job that gives more goes dead.",
    expected: `a whole number from 1 to ${LONGEST_RESULT}`,
    schema: z.int().min(1).max(LONGEST_RESULT),
    parse: wholeText,
    fallback: 1_048_576,
  } satisfies ConfigField<number> as ConfigField<number>,
  "retention.completed": duration({
    env: "TASKWEFT_RETENTION_COMPLETED",
    description: "Replaces the retention of completed jobs of every definition; 0 removes them at once.",
  }),
  "metrics.port": {
    env: "TASKWEFT_METRICS_PORT",
    description: "Where a worker serves GET /metrics for Prometheus; 0 = nowhere.",
    expected: `a port from 1 to ${HIGHEST_PORT}, or 0`,
    schema: z.int().min(0).max(HIGHEST_PORT),
    parse: wholeText,
    fallback: 0,
  } satisfies ConfigField<number> as ConfigField<number>,
  "metrics.host": {
    env: "TASKWEFT_METRICS_HOST",
    description: "The address on which it listens there; 0.0.0.0 for all of this machine.",
    expected: "an address of this machine such as 127.0.0.1 or 0.0.0.0",
    schema: z.string().regex(HOST_PATTERN),
    parse: asText,
    fallback: "127.0.0.1",
  } satisfies ConfigField<string> as ConfigField<string>,
  "log.level": choice(LOG_LEVELS, {
    env: "TASKWEFT_LOG_LEVEL",
    description: "The least important lines that a worker writes.",
    fallback: "info",
  }),
  "log.jobs": choice(["keep", "off"], {
    env: "TASKWEFT_LOG_JOBS",
    description: "Whether what handlers log is kept with their jobs too, for people who look at one.",
    fallback: "keep",
  }),
} as const;

export type ConfigPath = keyof typeof CONFIG_FIELDS;
export type ConfigValue<Path extends ConfigPath> =
  (typeof CONFIG_FIELDS)[Path] extends ConfigField<infer Value> ? Value : never;
export const CONFIG_PATHS = Object.keys(CONFIG_FIELDS) as readonly ConfigPath[];

/** The model of the file: a map of sections. Unknown keys are errors, as in definition files. */
export const configFile = z.strictObject(sectionsOf());

function sectionsOf(): Record<string, z.ZodType> {
  const sections = new Map<string, Record<string, z.ZodType>>();
  const shape: Record<string, z.ZodType> = {};
  for (const path of CONFIG_PATHS) {
    const { schema, description } = CONFIG_FIELDS[path] as ConfigField;
    const [section = "", key] = path.split(".");
    const described = schema.meta({ ...schema.meta(), description }).optional();
    if (key === undefined) shape[section] = described;
    else sections.set(section, { ...sections.get(section), [key]: described });
  }
  for (const [section, fields] of sections) shape[section] = z.strictObject(fields).optional();
  return shape;
}

/** The text of weft.config.schema.json, which gives editors completion. */
export function renderConfigSchema(): string {
  const schema = z.toJSONSchema(configFile, { target: "draft-7", io: "input", unrepresentable: "any" });
  return `${JSON.stringify({ title: "weft.config.yaml", ...schema }, undefined, 2)}\n`;
}
