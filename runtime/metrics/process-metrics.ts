/**
 * The metrics of this process. There is one instance for the process, because it is scraped as a whole: its
 * workers, its clients and what they share. Reading has no side effects.
 */
import { exposition } from "./exposition.js";
import type { FamilyName, LabelsOf } from "./families.js";
import { JobMeters } from "./job-meter.js";
import { Readings, type Snapshot } from "./readings.js";

/** A source that is read when somebody scrapes. `read` never rejects, and must not take long. */
export interface MetricsSource {
  read(into: Readings): Promise<void>;
}

export class ProcessMetrics {
  /** Counters by task and queue. */
  readonly jobs = new JobMeters();
  #counted = new Readings();
  readonly #sources = new Set<MetricsSource>();

  /** Counts an event that does not happen with every job. */
  count<Name extends FamilyName>(name: Name, labels: LabelsOf<Name>, count = 1): void {
    this.#counted.add(name, labels, count);
  }

  /** Returns what `count` has counted and resets it, for another process to add. */
  takeCounted(): Snapshot {
    const { snapshot } = this.#counted;
    this.#counted = new Readings();
    return snapshot;
  }

  addCounted(snapshot: Snapshot): void {
    this.#counted.addSnapshot(snapshot);
  }

  /** Returns a function that removes the source. */
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
 * The metrics of this process in the text format of Prometheus, for an HTTP server of your own: what its
 * clients have enqueued, what its workers have done and, if it runs a worker, what waits in Redis. Serve it
 * with the content type `text/plain; version=0.0.4`. Resolves within about a second, also when Redis is down.
 */
export async function metricsText(): Promise<string> {
  return exposition(await processMetrics.snapshot());
}
