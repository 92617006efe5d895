/**
 * Estimates how many matching paths must be tried for the worst text of a given length: even patterns without
 * loops can have very many, such as a?a?a?...
 */
import type { Automaton, Ways } from "./automaton.js";
import type { Effort } from "./effort.js";

/** Beam width: how many of the worst beginnings are extended. */
const BEAM = 4;

interface Beginning {
  /** For each position, the number of paths that reach it after this beginning. */
  readonly ways: Ways;
  readonly steps: number;
}

/**
 * Searches letter by letter, so the result is a lower bound. The worst text may begin harmlessly, so the
 * search also starts at every position (once for positions with the same successors).
 */
export function mostSteps(automaton: Automaton, length: number, effort: Effort): number {
  const { next } = automaton;
  const starts = new Map(next.map((ways, position) => [[...ways].join(";"), position]));
  const inside = { ...automaton, first: new Map<number, number>() };
  const costs = [...starts.values()].map((start) =>
    search(inside, { ways: new Map([[start, 1]]), steps: 1 }, length, effort),
  );
  return Math.max(search(automaton, { ways: new Map(), steps: 0 }, length, effort), ...costs);
}

function search(automaton: Automaton, start: Beginning, length: number, effort: Effort): number {
  let beginnings: readonly Beginning[] = [start];
  let most = 0;
  for (let read = 0; read < length && beginnings.length > 0; read++) {
    beginnings = worst(beginnings.flatMap((beginning) => goOn(automaton, beginning, effort)));
    most = Math.max(most, beginnings[0]?.steps ?? 0);
  }
  return most;
}

function goOn(
  { first, next, letters }: Automaton,
  { ways, steps }: Beginning,
  effort: Effort,
): readonly Beginning[] {
  // A match may begin at each character.
  const reached = new Map(first);
  for (const [position, count] of ways) {
    const targets = next[position] ?? new Map<number, number>();
    effort.spend(targets.size);
    for (const [target, more] of targets) reached.set(target, (reached.get(target) ?? 0) + count * more);
  }
  const byLetter = new Map<number, number>();
  for (const [position, count] of reached) {
    const own = letters[position] ?? new Set<number>();
    effort.spend(own.size + BEAM);
    for (const letter of own) byLetter.set(letter, (byLetter.get(letter) ?? steps) + count);
  }
  return worst(Array.from(byLetter, ([letter, sum]) => ({ letter, steps: sum }))).map(
    ({ letter, steps: sum }) => ({
      steps: sum,
      ways: new Map([...reached].filter(([position]) => letters[position]?.has(letter) === true)),
    }),
  );
}

function worst<Kind extends { readonly steps: number }>(all: readonly Kind[]): readonly Kind[] {
  return [...all].sort((one, other) => other.steps - one.steps).slice(0, BEAM);
}
