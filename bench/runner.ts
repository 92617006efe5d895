import type { Library } from "./adapters/adapter.js";
import { nowUs } from "./clock.js";
import type { Metrics } from "./figures/metrics.js";
import type { BenchOptions } from "./options.js";
import { MAX_FOREIGN_CORES, waitForQuiet } from "./quiet.js";
import { type Measured, Sample } from "./sample.js";
import type { Workload } from "./workloads/index.js";

/** One line of the result file. */
export interface SampleRecord {
  readonly workload: string;
  readonly library: Library;
  /** The workload that this one is but for one thing. */
  readonly variantOf?: string;
  readonly round: number;
  readonly metrics: Metrics;
  /** Calls per job by command, those made inside scripts included. */
  readonly callsPerJob: Readonly<Record<string, number>>;
  /** Cores that other processes used meanwhile. */
  readonly foreignCores: number;
  /** True when every try was disturbed; the least disturbed one is recorded. */
  readonly disturbed: boolean;
  readonly tries: number;
  /** Why there are no figures. */
  readonly error?: string;
}

/**
 * Runs all samples. The libraries take turns within each workload (A B C, B C A, C A B, ...), so that a slow minute of
 * the machine hits every library and none always goes first; rounds are outermost, so that a run that is out of time
 * has seen every workload.
 */
export async function runAll(
  options: BenchOptions,
  onSample: (record: SampleRecord) => void,
): Promise<readonly SampleRecord[]> {
  const records: SampleRecord[] = [];
  const endsAtUs = nowUs() + options.budgetMs * 1000;
  for (let round = 0; round < options.rounds; round++) {
    for (const workload of options.workloads) {
      if (round >= (workload.maxRounds ?? options.rounds)) continue;
      if (round > 0 && nowUs() > endsAtUs) return records;
      for (const library of rotated(librariesFor(workload, options), round)) {
        const record = await takeRecord(workload, library, round, options);
        records.push(record);
        onSample(record);
      }
    }
  }
  return records;
}

function librariesFor(workload: Workload, { libraries }: BenchOptions): readonly Library[] {
  return libraries.filter((library) => workload.libraries?.includes(library) ?? true);
}

/** The list, begun `by` places later. */
export function rotated<Item>(items: readonly Item[], by: number): Item[] {
  const start = by % Math.max(1, items.length);
  return [...items.slice(start), ...items.slice(0, start)];
}

async function takeRecord(
  workload: Workload,
  library: Library,
  round: number,
  options: BenchOptions,
): Promise<SampleRecord> {
  const sampleOptions = { library, scale: options.scale, aof: options.aof };
  let best: Measured | undefined;
  let tries = 0;
  try {
    while (tries <= options.repeats && (best === undefined || isDisturbed(best))) {
      if (best !== undefined) await waitForQuiet();
      tries++;
      const measured = await Sample.run(sampleOptions, (sample) => workload.measure(sample));
      if (best === undefined || measured.window.foreignCores < best.window.foreignCores) best = measured;
    }
  } catch (error) {
    return failed(workload, library, round, tries, error);
  }
  if (best === undefined) throw new Error("a sample without a try");
  return {
    ...identity(workload, library, round),
    metrics: best.metrics,
    callsPerJob: perJob(best),
    foreignCores: rounded(best.window.foreignCores),
    disturbed: isDisturbed(best),
    tries,
  };
}

function identity({ name, variantOf }: Workload, library: Library, round: number) {
  return { workload: name, library, round, ...(variantOf !== undefined && { variantOf }) };
}

function isDisturbed(measured: Measured): boolean {
  return measured.window.foreignCores > MAX_FOREIGN_CORES;
}

function failed(
  workload: Workload,
  library: Library,
  round: number,
  tries: number,
  error: unknown,
): SampleRecord {
  return {
    ...identity(workload, library, round),
    metrics: {},
    callsPerJob: {},
    foreignCores: 0,
    disturbed: false,
    tries,
    error: error instanceof Error ? error.message : String(error),
  };
}

function perJob({ window, jobs }: Measured): Record<string, number> {
  const entries = Object.entries(window.calls).toSorted(([, left], [, right]) => right - left);
  return Object.fromEntries(entries.map(([name, count]) => [name, rounded(count / jobs)]));
}

function rounded(value: number): number {
  return Math.round(value * 10_000) / 10_000;
}
