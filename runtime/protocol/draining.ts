/**
 * The text of `draining`: a line `<queue | task> <name> <since (ms)>` for each queue and task that accepts no
 * new jobs.
 */

export interface Draining {
  /** Name -> when draining started (ms). */
  readonly queue: ReadonlyMap<string, number>;
  readonly task: ReadonlyMap<string, number>;
}

export function parseDraining(text: string | null): Draining {
  const draining = { queue: new Map<string, number>(), task: new Map<string, number>() };
  for (const line of (text ?? "").split("\n")) {
    const [kind, name = "", since] = line.split(" ");
    if (kind === "queue" || kind === "task") draining[kind].set(name, Number(since));
  }
  return draining;
}
