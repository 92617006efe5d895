/**
 * Combines the metrics of several processes: the workers of `weft worker --processes`. The counts of a
 * process are kept after it has exited. If a total went down, Prometheus would take it for a counter reset
 * and count the rest again.
 */
import { countedIn, ownIn, Readings, type Snapshot } from "./readings.js";

/** The message of a supervisor; the worker answers `{ taskweft: { metrics: <snapshot> } }`. */
export const METRICS_QUESTION = "metrics";

/**
 * How long a worker may take to answer (ms). For one whose event loop is blocked, its latest answer is used,
 * but not what Redis had told it then.
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
    const answers = await Promise.all(members.map((member) => askOne(member)));
    const answered = new Set(members.filter((_member, index) => answers[index]));
    const readings = new Readings();
    readings.addSnapshot(this.#gone.snapshot);
    for (const member of this.#members)
      readings.addSnapshot(answered.has(member) ? member.latest : ownIn(member.latest));
    return readings.snapshot;
  }
}

/** True when it has answered in time. */
async function askOne(member: Member): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const answered = new Promise<true>((resolve) => member.answered.push(() => resolve(true)));
  const over = new Promise<false>((resolve) => (timer = setTimeout(() => resolve(false), PATIENCE_MS)));
  member.ask();
  const inTime = await Promise.race([answered, over]);
  clearTimeout(timer);
  return inTime;
}
