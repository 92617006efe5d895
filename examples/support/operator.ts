/**
 * The person at `weft jobs`: looks at jobs, and sends ahead what waits for a time. That is how hours of backoff fit into
 * seconds here, with the definitions as they are: `weft jobs retry` puts a job of the states `scheduled` and `retry` into
 * its queue now, and its attempts stay counted.
 */
import {
  openInspector,
  type JobState,
  type JobDetails,
  type OpenedInspector,
} from "../../runtime/inspect/index.js";

const MOST_JOBS = 100_000;

export class Operator {
  readonly inspector: OpenedInspector;

  constructor(url: string, prefix: string) {
    this.inspector = openInspector({ url, prefix });
  }

  async ids(state: JobState): Promise<readonly string[]> {
    return (await this.inspector.collectIds({ state }, MOST_JOBS)).ids;
  }

  async show(id: string): Promise<JobDetails> {
    return await this.inspector.showJob(id);
  }

  /** Whether the worker that is this process has jobs. */
  async hasJobs(pid: number): Promise<boolean> {
    const workers = await this.inspector.listWorkers();
    return workers.some(({ about, active }) => about["pid"] === pid && active > 0);
  }

  /** Lets the time of every job pass that waits in the state; gives how many. */
  async sendAhead(state: "retry" | "scheduled"): Promise<number> {
    const ids = await this.ids(state);
    await Promise.all(ids.map((id) => this.#sendOne(id)));
    return ids.length;
  }

  close(): void {
    this.inspector.close();
  }

  async #sendOne(id: string): Promise<void> {
    try {
      await this.inspector.retry(id);
    } catch (error) {
      // It was faster: its time had come.
      if ((error as { code?: string }).code !== "StateConflict") throw error;
    }
  }
}
