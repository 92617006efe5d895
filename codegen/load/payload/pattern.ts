/** Patterns of strings: they must compile, and must not be able to take exponential time on a chosen text. */

export const MAX_PATTERN_LENGTH = 500;

export interface PatternProblem {
  readonly severity: "error" | "warning";
  readonly message: string;
  readonly hint?: string;
}

/** What is wrong with a pattern, or `undefined`. */
export function patternProblem(pattern: string): PatternProblem | undefined {
  if (pattern.length > MAX_PATTERN_LENGTH) {
    return {
      severity: "error",
      message: `expected a pattern of at most ${MAX_PATTERN_LENGTH} characters, got ${pattern.length}`,
    };
  }
  try {
    new RegExp(pattern, "u");
  } catch (error) {
    const reason =
      error instanceof Error ? error.message.replace(/^Invalid regular expression: /u, "") : String(error);
    return {
      severity: "error",
      message: `the pattern does not compile: ${reason}`,
      hint: "patterns are JavaScript regular expressions with the u flag",
    };
  }
  const nesting = repetitionNesting(pattern);
  if (nesting === "bare") {
    return {
      severity: "error",
      message:
        "the pattern repeats a repetition, or alternatives that overlap, which takes exponential time on some texts",
      hint: "write (a+)+ as a+, and (a|b)+ as [ab]+",
    };
  }
  if (nesting === "nested") {
    return {
      severity: "warning",
      message:
        "the pattern repeats a group that repeats something or whose alternatives begin alike; if its parts can overlap, some texts take exponential time",
      hint: "begin or end the group with a character that the inner part cannot match",
    };
  }
  return undefined;
}

interface Group {
  /** Atoms of the current alternative. */
  atoms: number;
  /** Of these, the ones that must be there, and the ones that repeat without bound. */
  neededAtoms: number;
  repeatedAtoms: number;
  /** First atom of the current alternative. */
  first: string;
  /** Some atom, at any depth, repeats without bound. */
  repeats: boolean;
  /** An alternative may consist of nothing but a repeated atom, or one of a single atom begins like another. */
  bare: boolean;
  /** Alternatives of several atoms begin alike. */
  alike: boolean;
  alternatives: { readonly characters: readonly string[]; readonly atoms: number }[];
}

/**
 * `bare`: a repeated group in which one alternative is only a repetition, `(a+)+` or `(a+b?)+`, or in which a single atom
 * is also the beginning of another alternative, `(\w|\d)*`. `nested`: a repeated group with a repetition somewhere inside,
 * `(\w+\.)+`, or with alternatives that begin alike, `(cat|car)*`; often harmless.
 */
export function repetitionNesting(pattern: string): "bare" | "nested" | "none" {
  const stack: Group[] = [newGroup()];
  let worst: "bare" | "nested" | "none" = "none";
  for (const { token, quantifier } of tokens(pattern)) {
    const group = stack.at(-1) ?? newGroup();
    if (token === "(") {
      stack.push(newGroup());
    } else if (token === "|") {
      closeAlternative(group);
    } else if (token === ")") {
      const inner = stack.pop() ?? newGroup();
      closeAlternative(inner);
      const isMany = isUnbounded(quantifier) || isLong(quantifier);
      if (isMany && inner.bare) worst = "bare";
      else if (isMany && (inner.repeats || inner.alike) && worst === "none") worst = "nested";
      // A group of nothing but a repetition is a repetition: ((a+))+ is (a+)+.
      const repeats = isUnbounded(quantifier);
      addAtom(stack.at(-1) ?? group, "(", quantifier, repeats || inner.bare, inner.repeats || repeats);
    } else {
      const repeats = isUnbounded(quantifier);
      addAtom(group, token, quantifier, repeats, repeats);
    }
  }
  return worst;
}

function newGroup(): Group {
  return {
    atoms: 0,
    neededAtoms: 0,
    repeatedAtoms: 0,
    first: "",
    repeats: false,
    bare: false,
    alike: false,
    alternatives: [],
  };
}

function addAtom(
  group: Group,
  token: string,
  quantifier: string,
  repeatsItself: boolean,
  repeatsAnywhere: boolean,
): void {
  if (group.atoms === 0) group.first = token;
  group.atoms++;
  if (repeatsItself) group.repeatedAtoms++;
  else if (quantifier !== "?" && !quantifier.startsWith("{0,")) group.neededAtoms++;
  group.repeats ||= repeatsAnywhere;
}

function closeAlternative(group: Group): void {
  const { atoms, first } = group;
  if (group.repeatedAtoms > 0 && group.neededAtoms === 0) group.bare = true;
  if (atoms > 0) {
    const characters = charactersOf(first);
    for (const other of group.alternatives) {
      if (!characters.some((character) => other.characters.includes(character))) continue;
      if (atoms === 1 || other.atoms === 1) group.bare = true;
      else group.alike = true;
    }
    group.alternatives.push({ characters, atoms });
  }
  group.atoms = 0;
  group.neededAtoms = 0;
  group.repeatedAtoms = 0;
}

/** Enough of every class that patterns are made of to see whether two atoms overlap. */
const SAMPLE = [
  "\t",
  "\n",
  "é",
  "中",
  ...Array.from({ length: 95 }, (_, index) => String.fromCharCode(32 + index)),
];

/** The characters of the sample that an atom matches; none for a group, or for what means nothing by itself. */
function charactersOf(atom: string): readonly string[] {
  if (atom === "(") return [];
  try {
    const expression = new RegExp(`^${atom}$`, "u");
    return [...SAMPLE, atom].filter((character) => expression.test(character));
  } catch (error) {
    if (error instanceof SyntaxError) return [];
    throw error;
  }
}

function isUnbounded(quantifier: string): boolean {
  return quantifier === "*" || quantifier === "+" || /^\{\d+,\}$/u.test(quantifier);
}

/** `(.*a){20}` takes as long as an unbounded one on any text that people send. */
function isLong(quantifier: string): boolean {
  return Number(/^\{(?:\d+,)?(\d+)\}$/u.exec(quantifier)?.[1] ?? 0) >= 10;
}

/** Atoms, brackets and bars of a pattern that compiles; a closing bracket or atom knows the quantifier that follows. */
function* tokens(pattern: string): Generator<{ token: string; quantifier: string }> {
  const expression =
    /\((?:\?(?:<[^=!][^>]*>|[:=!]|<[=!]))?|\[(?:\\.|[^\]\\])*\]|\\(?:[pP]\{[^}]*\}|u\{[^}]*\}|u[0-9a-fA-F]{4}|x[0-9a-fA-F]{2}|.)|\{[^}]*\}|[\s\S]/gu;
  const parts = Array.from(pattern.matchAll(expression), ([text]) => text);
  for (const [index, text] of parts.entries()) {
    if (/^(?:[*+?]|\{[^}]*\})$/u.test(text) || text === "^" || text === "$") continue;
    const next = parts[index + 1] ?? "";
    const quantifier = /^(?:[*+?]|\{[^}]*\})$/u.test(next) ? next : "";
    yield { token: text.startsWith("(") ? "(" : text, quantifier };
  }
}
