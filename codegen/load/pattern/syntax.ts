/**
 * Parses patterns that are known to compile with the `u` flag. Zero-width parts (anchors, lookarounds) are
 * left out of the tree.
 */

export type PatternNode =
  | { readonly kind: "atom"; readonly text: string }
  | { readonly kind: "either"; readonly options: readonly PatternNode[] }
  | { readonly kind: "sequence"; readonly parts: readonly PatternNode[] }
  | { readonly kind: "repeat"; readonly part: PatternNode; readonly least: number; readonly most: number };

export interface ParsedPattern {
  /** The pattern, then the contents of its lookarounds, each of which is matched separately. */
  readonly roots: readonly PatternNode[];
}

export const NOTHING: PatternNode = { kind: "sequence", parts: [] };

const TOKEN =
  /\((?:\?(?:<(?![=!])[^>]*>|[a-z]*(?:-[a-z]*)?:|<?[=!]))?|\[(?:\\.|[^\]\\])*\]|\\(?:[pP]\{[^}]*\}|u\{[^}]*\}|u[dD][89abAB][\da-fA-F]{2}\\u[dD][c-fC-F][\da-fA-F]{2}|u[\da-fA-F]{4}|x[\da-fA-F]{2}|k<[^>]*>|c[a-zA-Z]|[1-9]\d*|.)|\{[^}]*\}|[\s\S]/gu;

interface Reading {
  readonly tokens: readonly string[];
  next: number;
  /** What each capturing group matches, by number and by name. */
  readonly groups: Map<string, PatternNode>;
  captures: number;
  readonly lookarounds: PatternNode[];
}

export function parsePattern(pattern: string): ParsedPattern {
  const tokens = Array.from(pattern.matchAll(TOKEN), ([text]) => text);
  const reading: Reading = { tokens, next: 0, groups: new Map(), captures: 0, lookarounds: [] };
  const root = readAlternatives(reading);
  return { roots: [root, ...reading.lookarounds] };
}

function readAlternatives(reading: Reading): PatternNode {
  const options: PatternNode[] = [];
  let parts: PatternNode[] = [];
  for (;;) {
    const token = reading.tokens[reading.next++];
    if (token === undefined || token === ")" || token === "|") {
      options.push(parts.length === 1 && parts[0] !== undefined ? parts[0] : { kind: "sequence", parts });
      parts = [];
      if (token !== "|") break;
    } else {
      parts.push(readQuantifier(reading, readPart(reading, token)));
    }
  }
  return options.length === 1 && options[0] !== undefined ? options[0] : { kind: "either", options };
}

function readPart(reading: Reading, token: string): PatternNode {
  if (token.startsWith("(")) return readGroup(reading, token);
  if (token === "^" || token === "$" || token === "\\b" || token === "\\B") return NOTHING;
  // A backreference matches a text like those that its group matches; before the group has ended, it matches
  // nothing.
  const backward = /^\\(?:k<(.*)>|([1-9]\d*))$/u.exec(token);
  if (backward !== null) return reading.groups.get(backward[1] ?? backward[2] ?? "") ?? NOTHING;
  return { kind: "atom", text: token };
}

function readGroup(reading: Reading, token: string): PatternNode {
  const name = /^\(\?<([^=!].*)>$/u.exec(token)?.[1];
  const number = token === "(" || name !== undefined ? ++reading.captures : 0;
  const inner = readAlternatives(reading);
  if (/^\(\?<?[=!]$/u.test(token)) {
    reading.lookarounds.push(inner);
    return NOTHING;
  }
  if (number > 0) reading.groups.set(String(number), inner);
  if (name !== undefined) reading.groups.set(name, inner);
  return inner;
}

function readQuantifier(reading: Reading, part: PatternNode): PatternNode {
  const token = reading.tokens[reading.next] ?? "";
  const counts = /^(?:([*+?])|\{(\d+)(,?)(\d*)\})$/u.exec(token);
  if (counts === null) return part;
  reading.next++;
  // The ? of a lazy quantifier changes the order of the attempts, not their number.
  if (reading.tokens[reading.next] === "?") reading.next++;
  const [, sign, from, comma, to] = counts;
  const least = sign === undefined ? Number(from) : sign === "+" ? 1 : 0;
  if (sign !== undefined) return { kind: "repeat", part, least, most: sign === "?" ? 1 : Infinity };
  const most = comma === "" ? least : to === "" ? Infinity : Number(to);
  return { kind: "repeat", part, least, most };
}
