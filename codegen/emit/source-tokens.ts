/**
 * Tokens of TypeScript, enough to tell code from strings and comments. Reading 500 files with it takes milliseconds;
 * loading a full parser takes a quarter of a second. It knows its limits: what needs a grammar to be understood (a slash
 * after a closing bracket: division or regular expression?) is a `TokenProblem`, and the caller takes the full parser.
 */

export class TokenProblem extends Error {
  override readonly name = "TokenProblem";
}

export interface Token {
  readonly kind: "name" | "number" | "punctuation" | "regexp" | "string" | "template";
  readonly text: string;
  /** Offset of the first character. */
  readonly start: number;
  /** Brackets open before this token. */
  readonly depth: number;
  /** First token of its line. */
  readonly startsLine: boolean;
}

const SPACE = /[^\S\n\r\u2028\u2029]+/y;
const LINE_END = /(?:\r\n|[\n\r\u2028\u2029])+/y;
const COMMENT = /\/\/[^\n\r\u2028\u2029]*|\/\*[^]*?\*\//y;
const NAME = /[\p{ID_Start}$_][\p{ID_Continue}$\u200C\u200D]*/uy;
const NUMBER = /\d[\w.]*(?:(?<=[eE])[+-]\d+)?/y;
const STRING = /"(?:[^"\\\n\r]|\\(?:\r\n|[^]))*"|'(?:[^'\\\n\r]|\\(?:\r\n|[^]))*'/y;
/** A template up to its end or to the next hole. */
const TEMPLATE_PART = /(?:[^`\\$]|\\[^]|\$(?!\{))*(?:`|\$\{)/y;
const REGEXP = /\/(?:[^\\/[\n\r]|\\.|\[(?:[^\]\\\n\r]|\\.)*\])+\/[a-z]*/y;
const PUNCTUATION = /=>|\?\?|\?\.(?!\d)|\.\.\.|[{}()[\];,<>+\-*%&|^!~?:=.@#]/y;

/** Words after which a slash starts a regular expression; after any other name it divides. */
const BEFORE_REGEXP = new Set(
  "await case delete do else in instanceof new of return throw typeof void yield".split(" "),
);

const CLOSING: Readonly<Record<string, string>> = { ")": "(", "]": "[", "}": "{" };

/** All tokens; throws `TokenProblem` where the text is no TypeScript, or needs the grammar. */
export function tokenize(text: string): Token[] {
  const tokens: Token[] = [];
  const open: string[] = [];
  let at = text.startsWith("\uFEFF") ? 1 : 0;
  let startsLine = true;
  const match = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = at;
    return pattern.exec(text)?.[0];
  };
  const add = (kind: Token["kind"], found: string): void => {
    tokens.push({ kind, text: found, start: at, depth: open.length, startsLine });
    at += found.length;
    startsLine = false;
  };
  while (at < text.length) {
    const ignored = match(SPACE) ?? match(COMMENT);
    if (ignored !== undefined) {
      startsLine ||= ignored.startsWith("/*") && /[\n\r]/.test(ignored);
      at += ignored.length;
      continue;
    }
    const lineEnd = match(LINE_END);
    if (lineEnd !== undefined) {
      at += lineEnd.length;
      startsLine = true;
      continue;
    }
    const found = nextToken(text, at, open, tokens.at(-1), match);
    if (CLOSING[found.text] !== undefined && found.kind === "punctuation") close(open, found.text, at);
    add(found.kind, found.text);
    if (found.opens !== undefined) open.push(found.opens);
  }
  if (open.length > 0)
    throw new TokenProblem(`expected the bracket ${open.at(-1)} to be closed, got the end of the text`);
  return tokens;
}

interface Found {
  readonly kind: Token["kind"];
  readonly text: string;
  readonly opens?: string;
}

function nextToken(
  text: string,
  at: number,
  open: string[],
  before: Token | undefined,
  match: (pattern: RegExp) => string | undefined,
): Found {
  // `${` is on the stack while a hole of a template is read; its `}` continues the template.
  if (text.startsWith("`", at) || (text.startsWith("}", at) && open.at(-1) === "${")) {
    return templatePart(text, at, open);
  }
  const name = match(NAME);
  if (name !== undefined) return { kind: "name", text: name };
  const number = match(NUMBER);
  if (number !== undefined) return { kind: "number", text: number };
  const string = match(STRING);
  if (string !== undefined) return { kind: "string", text: string };
  if (text.startsWith("/", at)) return slash(before, match);
  const punctuation = match(PUNCTUATION);
  if (punctuation === undefined)
    throw new TokenProblem(`expected a token, got ${JSON.stringify(text.slice(at, at + 10))}`);
  const opens = ["(", "[", "{"].includes(punctuation) ? { opens: punctuation } : {};
  return { kind: "punctuation", text: punctuation, ...opens };
}

function slash(before: Token | undefined, match: (pattern: RegExp) => string | undefined): Found {
  if (before?.text === ")" || before?.text === "}")
    throw new TokenProblem("a slash after a bracket needs the grammar");
  const divides =
    before !== undefined &&
    (before.text === "]" ||
      (before.kind === "name" ? !BEFORE_REGEXP.has(before.text) : before.kind !== "punctuation"));
  if (divides) return { kind: "punctuation", text: "/" };
  const text = match(REGEXP);
  if (text === undefined) throw new TokenProblem("expected the regular expression to be closed");
  return { kind: "regexp", text };
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

function close(open: string[], bracket: string, at: number): void {
  const last = open.pop();
  if (last !== CLOSING[bracket])
    throw new TokenProblem(`expected ${last ?? "no bracket"} to be closed, got ${bracket} at ${at}`);
}
