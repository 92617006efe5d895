/** Determines which atoms of a pattern can match the same character. */

/** Every assigned character is in these ranges; those between them are matched only by negated classes. */
const RANGES: readonly (readonly [number, number])[] = [
  [0, 0xd7ff],
  [0xe000, 0x323af],
  [0xe0000, 0xe01ef],
  [0x10ffff, 0x10ffff],
];

let everyCharacter: string | undefined;

/** Created with the first class, because most projects have no pattern. */
function allCharacters(): string {
  everyCharacter ??= RANGES.flatMap(([from, to]) =>
    Array.from({ length: to - from + 1 }, (_, index) => String.fromCodePoint(from + index)),
  ).join("");
  return everyCharacter;
}

/** Alternating start and end offsets of the characters that an atom matches. */
type Edges = readonly number[];

const known = new Map<string, Edges>();

/**
 * The letters that each atom matches. Characters that no atom of the pattern tells apart count as one letter.
 */
export function lettersOf(atoms: readonly string[]): ReadonlyMap<string, ReadonlySet<number>> {
  const distinct = [...new Set(atoms)];
  const changes = distinct.flatMap((atom, index) => edgesOf(atom).map((at) => ({ at, index })));
  changes.sort((one, other) => one.at - other.at);
  const letters = new Map(distinct.map((atom) => [atom, new Set<number>()]));
  const numbers = new Map<string, number>();
  const inside = new Set<number>();
  for (const [position, { at, index }] of changes.entries()) {
    if (!inside.delete(index)) inside.add(index);
    if (changes[position + 1]?.at === at || inside.size === 0) continue;
    const signature = [...inside].sort((one, other) => one - other).join();
    const letter = numbers.get(signature) ?? numbers.size;
    numbers.set(signature, letter);
    for (const member of inside) letters.get(distinct[member] ?? "")?.add(letter);
  }
  return letters;
}

function edgesOf(atom: string): Edges {
  const found = known.get(atom) ?? findEdges(atom);
  known.set(atom, found);
  return found;
}

function findEdges(atom: string): Edges {
  const [first = "", second] = Array.from(atom);
  const literal = second === undefined && first !== "." ? first.codePointAt(0) : undefined;
  if (literal !== undefined) return [literal, literal + 1];
  // Searches a text of all characters, alternately for the next match and the next non-match.
  const searches = [new RegExp(atom, "gu"), new RegExp(`(?!${atom})[^]`, "gu")];
  const text = allCharacters();
  const edges: number[] = [];
  for (let at = 0; ;) {
    const search = searches[edges.length % 2];
    if (search === undefined) break;
    search.lastIndex = at;
    const found = search.exec(text);
    if (found === null) break;
    at = found.index;
    edges.push(text.codePointAt(at) ?? 0);
  }
  if (edges.length % 2 === 1) edges.push(0x110000);
  return edges;
}
