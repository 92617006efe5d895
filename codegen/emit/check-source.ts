/**
 * The last check before a file is written: the text must consist of statements that our emitters print, and
 * nothing else. Each emitter already escapes its values; this check catches a bug in one of them before a
 * description or a key in YAML becomes code that runs.
 */
import { isMap, parseDocument } from "yaml";
import { checkLines } from "./check-lines.js";
import { type Token, TokenProblem, tokenize } from "./source-tokens.js";

/** The first words of the allowed statements; `*` stands for any single token. */
const HEADS: readonly (readonly string[])[] = [
  ["await", "runWorker", "(", "registry", ")", ";"],
  ["const", "*", ":", "HandlerImports", "<"],
  ["const", "*", ":", "QuickCheck", "="],
  ["const", "*", ":", "z", ".", "ZodType", "=", "z", ".", "lazy", "("],
  ["const", "*", ":", "WorkflowDefinition", "=", "{"],
  ["const", "allOf", "="],
  ["const", "canonicalJson", "="],
  ["const", "plainObject", "="],
  ["const", "schedules", "=", "[", "defineRunSchedule", "<"],
  ["const", "schedules", "=", "[", "defineSchedule", "("],
  ["export", "*", "from"],
  [
    "export",
    "class",
    "*",
    "extends",
    "DeclaredError",
    "{",
    "override",
    "readonly",
    "name",
    "=",
    "*",
    ";",
    "}",
  ],
  ["export", "const", "*", ":"],
  ["export", "const", "*", "=", "defineContract", "<"],
  ["export", "const", "*", "=", "defineSchemas", "<"],
  ["export", "const", "contracts", "=", "["],
  ["export", "default", "defineBatchHandler", "("],
  ["export", "const", "mappings", "=", "{"],
  ["export", "default", "defineHandler", "("],
  ["export", "interface", "*", "{"],
  ["export", "type", "*"],
  ["export", "{"],
  ["import", "type", "{"],
  ["import", "{"],
];

/**
 * The parts of each file that have passed, by path, so that after an edit of one task among 500 the rest is
 * not checked again.
 */
export type CheckCache = Map<string, ReadonlySet<string>>;

/** @throws if the text is not what an emitter may print. `path` is used in the message. */
export function checkSource(path: string, text: string, cache: CheckCache = new Map()): void {
  try {
    if (path.endsWith(".json")) JSON.parse(text);
    else if (path.endsWith(".yaml")) checkYaml(text);
    else if (path.endsWith(".md") || path.endsWith(".svg")) checkLines(path, text);
    else if (!hasOnlyWholeParts(path, text, cache)) checkStatements(text);
  } catch (error) {
    if (!(error instanceof TokenProblem) && !(error instanceof SyntaxError)) throw error;
    throw new Error(
      `${path} was not written: expected code that taskweft may generate, got a text that is none (${error.message}). ` +
        "This is a defect of taskweft: please report it with the definition that leads to it.",
      { cause: error },
    );
  }
}

/**
 * Cuts the text before each line that may start a statement. A cut inside a comment or a template is wrong,
 * but then one of the parts next to it is not a list of whole statements. If every part is such a list, so is
 * the whole text; otherwise only a check of the whole text can tell.
 */
function hasOnlyWholeParts(path: string, text: string, cache: CheckCache): boolean {
  const passed = cache.get(path);
  const parts = text.split(/\n(?=[a-z])/);
  if (!parts.every((part) => passed?.has(part) === true || isWhole(part))) return false;
  cache.set(path, new Set(parts));
  return true;
}

function isWhole(part: string): boolean {
  try {
    checkStatements(part);
    return true;
  } catch (error) {
    if (error instanceof TokenProblem) return false;
    throw error;
  }
}

/** YAML is data, so it only has to be readable and a single map. */
function checkYaml(text: string): void {
  const document = parseDocument(text);
  const [problem] = document.errors;
  if (problem !== undefined) throw new TokenProblem(problem.message);
  if (!isMap(document.contents)) throw new TokenProblem("expected a map");
}

function checkStatements(text: string): void {
  for (const statement of statements(tokenize(text))) checkStatement(statement);
}

function checkStatement(tokens: readonly Token[]): void {
  const known = HEADS.some((head) =>
    head.every((word, index) => word === "*" || tokens[index]?.text === word),
  );
  if (!known) throw new TokenProblem(`unexpected statement ${startOf(tokens)}`);
  const slash = tokens.find((token) => token.kind === "regexp" || token.text === "/");
  if (slash !== undefined)
    throw new TokenProblem(`unexpected ${JSON.stringify(slash.text)} in ${startOf(tokens)}`);
  // Without a semicolon, a new line could start a statement of its own that would pass as a part of this one.
  const hidden = tokens.find(
    (token, index) =>
      index > 0 && token.startsLine && token.depth === 0 && isOperand(token, tokens[index - 1]),
  );
  if (hidden !== undefined)
    throw new TokenProblem(`unexpected line ${JSON.stringify(hidden.text)} in ${startOf(tokens)}`);
}

/**
 * Tokens that cannot begin a statement. Brackets and signs are not among them: after a complete type, a new
 * line with one is a new statement.
 */
const GOES_ON: ReadonlySet<string> = new Set([
  "|",
  "&",
  ";",
  ",",
  ".",
  ":",
  "?",
  "=",
  "=>",
  ">",
  ")",
  "]",
  "}",
]);

/** A statement cannot end behind these. */
const NEEDS_OPERAND: ReadonlySet<string> = new Set(["=", "=>", "&"]);

/**
 * Whether a line may continue a statement: with a token that cannot begin one, or after an operator that
 * needs an operand.
 */
function isOperand(token: Token, before: Token | undefined): boolean {
  if (before !== undefined && NEEDS_OPERAND.has(before.text)) return false;
  return token.kind !== "punctuation" || !GOES_ON.has(token.text);
}

function startOf(tokens: readonly Token[]): string {
  return JSON.stringify(
    tokens
      .slice(0, 8)
      .map((token) => token.text)
      .join(" "),
  );
}

const BLOCK_HEADS: ReadonlySet<string> = new Set(["class", "interface"]);

/** Splits at semicolons outside brackets, and after the body of a class or interface. */
function* statements(tokens: readonly Token[]): Generator<readonly Token[]> {
  let current: Token[] = [];
  for (const token of tokens) {
    current.push(token);
    const ends = token.text === ";" || (token.text === "}" && BLOCK_HEADS.has(current[1]?.text ?? ""));
    if (token.kind !== "punctuation" || !ends || token.depth > 0) continue;
    yield current;
    current = [];
  }
  if (current.length > 0)
    throw new TokenProblem(`expected a semicolon after ${startOf(current)}, got the end of the text`);
}
