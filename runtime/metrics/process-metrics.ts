/**
 * What this process counts. There is one for the process, because it is scraped as one: its workers, its clients and what they
 * share. Reading changes nothing.
 */
import { exposition } from "./exposition.js";
import type { FamilyName, LabelsOf } from "./families.js";
import { JobMeters } from "./job-meter.js";
import { Readings, type Snapshot } from "./readings.js";

/** Something that is asked for its values when somebody reads. It never throws, and does not keep anybody waiting for long. */
export interface MetricsSource {
  read(into: Readings): Promise<void>;
}

export class ProcessMetrics {
  /** By task and queue. */
  readonly jobs = new JobMeters();
  readonly #counted = new Readings();
  readonly #sources = new Set<MetricsSource>();

  /** Counts what does not happen with every job. */
  count<Name extends FamilyName>(name: Name, labels: LabelsOf<Name>, count = 1): void {
    this.#counted.add(name, labels, count);
  }

  /** Gives the function that takes it away again. */
  addSource(source: MetricsSource): () => void {
    this.#sources.add(source);
    return () => void this.#sources.delete(source);
  }

  async snapshot(): Promise<Snapshot> {
    const readings = new Readings();
    this.jobs.read(readings);
    readings.addSnapshot(this.#counted.snapshot);
    await Promise.all([...this.#sources].map((source) => source.read(readings)));
    return readings.snapshot;
  }
}

export const processMetrics = new ProcessMetrics();

/**
 * The metrics of this process in the text format of Prometheus, for an HTTP server of your own: what its clients have enqueued, what its
 * workers have done, and, where it has a worker, what waits in Redis. Send it with the content type
 * `text/plain; version=0.0.4`. Answers within a second or so, also without Redis.
 */
export async function metricsText(): Promise<string> {
  return exposition(await processMetrics.snapshot());
}
