/**
 * Splits TypeScript into tokens, precisely enough to tell code from strings and comments. Reading 500 files
 * takes milliseconds; loading a full parser takes a quarter of a second. A text that cannot be understood
 * without a grammar (is a slash after a closing bracket a division or a regular expression?) is a
 * `TokenProblem`, and the caller uses the full parser.
 */

export class TokenProblem extends Error {
  override readonly name = "TokenProblem";
}

export interface Token {
  readonly kind: "name" | "number" | "punctuation" | "regexp" | "string" | "template";
  readonly text: string;
  /** Offset of the first character. */
  readonly start: number;
  /** Number of open brackets before this token. */
  readonly depth: number;
  /** Whether it is the first token of its line. */
  readonly startsLine: boolean;
}

/**
 * All tokens except templates, slashes and non-ASCII names, in one expression; the groups tell which one
 * matched.
 */
const TOKEN = new RegExp(
  [
    String.raw`([^\S\n\r\u2028\u2029]+)`,
    String.raw`((?:\r\n|[\n\r\u2028\u2029])+)`,
    String.raw`(\/\/[^\n\r\u2028\u2029]*|\/\*[^]*?\*\/)`,
    String.raw`([A-Za-z$_][A-Za-z0-9$_]*(?![^\x00-\x7F]))`,
    String.raw`("(?:[^"\\\n\r]|\\(?:\r\n|[^]))*"|'(?:[^'\\\n\r]|\\(?:\r\n|[^]))*')`,
    String.raw`(\d[\w.]*(?:(?<=[eE])[+-]\d+)?)`,
    String.raw`(=>|\?\?|\?\.(?!\d)|\.\.\.|[{}()[\];,<>+\-*%&|^!~?:=.@#])`,
  ].join("|"),
  "y",
);
const NAME = /[\p{ID_Start}$_][\p{ID_Continue}$\u200C\u200D]*/uy;
/** A template up to its end or to the next `${`. */
const TEMPLATE_PART = /(?:[^`\\$]|\\[^]|\$(?!\{))*(?:`|\$\{)/y;
const REGEXP = /\/(?:[^\\/[\n\r]|\\.|\[(?:[^\]\\\n\r]|\\.)*\])+\/[a-z]*/y;
/** Words after which a slash starts a regular expression; after any other name it is a division. */
const BEFORE_REGEXP = new Set(
  "await case delete do else in instanceof new of return throw typeof void yield".split(" "),
);

const CLOSING: Readonly<Record<string, string>> = { ")": "(", "]": "[", "}": "{" };

/**
 * All tokens.
 * @throws TokenProblem if the text is not TypeScript or requires the grammar.
 */
export function tokenize(text: string): Token[] {
  const tokens: Token[] = [];
  const open: string[] = [];
  let startsLine = true;
  for (let at = text.startsWith("\uFEFF") ? 1 : 0; at < text.length;) {
    TOKEN.lastIndex = at;
    // While a `${` of a template is on the stack, its `}` continues the template.
    const inTemplate = text[at] === "}" && open.at(-1) === "${";
    const match = inTemplate ? null : TOKEN.exec(text);
    const ignored = match?.[1] ?? match?.[2] ?? match?.[3];
    if (ignored !== undefined) {
      startsLine ||= match?.[2] !== undefined || (match?.[3] !== undefined && /[\n\r]/.test(ignored));
      at += ignored.length;
      continue;
    }
    const found = match === null ? rareToken(text, at, open, tokens.at(-1)) : commonToken(match, open);
    tokens.push({ kind: found.kind, text: found.text, start: at, depth: open.length, startsLine });
    if (found.opens !== undefined) open.push(found.opens);
    at += found.text.length;
    startsLine = false;
  }
  if (open.length > 0)
    throw new TokenProblem(`expected ${open.at(-1)} to be closed, got the end of the text`);
  return tokens;
}

interface Found {
  readonly kind: Token["kind"];
  readonly text: string;
  readonly opens?: string;
}

function commonToken(match: RegExpExecArray, open: string[]): Found {
  const text = match[0];
  if (match[4] !== undefined) return { kind: "name", text };
  if (match[5] !== undefined) return { kind: "string", text };
  if (match[6] !== undefined) return { kind: "number", text };
  if (text === "(" || text === "[" || text === "{") return { kind: "punctuation", text, opens: text };
  const opening = CLOSING[text];
  if (opening !== undefined && open.pop() !== opening) {
    throw new TokenProblem(`expected ${opening} before ${text} at ${match.index}`);
  }
  return { kind: "punctuation", text };
}

function rareToken(text: string, at: number, open: string[], before: Token | undefined): Found {
  if (text[at] === "`" || text[at] === "}") return templatePart(text, at, open);
  if (text[at] === "/") return slash(text, at, before);
  NAME.lastIndex = at;
  const name = NAME.exec(text)?.[0];
  if (name === undefined)
    throw new TokenProblem(`expected a token, got ${JSON.stringify(text.slice(at, at + 10))}`);
  return { kind: "name", text: name };
}

function slash(text: string, at: number, before: Token | undefined): Found {
  if (before?.text === ")" || before?.text === "}")
    throw new TokenProblem("a slash after a bracket needs the grammar");
  const divides =
    before !== undefined &&
    (before.text === "]" ||
      (before.kind === "name" ? !BEFORE_REGEXP.has(before.text) : before.kind !== "punctuation"));
  if (divides) return { kind: "punctuation", text: "/" };
  REGEXP.lastIndex = at;
  const regexp = REGEXP.exec(text)?.[0];
  if (regexp === undefined) throw new TokenProblem("expected the regular expression to be closed");
  return { kind: "regexp", text: regexp };
}

function templatePart(text: string, at: number, open: string[]): Found {
  if (text.startsWith("}", at)) open.pop();
  TEMPLATE_PART.lastIndex = at + 1;
  const rest = TEMPLATE_PART.exec(text)?.[0];
  if (rest === undefined)
    throw new TokenProblem("expected the template to be closed, got the end of the text");
  return {
    kind: "template",
    text: text.slice(at, at + 1) + rest,
    ...(rest.endsWith("${") ? { opens: "${" } : {}),
  };
}
