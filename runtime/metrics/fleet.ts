/**
 * Combines the metrics of several processes: the workers of `weft worker --processes`. The counts of a
 * process are kept after it has exited. If a total went down, Prometheus would take it for a counter reset
 * and count the rest again.
 */
import { countedIn, Readings, type Snapshot } from "./readings.js";

/** The message of a supervisor; the worker answers `{ taskweft: { metrics: <snapshot> } }`. */
export const METRICS_QUESTION = "metrics";

/**
 * How long a worker may take to answer (ms). For one whose event loop is blocked, its latest answer is used.
 */
const PATIENCE_MS = 2000;

/** The snapshot in a worker's message; `undefined` for any other message. */
export function metricsAnswer(message: unknown): Snapshot | undefined {
  if (typeof message !== "object" || message === null || !("taskweft" in message)) return undefined;
  const { taskweft } = message;
  if (typeof taskweft !== "object" || taskweft === null || !("metrics" in taskweft)) return undefined;
  return taskweft.metrics as Snapshot;
}

/** One process of the fleet. */
interface Member {
  readonly ask: () => void;
  latest: Snapshot;
  answered: (() => void)[];
}

export class FleetMetrics {
  readonly #members = new Set<Member>();
  readonly #gone = new Readings();

  /**
   * Adds a process. `ask` sends the question; the caller passes the answer to `heard`, and calls `left` when
   * the process has exited.
   */
  join(ask: () => void): { readonly heard: (snapshot: Snapshot) => void; readonly left: () => void } {
    const member: Member = { ask, latest: {}, answered: [] };
    this.#members.add(member);
    const settle = (): void => {
      for (const resolve of member.answered.splice(0)) resolve();
    };
    return {
      heard: (snapshot) => {
        member.latest = snapshot;
        settle();
      },
      left: () => {
        if (!this.#members.delete(member)) return;
        this.#gone.addSnapshot(countedIn(member.latest));
        settle();
      },
    };
  }

  async snapshot(): Promise<Snapshot> {
    const members = [...this.#members];
    await Promise.all(members.map((member) => askOne(member)));
    const readings = new Readings();
    readings.addSnapshot(this.#gone.snapshot);
    for (const member of this.#members) readings.addSnapshot(member.latest);
    return readings.snapshot;
  }
}

async function askOne(member: Member): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const answered = new Promise<void>((resolve) => member.answered.push(resolve));
  const over = new Promise<void>((resolve) => (timer = setTimeout(resolve, PATIENCE_MS)));
  member.ask();
  await Promise.race([answered, over]);
  clearTimeout(timer);
}
