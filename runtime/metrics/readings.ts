/**
 * Values of metrics at one moment, by the text of their series. A snapshot can be sent as JSON; snapshots of
 * several processes are combined by adding them to the same instance.
 */
import { FAMILIES, type Family, type FamilyName, type LabelsOf } from "./families.js";
import { BOUNDS_MS, type Histogram } from "./histogram.js";

/** Family -> `taskweft_job_queued_total{task="a",queue="b"}` -> value. */
export type Snapshot = { [Name in FamilyName]?: Record<string, number> };

export class Readings {
  readonly snapshot: Snapshot = {};

  /** When the series exists already, its value becomes the sum or the maximum, as its family says. */
  add<Name extends FamilyName>(name: Name, labels: LabelsOf<Name>, value: number): void {
    this.#put(name, `${name}${labelText(name, labels)}`, value);
  }

  addHistogram<Name extends FamilyName>(name: Name, labels: LabelsOf<Name>, histogram: Histogram): void {
    let count = 0;
    for (const [bucket, here] of histogram.counts.entries()) {
      count += here;
      const bound = BOUNDS_MS[bucket];
      const le = bound === undefined ? "+Inf" : String(bound / 1000);
      this.#put(name, `${name}_bucket${labelText(name, labels, `le="${le}"`)}`, count);
    }
    const text = labelText(name, labels);
    this.#put(name, `${name}_sum${text}`, histogram.sumMs / 1000);
    this.#put(name, `${name}_count${text}`, count);
  }

  /** Adds the snapshot of another process. */
  addSnapshot(snapshot: Snapshot): void {
    for (const name of Object.keys(FAMILIES) as FamilyName[])
      for (const [series, value] of Object.entries(snapshot[name] ?? {})) this.#put(name, series, value);
  }

  #put(name: FamilyName, series: string, value: number): void {
    const values = (this.snapshot[name] ??= {});
    const before = values[series];
    const { over }: Family = FAMILIES[name];
    if (before === undefined) values[series] = value;
    else values[series] = over === "max" ? Math.max(before, value) : before + value;
  }
}

/**
 * The counters and histograms of a process that has exited. Its gauges are dropped: they describe a state
 * that is over.
 */
export function countedIn(snapshot: Snapshot): Snapshot {
  return Object.fromEntries(
    Object.entries(snapshot).filter(([name]) => FAMILIES[name as FamilyName].type !== "gauge"),
  );
}

/** Without what Redis said, which all processes ask for and which may have changed since. */
export function ownIn(snapshot: Snapshot): Snapshot {
  return Object.fromEntries(
    Object.entries(snapshot).filter(([name]) => {
      const { over }: Family = FAMILIES[name as FamilyName];
      return over !== "max";
    }),
  );
}

function labelText<Name extends FamilyName>(name: Name, labels: LabelsOf<Name>, more?: string): string {
  const names: readonly string[] = FAMILIES[name].labels;
  const values = labels as Readonly<Record<string, string>>;
  const parts = names.map((label) => `${label}="${escaped(values[label] ?? "")}"`);
  if (more !== undefined) parts.push(more);
  return parts.length === 0 ? "" : `{${parts.join(",")}}`;
}

/** Names of errors may contain anything; the format escapes these three characters. */
function escaped(value: string): string {
  return value.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
}
