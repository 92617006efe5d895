/**
 * Detects exponential ambiguity: a text that leads round a loop of the pattern, back to its start, in two
 * ways. Then n such texts can be matched in 2^n ways, all of which are tried if the rest does not fit.
 * Without such a text, the number of ways grows only polynomially (Weber and Seidl, "On the degree of
 * ambiguity of finite automata", 1991).
 */
import type { Automaton } from "./automaton.js";
import type { Effort } from "./effort.js";

export function repeatsAmbiguously(automaton: Automaton, effort: Effort): boolean {
  const loops = loopsOf(automaton);
  const overlap = overlapsOf(automaton);
  return loops.some((loop) => hasTwoWays(automaton, new Set(loop), overlap, effort));
}

type Overlap = (one: number, other: number) => boolean;

/** Atoms with the same spelling share their set of letters. */
function overlapsOf({ letters }: Automaton): Overlap {
  const sets = [...new Set(letters)];
  const numbers = letters.map((set) => sets.indexOf(set));
  const table = sets.map((one) => sets.map((other) => [...one].some((letter) => other.has(letter))));
  return (one, other) => table[numbers[one] ?? 0]?.[numbers[other] ?? 0] === true;
}

/** Simulates two walkers that read one text: they start at one position, part, and meet again. */
function hasTwoWays(
  { next }: Automaton,
  loop: ReadonlySet<number>,
  overlap: Overlap,
  effort: Effort,
): boolean {
  const size = next.length;
  const parted = new Set<number>();
  const waiting: [number, number][] = [];
  for (const position of loop) {
    for (const [target, ways] of next[position] ?? []) if (ways > 1 && loop.has(target)) return true;
    waiting.push([position, position]);
  }
  for (let pair = waiting.pop(); pair !== undefined; pair = waiting.pop()) {
    const [one, other] = pair;
    for (const left of next[one]?.keys() ?? []) {
      if (!loop.has(left)) continue;
      effort.spend(next[other]?.size ?? 0);
      for (const right of next[other]?.keys() ?? []) {
        if (!loop.has(right) || !overlap(left, right)) continue;
        if (left === right && one !== other) return true;
        const key = left * size + right;
        if (left === right || parted.has(key)) continue;
        parted.add(key);
        waiting.push([left, right]);
      }
    }
  }
  return false;
}

/** Sets of positions that can be reached from each other (Tarjan), each containing a cycle. */
function loopsOf({ next }: Automaton): readonly (readonly number[])[] {
  const order = new Map<number, number>();
  const lowest = new Map<number, number>();
  const stack: number[] = [];
  const open = new Set<number>();
  const loops: number[][] = [];
  const visit = (position: number): number => {
    const mine = order.size;
    order.set(position, mine);
    let low = mine;
    stack.push(position);
    open.add(position);
    for (const target of next[position]?.keys() ?? []) {
      if (!order.has(target)) low = Math.min(low, visit(target));
      else if (open.has(target)) low = Math.min(low, lowest.get(target) ?? order.get(target) ?? low);
    }
    lowest.set(position, low);
    if (low !== mine) return low;
    const loop = stack.splice(stack.indexOf(position));
    for (const member of loop) open.delete(member);
    if (loop.length > 1 || next[position]?.has(position) === true) loops.push(loop);
    return low;
  };
  for (const position of next.keys()) if (!order.has(position)) visit(position);
  return loops;
}
