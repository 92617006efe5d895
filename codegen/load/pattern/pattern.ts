/** Checks patterns of strings: they must compile, and must not take exponential time on any text. */
import { repeatsAmbiguously } from "./ambiguity.js";
import { automatonsOf } from "./automaton.js";
import { mostSteps } from "./cost.js";
import { Effort, TooIntricate } from "./effort.js";

const MAX_PATTERN_LENGTH = 500;

/**
 * Length of the text that `mostSteps` searches; the limit of steps corresponds to some milliseconds of
 * matching.
 */
const TEXT_LENGTH = 40;
const MAX_STEPS = 1_000_000;

export interface PatternProblem {
  readonly message: string;
  readonly hint?: string;
}

/** The problem of a pattern, or `undefined`. */
export function patternProblem(pattern: string): PatternProblem | undefined {
  if (pattern.length > MAX_PATTERN_LENGTH) {
    return {
      message: `expected a pattern of at most ${MAX_PATTERN_LENGTH} characters, got ${pattern.length}`,
    };
  }
  try {
    new RegExp(pattern, "u");
  } catch (error) {
    const reason =
      error instanceof Error ? error.message.replace(/^Invalid regular expression: /u, "") : String(error);
    return {
      message: `the pattern does not compile: ${reason}`,
      hint: "patterns are JavaScript regular expressions with the u flag",
    };
  }
  try {
    return timeProblem(pattern, new Effort());
  } catch (error) {
    if (!(error instanceof TooIntricate)) throw error;
    return {
      message:
        "the pattern has so many parts that may follow each other that nobody can tell how long it may take",
      hint: "write fewer optional parts in groups that repeat, or match a part and check the rest in the handler",
    };
  }
}

function timeProblem(pattern: string, effort: Effort): PatternProblem | undefined {
  const automatons = automatonsOf(pattern);
  if (automatons === undefined) {
    return {
      message:
        "the pattern refers to its groups so often, or repeats a part that can match nothing so often, that nobody can tell how long it may take",
      hint: "write what each group matches where it is wanted, (a?){400} as a{0,400}, or match a part and check the rest in the handler",
    };
  }
  if (automatons.some((automaton) => repeatsAmbiguously(automaton, effort))) {
    return {
      message:
        "the pattern repeats a group that can match the same text in several ways, which takes exponential time on some texts",
      hint: "write (a+)+ as a+, (a|b)+ as [ab]+, (a,?)+ as a+(,a+)*,?; what stands in a repeated group must show where it begins",
    };
  }
  if (automatons.some((automaton) => mostSteps(automaton, TEXT_LENGTH, effort) > MAX_STEPS)) {
    return {
      message: `the pattern has so many parts that match the same text that one of ${TEXT_LENGTH} characters takes more than ${MAX_STEPS} steps`,
      hint: "put a character between neighbours such as .*.* or a?a? that neither of them matches",
    };
  }
  return undefined;
}
