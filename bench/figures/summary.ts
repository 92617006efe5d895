/** Samples to figures: medians, extremes, and ratios against BullMQ of the same round. */
import { LIBRARIES, type Library } from "../adapters/adapter.js";
import { type Metric, METRICS } from "./metrics.js";
import type { SampleRecord } from "../runner.js";
import { pairedRatios, spread, type Spread } from "./statistics.js";

/** The library that all ratios are against. */
export const BASE_LIBRARY: Library = "bullmq";

export interface Figure {
  readonly workload: string;
  readonly metric: Metric;
  readonly library: Library;
  readonly value: Spread;
  /** Value divided by BullMQ's value of the same round, in the workload or else in the one that it is a variant of; absent without BullMQ. */
  readonly ratio?: Spread;
  /** Of a variant: value divided by the same library's value in the workload that it is a variant of, in the same round. */
  readonly ofPlain?: Spread;
  /** Made of disturbed samples, because there are no others. */
  readonly disturbed: boolean;
}

/** Figures in the order of the samples, then of the metrics, then of the libraries. */
export function summarise(records: readonly SampleRecord[]): readonly Figure[] {
  const workloads = [...new Set(records.map(({ workload }) => workload))];
  return workloads.flatMap((workload) =>
    (Object.keys(METRICS) as Metric[]).flatMap((metric) => {
      return LIBRARIES.flatMap((library) => figure(records, workload, metric, library) ?? []);
    }),
  );
}

function figure(
  records: readonly SampleRecord[],
  workload: string,
  metric: Metric,
  library: Library,
): Figure | undefined {
  const own = records.filter((record) => record.workload === workload);
  const plain = records.filter((record) => record.workload === own[0]?.variantOf);
  const { values, disturbed } = valuesByRound(own, metric, library);
  const value = spread([...values.values()]);
  if (value === undefined) return undefined;
  const beside = own.some((record) => record.library === BASE_LIBRARY) ? own : plain;
  const base = valuesByRound(beside, metric, BASE_LIBRARY).values;
  const ratio = library === BASE_LIBRARY ? undefined : spread(pairedRatios(values, base));
  const ofPlain = spread(pairedRatios(values, valuesByRound(plain, metric, library).values));
  return {
    workload,
    metric,
    library,
    value,
    disturbed,
    ...(ratio !== undefined && { ratio }),
    ...(ofPlain !== undefined && { ofPlain }),
  };
}

/** Undisturbed samples where there is one, else all: a marked figure is better than none. */
function valuesByRound(
  records: readonly SampleRecord[],
  metric: Metric,
  library: Library,
): { values: ReadonlyMap<number, number>; disturbed: boolean } {
  const all = records.filter((record) => record.library === library && record.metrics[metric] !== undefined);
  const quiet = all.filter((record) => !record.disturbed);
  const used = quiet.length > 0 ? quiet : all;
  return {
    values: new Map(used.map((record) => [record.round, record.metrics[metric]!])),
    disturbed: quiet.length === 0 && all.length > 0,
  };
}
