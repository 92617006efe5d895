import { createContext, runInContext } from "node:vm";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { patternProblem } from "../../../codegen/load/pattern/pattern.js";

const AMBIGUOUS = [
  "(.*a){20}",
  "(.|x)+",
  "((a+))+",
  "(?:[a-f]|[e-z])*",
  "(?:a+){2,}",
  "([a-z]+)*$",
  "(\\w+\\s?)*$",
  "(\\w+|x)+",
  "(\\w|\\d)+$",
  "(a*)*",
  "(a+)+",
  "(a+){20}",
  "(a|aa)+$",
  "(a|a)*",
  "^(?:(?:|)a)*$",
  "^(?:[a-c]{1,3})+$",
  "^(?:\\d{1,3},?)+$",
  "^(?:\\d{2}|\\d{3})*$",
  "^(?:a{1,9}b?){1,40}$",
  "^(?:x(?=a)(a+)*$)?",
  "^(?=(a+)*$)",
  "^(\\p{Lu}|Ω)*$",
  "^(\\w|(\\d))*$",
  "^(a?a)*$",
  "^(a?b?)*$",
  "^(ab|abab)*$",
  "^(a{1,2})*$",
  "^(a|(a))*$",
  "^(?:(a|b)\\1?)*$",
  "^(?:(?<x>a|b)\\k<x>?)*$",
  "^(?:[\\]a]|\\])*$",
  "^(?:\\u{1F600}|\\ud83d\\ude00)*$",
  "^(?:\\x61|a)*$",
  "^(?:(?:\\d{12})*){25}$",
  "^(?:(?:\\w{17})*){28}$",
  "^(?:(?:\\d{9})*){12}$",
  "^(?:(?:[0-9a-f]{16},?)*){16}$",
  "^(?:(?:\\d{4}-\\d{4}-\\d{4})*){20}$",
  "^(?=(?:(?:\\d{12})*){25}$)",
  "^(?:(?:a?b?)?){24}$",
];

const HARMLESS = [
  "",
  "(?:\\s|,)*",
  "(?<year>\\d{4})-(?=x)",
  "([a-z]|[0-9])+",
  "(\\d{14},)*",
  "(a+)b",
  "(a?b)*",
  "(a|b)*",
  "(cat|car)*$",
  "\\(a+\\)+",
  "^(,\\d+)*$",
  "^(?:(['\"])\\w*\\1,)*$",
  "^(?:25[0-5]|2[0-4]\\d|1?\\d?\\d)(?:\\.(?:25[0-5]|2[0-4]\\d|1?\\d?\\d)){3}$",
  "^(?:a{2}){30}$",
  "^(?=.*\\d)(?=.*[a-z])[a-z\\d]{8,}$",
  "^(EUR|USD)+$",
  "^(\\d+\\s*,\\s*)*\\d+$",
  "^(\\p{Lu}|Omega)*$",
  "^(\\w+\\.)+\\w+$",
  "^[(+)]+$",
  "^[0-9a-f]{32}$",
  "^[A-Z]{3}$",
  "^[^@\\s]+@[^@\\s]+\\.[^@\\s]+$",
  "^\\+?\\d{1,14}$",
  "^\\p{L}+$",
  "^\\p{L}{1,400}$",
  "^a(b)?c*$",
];

const COSTLY = [
  "abb(?:(?:\\w*){0,3}|a){0,3}",
  "(a+){9}",
  "(?:a?){9}(?:a?){9}(?:a?){9}(?:a?){9}$",
  "a?".repeat(26),
  ".*".repeat(8),
  "^(?:\\d?){30}$",
  "^(?:a|b?){28}$",
];

const atom = fc.constantFrom("a", "b", "[ab]", "\\w", "ab", "");
const quantifier = fc.constantFrom("", "", "?", "*", "+", "{2}", "{1,2}", "{0,3}", "{2,}", "{12}");
const { pattern } = fc.letrec<{ pattern: string; group: string }>((tie) => ({
  group: fc
    .tuple(fc.oneof({ maxDepth: 3 }, atom, tie("pattern")), quantifier)
    .map(([inner, repeated]) =>
      inner === "" && repeated !== "" ? `(?:)${repeated}` : `(?:${inner})${repeated}`,
    ),
  pattern: fc
    .array(fc.array(tie("group"), { minLength: 1, maxLength: 3 }), { minLength: 1, maxLength: 3 })
    .map((options) => options.map((parts) => parts.join("")).join("|")),
}));

const TEXTS = ["a", "b", "ab", "aab", "abb"].map((word) => `${word.repeat(40).slice(0, 39)}!`);

const context = createContext({ TEXTS });

/** Whether all texts are matched within so many milliseconds. A context of its own ends a match that goes on; nothing else can. */
function endsWithin(timeout: number, text: string): boolean {
  const script = `TEXTS.forEach((text) => new RegExp(${JSON.stringify(`^(?:${text})$`)}, "u").test(text))`;
  try {
    runInContext(script, context, { timeout });
    return true;
  } catch (error) {
    // The error is one of the context, which has an Error of its own.
    if ((error as NodeJS.ErrnoException).code === "ERR_SCRIPT_EXECUTION_TIMEOUT") return false;
    throw error;
  }
}

describe("patterns", () => {
  it.each(AMBIGUOUS)("%s is refused", (text) => {
    expect(patternProblem(text)?.message).toContain("in several ways");
  });

  it.each(HARMLESS)("%s is fine", (text) => {
    expect(patternProblem(text)).toBeUndefined();
  });

  it.each(COSTLY)("%s takes too many steps", (text) => {
    expect(patternProblem(text)?.message).toContain("of 40 characters takes more than 1000000 steps");
  });

  it("refuses what repeats nothing so often that it cannot be written out", () => {
    expect(patternProblem("^(?:a?b?){400}$")?.message).toContain(
      "repeats a part that can match nothing so often",
    );
  });

  it("looks at a pattern of the longest kind in a moment", () => {
    const words = Array.from({ length: 120 }, (_, index) => `A${String.fromCodePoint(0x4e00 + index)}B`);
    expect(patternProblem(`^(${words.join("|")})+$`)).toBeUndefined();
  });

  it("matches in a moment whatever is accepted", () => {
    fc.assert(
      fc.property(pattern, (text) => {
        fc.pre(patternProblem(text) === undefined);
        // Five texts. What takes exponential time would not end in years; a machine that does something else may need seconds.
        expect([50, 5000].some((limitMs) => endsWithin(limitMs, text))).toBe(true);
      }),
      { numRuns: 200, maxSkipsPerRun: 10_000 },
    );
  });

  it("accepts what shows where each part ends, in any order", () => {
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom("a+,", "b*;", "(?:c|d)?-", "e{1,3}\\.", "\\d+/"), { minLength: 1 }),
        (parts) => {
          expect(patternProblem(`^(?:${parts.slice(0, 5).join("")})*$`)).toBeUndefined();
        },
      ),
    );
  });
});

it("refuses references to groups that repeat each other without end, and looks no longer than for others", () => {
  const doubled = (groups: number): string =>
    Array.from({ length: groups }, (_unused, n) => (n === 0 ? "(a)" : `(\\${n}\\${n})`)).join("");
  expect(patternProblem(doubled(5))).toBeUndefined();
  for (const groups of [16, 60])
    expect(patternProblem(doubled(groups))?.message).toMatch(/refers to its groups so often/);
});
