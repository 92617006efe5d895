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
      message: "the pattern repeats a repetition, which takes exponential time on some texts",
      hint: "write (a+)+ as a+",
    };
  }
  if (nesting === "nested") {
    return {
      severity: "warning",
      message:
        "the pattern repeats a group that repeats something; if its parts can overlap, some texts take exponential time",
      hint: "begin or end the group with a character that the inner part cannot match",
    };
  }
  return undefined;
}

interface Group {
  /** Atoms directly in the group, alternatives counted apart. */
  atoms: number;
  /** Some atom, at any depth, repeats without bound. */
  repeats: boolean;
  /** An alternative consists of nothing but a repeated atom, or of alternatives that begin alike. */
  bare: boolean;
  /** How many atoms of the current alternative are repeated without bound. */
  repeatedAtoms: number;
  firsts: string[];
}

/**
 * `bare`: a repeated group in which one alternative is only a repetition, `(a+)+`, or whose alternatives begin with the
 * same character, `(a|a)*`. `nested`: a repeated group with a repetition somewhere inside, `(\w+\.)+`, often harmless.
 */
export function repetitionNesting(pattern: string): "bare" | "nested" | "none" {
  const stack: Group[] = [newGroup()];
  let worst: "bare" | "nested" | "none" = "none";
  for (const { token, repeats } of tokens(pattern)) {
    const group = stack.at(-1) ?? newGroup();
    if (token === "(") {
      stack.push(newGroup());
    } else if (token === "|") {
      closeAlternative(group);
    } else if (token === ")") {
      const inner = stack.pop() ?? newGroup();
      closeAlternative(inner);
      if (repeats && inner.bare) worst = "bare";
      else if (repeats && inner.repeats && worst === "none") worst = "nested";
      // A group of nothing but a repetition is a repetition: ((a+))+ is (a+)+.
      addAtom(stack.at(-1) ?? group, "(", repeats || inner.bare, inner.repeats || repeats);
    } else {
      addAtom(group, token, repeats, repeats);
    }
  }
  return worst;
}

function newGroup(): Group {
  return { atoms: 0, repeats: false, bare: false, repeatedAtoms: 0, firsts: [] };
}

function addAtom(group: Group, token: string, repeatsItself: boolean, repeatsAnywhere: boolean): void {
  if (group.atoms === 0) {
    if (group.firsts.includes(token) && token !== "(") group.bare = true;
    group.firsts.push(token);
  }
  group.atoms++;
  if (repeatsItself) group.repeatedAtoms++;
  group.repeats ||= repeatsAnywhere;
}

function closeAlternative(group: Group): void {
  if (group.atoms > 0 && group.repeatedAtoms === group.atoms) group.bare = true;
  group.atoms = 0;
  group.repeatedAtoms = 0;
}

/** Atoms, brackets and bars of a pattern that compiles; a bracket or atom knows whether an unbounded quantifier follows. */
function* tokens(pattern: string): Generator<{ token: string; repeats: boolean }> {
  const expression =
    /\((?:\?(?:<[^=!][^>]*>|[:=!]|<[=!]))?|\[(?:\\.|[^\]\\])*\]|\\(?:[pP]\{[^}]*\}|u\{[^}]*\}|u[0-9a-fA-F]{4}|x[0-9a-fA-F]{2}|.)|\{[^}]*\}|[\s\S]/gu;
  const parts = Array.from(pattern.matchAll(expression), ([text]) => text);
  for (const [index, text] of parts.entries()) {
    if (/^(?:[*+?]|\{[^}]*\})$/u.test(text) || text === "^" || text === "$") continue;
    const quantifier = parts[index + 1] ?? "";
    const repeats = quantifier === "*" || quantifier === "+" || /^\{\d+,\}$/u.test(quantifier);
    yield { token: text.startsWith("(") ? "(" : text, repeats };
  }
}
