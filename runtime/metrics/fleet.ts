/**
 * The metrics of several processes as one: those of the workers of `weft worker --processes`. What a process has counted stays counted
 * when it is gone: a total that went down would be taken for one that began anew, and all of it be counted again.
 */
import { countedIn, Readings, type Snapshot } from "./readings.js";

/** What a supervisor sends; the worker answers `{ taskweft: { metrics: <snapshot> } }`. */
export const METRICS_QUESTION = "metrics";

/** How long a worker may take to answer (ms): one whose loop is blocked is told of as it was when it answered last. */
const PATIENCE_MS = 2000;

/** The snapshot in a message of a worker, `undefined` for what is another message. */
export function metricsAnswer(message: unknown): Snapshot | undefined {
  if (typeof message !== "object" || message === null || !("taskweft" in message)) return undefined;
  const { taskweft } = message;
  if (typeof taskweft !== "object" || taskweft === null || !("metrics" in taskweft)) return undefined;
  return taskweft.metrics as Snapshot;
}

/** One process of a fleet. */
interface Member {
  readonly ask: () => void;
  latest: Snapshot;
  answered: (() => void)[];
}

export class FleetMetrics {
  readonly #members = new Set<Member>();
  readonly #gone = new Readings();

  /** `ask` sends the question; the answer is given to `heard`, and `left` is called when the process has ended. */
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
