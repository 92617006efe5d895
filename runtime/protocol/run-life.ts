/**
 * What retries have changed in a workflow run. It is stored in the stamp of the run, which every step reads
 * anyway, so a run that was never retried costs nothing more:
 *
 *   <s.us>                                             in its first life
 *   <s.us> <life> [<step>^<round>] ... [<step>=] ...   after a retry; names of steps contain no space
 */
export interface RunLife {
  /** 2 after the first retry. */
  readonly number: number;
  /**
   * Steps that were undone and have run again -> which time this is. Other steps are in their first round.
   */
  readonly rounds: ReadonlyMap<string, number>;
  /** Steps that keep their outcomes and pass them on once the steps before them have ended again. */
  readonly passed: ReadonlySet<string>;
}

/** `undefined` for a run that was never retried. */
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

/** @param stamp the stamp of any life of the run; `undefined` when it has none. */
export function stampOfLife(stamp: string | undefined, { number, rounds, passed }: RunLife): string {
  const [time = ""] = (stamp ?? "0").split(" ");
  const words = [...rounds].map(([step, round]) => `${step}^${round}`);
  return [time, number, ...words, ...[...passed].map((step) => `${step}=`)].join(" ");
}
