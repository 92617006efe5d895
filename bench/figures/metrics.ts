/** The figures that a sample can hold: what each means, its unit, and which direction is better. */

export const METRICS = {
  rate: { label: "jobs/s", better: "higher" },
  p50Us: { label: "p50 us", better: "lower" },
  p99Us: { label: "p99 us", better: "lower" },
  latenessP50Ms: { label: "late by, p50 ms", better: "lower" },
  latenessP99Ms: { label: "late by, p99 ms", better: "lower" },
  latenessMaxMs: { label: "late by, last job ms", better: "lower" },
  latenessMinMs: { label: "late by, first job ms (negative: before it was due)", better: "lower" },
  scriptP99Us: { label: "one script in Redis, p99 us", better: "lower" },
  scriptMaxUs: { label: "longest script us", better: "lower" },
  redisUs: { label: "Redis CPU us per job", better: "lower" },
  commands: { label: "commands per job", better: "lower" },
  nodeUs: { label: "Node CPU us per job", better: "lower" },
  bytesPerWaitingJob: { label: "bytes per waiting job", better: "lower" },
  bytesPerKeptJob: { label: "bytes per kept job", better: "lower" },
  idleCommandsPerSecond: { label: "commands/s", better: "lower" },
  idleRedisPercent: { label: "Redis CPU % of a core", better: "lower" },
  idleNodePercent: { label: "Node CPU % of a core", better: "lower" },
  countMs: { label: "to count them ms", better: "lower" },
  listMs: { label: "to list 1,000 ms", better: "lower" },
  purgeMs: { label: "to purge all ms", better: "lower" },
  pingP99Ms: { label: "PING beside it, p99 ms", better: "lower" },
  pingMaxMs: { label: "PING beside it, longest ms", better: "lower" },
  commandMaxUs: { label: "longest command in Redis us", better: "lower" },
} as const;

export type Metric = keyof typeof METRICS;
export type Metrics = Partial<Record<Metric, number>>;
