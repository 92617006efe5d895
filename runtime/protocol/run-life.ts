/**
 * What retries have made of a workflow run. It stands in the stamp of the run, which is read with each of its steps anyway, so that runs that
 * were never retried pay nothing for it:
 *
 *   <s.us>                                             in its first life
 *   <s.us> <life> [<step>^<round>] ... [<step>=] ...   after that; names of steps hold no space
 */
export interface RunLife {
  /** 2 after the first retry. */
  readonly number: number;
  /** Steps that were undone and have run again, and the how manieth time this is; others: the first. */
  readonly rounds: ReadonlyMap<string, number>;
  /** Steps that keep their ends, and pass them on when what comes before them has ended again. */
  readonly passed: ReadonlySet<string>;
}

/** `undefined` of a run that was never retried. */
export function parseRunLife(stamp: string): RunLife | undefined {
  const [, number, ...words] = stamp.split(" ");
  if (number === undefined) return undefined;
  const rounds = new Map<string, number>();
  const passed = new Set<string>();
  for (const word of words) {
    const [, step = "", round] = /^([^=^]+)[=^](\d*)$/.exec(word) ?? [];
    if (round === "") passed.add(step);
    else rounds.set(step, Number(round));
  }
  return { number: Number(number), rounds, passed };
}

/** `stamp`: of any life of the run; `undefined`: it has none. */
export function stampOfLife(stamp: string | undefined, { number, rounds, passed }: RunLife): string {
  const [time = ""] = (stamp ?? "0").split(" ");
  const words = [...rounds].map(([step, round]) => `${step}^${round}`);
  return [time, number, ...words, ...[...passed].map((step) => `${step}=`)].join(" ");
}
