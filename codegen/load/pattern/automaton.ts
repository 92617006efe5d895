/**
 * A pattern as the automaton that its matcher walks through: a position for each atom, and from each the
 * possible next positions. If several paths lead from one position to the next, the matcher tries all of
 * them, so they are counted.
 */
import { lettersOf } from "./letters.js";
import { parsePattern, type PatternNode } from "./syntax.js";

/** Position -> number of paths. */
export type Ways = ReadonlyMap<number, number>;

export interface Automaton {
  /** For each position, the letters that its atom matches. */
  readonly letters: readonly ReadonlySet<number>[];
  readonly first: Ways;
  readonly next: readonly Ways[];
}

/**
 * Repetition counts up to these limits are expanded; higher ones are treated as unbounded, because they take
 * about as long.
 */
interface Limits {
  readonly atom: number;
  readonly group: number;
  /** Also of rounds that may match nothing. */
  readonly emptyRounds?: true;
}

/**
 * (a+){20} takes as long as (a+)* on any realistic text, while \d{14} is just 14 digits, which are harmless.
 */
const LIMITS: readonly Limits[] = [
  { atom: 1000, group: 9 },
  { atom: 9, group: 9 },
  { atom: 1, group: 1 },
];
const MAX_POSITIONS = 600;

/**
 * The automatons of the pattern and of each of its lookarounds; `undefined` if its backreferences expand to
 * too many positions. Rounds that may match nothing are looked at in both forms, written out and as a loop:
 * the loop hides what (a?){30} takes, and ((\d{12})*){25} shows it only as a loop, because loops in rounds of
 * their own do not meet.
 */
export function automatonsOf(pattern: string): readonly Automaton[] | undefined {
  const automatons: Automaton[] = [];
  for (const root of parsePattern(pattern).roots) {
    const limits = LIMITS.find((candidate) => sizeOf(root, candidate) <= MAX_POSITIONS);
    if (limits === undefined) return undefined;
    automatons.push(build(root, limits));
    const asLoops: Limits = { ...limits, emptyRounds: true };
    if (sizeOf(root, asLoops) < sizeOf(root, limits)) automatons.push(build(root, asLoops));
  }
  return automatons;
}

/**
 * @param known Sizes of nodes that occur in several places, as referenced groups do. Without it, the run
 *   time would be proportional to the expanded size.
 */
function sizeOf(node: PatternNode, limits: Limits, known = new Map<PatternNode, number>()): number {
  const found = known.get(node);
  if (found !== undefined) return found;
  const sum = (nodes: readonly PatternNode[]): number =>
    nodes.reduce((total, inner) => total + sizeOf(inner, limits, known), 0);
  let size = 1;
  if (node.kind === "either") size = sum(node.options);
  else if (node.kind === "sequence") size = sum(node.parts);
  else if (node.kind === "repeat") {
    const { least, most } = writtenOut(node, limits);
    size = sizeOf(node.part, limits, known) * Math.max(least, most === Infinity ? 1 : most);
  }
  known.set(node, size);
  return size;
}

type Repeat = Extract<PatternNode, { kind: "repeat" }>;

function writtenOut({ part, least, most }: Repeat, limits: Limits): { least: number; most: number } {
  const limit = part.kind === "atom" ? limits.atom : limits.group;
  if (Math.max(least, most === Infinity ? 0 : most) <= limit) return { least, most };
  // A required repetition may match nothing, as in (a?){30}: any subset of the repetitions may match, which +
  // would not show.
  if (limits.emptyRounds !== true && least > 1 && canBeEmpty(part)) return { least, most };
  return { least: Math.min(least, 1), most: Infinity };
}

/** Visits each node once, because referenced groups occur in several places. */
function canBeEmpty(node: PatternNode, known = new Map<PatternNode, boolean>()): boolean {
  const found = known.get(node);
  if (found !== undefined) return found;
  let answer = false;
  if (node.kind === "either") answer = node.options.some((option) => canBeEmpty(option, known));
  else if (node.kind === "sequence") answer = node.parts.every((part) => canBeEmpty(part, known));
  else if (node.kind === "repeat") answer = node.least === 0 || canBeEmpty(node.part, known);
  known.set(node, answer);
  return answer;
}

interface Piece {
  /** Number of ways to match the empty text. */
  readonly empty: number;
  readonly first: Ways;
  readonly last: Ways;
}

interface Building {
  readonly limits: Limits;
  readonly atoms: string[];
  readonly next: Map<number, number>[];
}

const EMPTY: Piece = { empty: 1, first: new Map(), last: new Map() };

function build(root: PatternNode, limits: Limits): Automaton {
  const building: Building = { limits, atoms: [], next: [] };
  const { first } = pieceOf(building, root);
  const letters = lettersOf(building.atoms);
  return {
    first,
    next: building.next,
    letters: building.atoms.map((atom) => letters.get(atom) ?? new Set()),
  };
}

function pieceOf(building: Building, node: PatternNode): Piece {
  if (node.kind === "atom") {
    const position = building.atoms.push(node.text) - 1;
    building.next.push(new Map());
    const here = new Map([[position, 1]]);
    return { empty: 0, first: here, last: here };
  }
  if (node.kind === "sequence")
    return node.parts.reduce((before, part) => follow(building, before, pieceOf(building, part)), EMPTY);
  if (node.kind === "repeat") return repeat(building, node);
  return node.options
    .map((option) => pieceOf(building, option))
    .reduce((one, other) => ({
      empty: one.empty + other.empty,
      first: add(one.first, other.first),
      last: add(one.last, other.last),
    }));
}

function follow(building: Building, before: Piece, after: Piece): Piece {
  connect(building, before.last, after.first);
  return {
    empty: before.empty * after.empty,
    first: add(before.first, after.first, before.empty),
    last: add(after.last, before.last, after.empty),
  };
}

/**
 * Expands x{2,4} to xx(x(x)?)?, and x{2,} to xxx*. The matcher drops an optional repetition that matches
 * nothing.
 */
function repeat(building: Building, node: Repeat): Piece {
  const { least, most } = writtenOut(node, building.limits);
  const one = (): Piece => pieceOf(building, node.part);
  let rest = EMPTY;
  if (most === Infinity && least > 0) {
    const last = one();
    connect(building, last.last, last.first);
    rest = last;
  } else if (most === Infinity) {
    const again = one();
    connect(building, again.last, again.first);
    rest = { ...again, empty: 1 };
  } else {
    for (let count = least; count < most; count++) rest = { ...follow(building, one(), rest), empty: 1 };
  }
  const needed = most === Infinity ? Math.max(0, least - 1) : least;
  for (let count = 0; count < needed; count++) rest = follow(building, one(), rest);
  return rest;
}

function connect(building: Building, from: Ways, to: Ways): void {
  for (const [position, ways] of from) {
    const next = building.next[position];
    for (const [target, more] of to) next?.set(target, (next.get(target) ?? 0) + ways * more);
  }
}

function add(one: Ways, other: Ways, times = 1): Ways {
  if (times === 0 || other.size === 0) return one;
  const sum = new Map(one);
  for (const [position, ways] of other) sum.set(position, (sum.get(position) ?? 0) + ways * times);
  return sum;
}
