/**
 * Turns one YAML (or JSON) file into a SourceNode tree. Strict on purpose: no tags, no merge keys, no second
 * document, few aliases, limited size and depth. Definition files come from pull requests, so nothing in them
 * may cost more than reading it.
 */
import {
  type Document,
  isAlias,
  isMap,
  isPair,
  isScalar,
  isSeq,
  Lexer,
  type Node,
  parseDocument,
  type Scalar,
} from "yaml";
import type { DiagnosticCode } from "../model/diagnostic.js";
import { REFUSED_CHARACTERS } from "../../runtime/definition/index.js";
import { quote } from "../model/quote.js";
import type { Reporter } from "./reporter.js";
import {
  createSourceText,
  type Origin,
  type ScalarValue,
  type SourceEntry,
  type SourceNode,
  type SourceText,
} from "./source.js";
import { explainYamlError } from "./yaml-errors.js";

export const MAX_FILE_BYTES = 1024 * 1024;
export const MAX_DEPTH = 40;
const MAX_ALIASES = 50;
/** Most values of one file after its aliases are expanded; a regular file of 1 MiB has fewer. */
const MAX_NODES = 200_000;

/** The tree of a file, or `undefined` after reporting an error that leaves nothing to check. */
export function parseSource(file: string, raw: string, reporter: Reporter): SourceNode | undefined {
  // Tabs are valid indentation in JSON but not in YAML; one space for each keeps every column.
  const text = file.endsWith(".json") ? raw.replaceAll("\t", " ") : raw;
  const source = createSourceText(file, text);
  if (!checkText(source, reporter)) return undefined;
  const document = parseDocument(text, {
    customTags: [],
    merge: false,
    prettyErrors: false,
    resolveKnownTags: false,
    schema: "core",
    strict: true,
    // convertEntries detects duplicates, because the library compares every key with every other.
    uniqueKeys: false,
    version: "1.2",
  });
  const errors = [...document.errors, ...document.warnings];
  if (errors.length > 0) {
    // The parser continues after its first error, and later errors only report its own confusion.
    const first = errors.reduce((a, b) => (b.pos[0] < a.pos[0] ? b : a));
    reporter.report(explainYamlError(source, first));
    return undefined;
  }
  return convertDocument(source, document, reporter);
}

/**
 * Checks that must precede the parser: it recurses per level, and 1 MiB of brackets would overflow the stack.
 */
function checkText(source: SourceText, reporter: Reporter): boolean {
  const start = { source, start: 0, end: 0 };
  const bytes = Buffer.byteLength(source.text);
  if (bytes > MAX_FILE_BYTES) {
    const message = `expected a file of at most ${MAX_FILE_BYTES} bytes, got ${bytes}`;
    reporter.report({ code: "TW105", at: start, message, hint: "split it into several files" });
    return false;
  }
  let clean = true;
  for (const match of source.text.matchAll(REFUSED_CHARACTERS)) {
    const at = { source, start: match.index, end: match.index + 1 };
    reporter.report({
      code: "TW110",
      at,
      message: `${codePoint(match[0])} hides what a reader sees`,
      hint: "delete it",
    });
    clean = false;
  }
  const tooDeep = findTooDeep(source.text);
  if (tooDeep !== undefined) {
    const at = { source, start: tooDeep, end: tooDeep + 1 };
    reporter.report({ code: "TW105", at, message: `expected at most ${MAX_DEPTH} levels of nesting` });
    return false;
  }
  return clean;
}

/**
 * Offset at which the nesting exceeds the limit. The exact check runs only if a quick one, which also counts
 * brackets inside text, raises an alarm.
 */
function findTooDeep(text: string): number | undefined {
  const run = /(?:[-?:][ \t]+){41}/u.exec(text);
  if (run !== null) return run.index;
  let depth = 0;
  let alarmed = false;
  for (let index = 0; index < text.length && !alarmed; index++) {
    const code = text.charCodeAt(index);
    if (code === 0x5b || code === 0x7b) alarmed = ++depth > MAX_DEPTH;
    else if ((code === 0x5d || code === 0x7d) && depth > 0) depth--;
  }
  return alarmed ? findTooDeepExactly(text) : undefined;
}

function findTooDeepExactly(text: string): number | undefined {
  let depth = 0;
  let offset = 0;
  for (const token of new Lexer().lex(text)) {
    if (token === "[" || token === "{") depth++;
    else if (token === "]" || token === "}") depth--;
    if (depth > MAX_DEPTH) return offset;
    // The lexer marks documents and scalars with tokens that are not part of the text.
    if (token !== "\u0002" && token !== "\u001f" && token !== "\u0018") offset += token.length;
  }
  return undefined;
}

function codePoint(character: string): string {
  return `U+${character.codePointAt(0)?.toString(16).toUpperCase().padStart(4, "0")}`;
}

interface Conversion {
  readonly source: SourceText;
  readonly document: Document.Parsed;
  readonly reporter: Reporter;
  /** Alias targets that are being expanded: meeting one again is a cycle. */
  readonly expanding: Set<Node>;
  aliases: number;
  nodes: number;
}

/**
 * Thrown after a report if continuing would take unbounded time or only report consequences; caught in
 * convertDocument.
 */
class Unreadable extends Error {}

function convertDocument(
  source: SourceText,
  document: Document.Parsed,
  reporter: Reporter,
): SourceNode | undefined {
  const conversion: Conversion = { source, document, reporter, expanding: new Set(), aliases: 0, nodes: 0 };
  const start = { source, start: 0, end: 0 };
  try {
    return convert(conversion, document.contents, start, 0);
  } catch (error) {
    if (error instanceof Unreadable) return undefined;
    throw error;
  }
}

function convert(conversion: Conversion, node: unknown, fallback: Origin, depth: number): SourceNode {
  const origin = originOf(conversion.source, node) ?? fallback;
  conversion.nodes++;
  if (conversion.nodes > MAX_NODES) return giveUp(conversion, origin, `expected at most ${MAX_NODES} values`);
  if (depth > MAX_DEPTH) return giveUp(conversion, origin, `expected at most ${MAX_DEPTH} levels of nesting`);
  if (isAlias(node))
    return convertAlias(conversion, node.resolve(conversion.document), node.source, origin, depth);
  if (isMap(node))
    return { kind: "map", entries: convertEntries(conversion, node.items, origin, depth), origin };
  if (isSeq(node)) {
    return {
      kind: "list",
      items: node.items.map((item) => convert(conversion, item, origin, depth + 1)),
      origin,
    };
  }
  return { kind: "scalar", value: isScalar(node) ? scalarValue(conversion, node, origin) : null, origin };
}

function giveUp(
  conversion: Conversion,
  at: Origin,
  message: string,
  hint?: string,
  code: DiagnosticCode = "TW105",
): never {
  conversion.reporter.report({ code, at, message, hint });
  throw new Unreadable(message);
}

function convertAlias(
  conversion: Conversion,
  target: Node | undefined,
  name: string,
  origin: Origin,
  depth: number,
): SourceNode {
  conversion.aliases++;
  if (conversion.aliases > MAX_ALIASES) {
    giveUp(
      conversion,
      origin,
      `expected at most ${MAX_ALIASES} aliases`,
      "name shared things in schemas: or retryPolicies:",
    );
  }
  if (target === undefined) {
    const message = `no anchor &${name} stands before the alias *${name}`;
    return giveUp(conversion, origin, message, `if it is meant as text, quote it: "*${name}"`, "TW101");
  }
  if (conversion.expanding.has(target)) giveUp(conversion, origin, `the alias *${name} contains itself`);
  conversion.expanding.add(target);
  const converted = convert(conversion, target, origin, depth);
  conversion.expanding.delete(target);
  return converted;
}

function convertEntries(
  conversion: Conversion,
  items: readonly unknown[],
  origin: Origin,
  depth: number,
): SourceEntry[] {
  const entries = new Map<string, SourceEntry>();
  for (const item of items) {
    if (!isPair(item)) continue;
    const keyOrigin = originOf(conversion.source, item.key) ?? origin;
    const key = keyText(conversion, item.key, keyOrigin);
    const value = convert(conversion, item.value, keyOrigin, depth + 1);
    if (key === undefined) continue;
    if (entries.has(key)) {
      const message = "this key stands twice in one map";
      const hint = "delete or rename one of them";
      conversion.reporter.report({ code: "TW106", at: keyOrigin, message, hint });
    } else entries.set(key, { key, keyOrigin, value });
  }
  return [...entries.values()];
}

/** The key if it is a valid text; otherwise it was reported. */
function keyText(conversion: Conversion, key: unknown, at: Origin): string | undefined {
  const report = (message: string, hint?: string): undefined => {
    conversion.reporter.report({ code: "TW101", at, message, hint });
    return undefined;
  };
  if (!isScalar(key))
    return report("expected a word as key, got a map, a list or an alias", "write the key as plain text");
  if (typeof key.value !== "string") {
    return report(`expected text as key, got ${String(key.value)}`, `quote it: "${String(key.value)}"`);
  }
  if (key.value === "<<")
    return report(
      'merge keys ("<<") are not supported',
      "repeat the keys, or name a retry policy and write { use: ... }",
    );
  if (key.value === "__proto__")
    return report(
      'the key "__proto__" is not allowed',
      "JavaScript gives it a meaning of its own; use another name",
    );
  checkDecoded(conversion, key.value, at);
  return key.value;
}

function scalarValue(conversion: Conversion, node: Scalar, at: Origin): ScalarValue {
  const value = node.value;
  if (typeof value === "number") {
    const problem = numberProblem(value);
    if (problem !== undefined) conversion.reporter.report({ code: "TW104", at, message: problem });
    return value;
  }
  if (typeof value === "string") checkDecoded(conversion, value, at);
  return typeof value === "string" || typeof value === "boolean" ? value : null;
}

/** The text check saw the raw file; `"\u202e"` in double quotes becomes a control character only here. */
function checkDecoded(conversion: Conversion, value: string, at: Origin): void {
  if (/\p{Surrogate}/u.test(value)) {
    const message = `${quote(value)} holds half of a character, which no file can hold`;
    conversion.reporter.report({ code: "TW101", at, message, hint: "write the whole character" });
  }
  const found = value.match(REFUSED_CHARACTERS);
  if (found === null) return;
  const message = `${quote(value)} holds ${codePoint(found[0])}, which hides what a reader sees`;
  conversion.reporter.report({ code: "TW110", at, message, hint: "delete it" });
}

function numberProblem(value: number): string | undefined {
  if (!Number.isFinite(value)) return `expected a finite number, got ${value}`;
  if (Number.isInteger(value) && !Number.isSafeInteger(value)) {
    return `expected a number that JavaScript holds exactly (up to 9007199254740991), got ${value}`;
  }
  return undefined;
}

function originOf(source: SourceText, node: unknown): Origin | undefined {
  const range = isMap(node) || isSeq(node) || isScalar(node) || isAlias(node) ? node.range : undefined;
  return range === undefined || range === null ? undefined : { source, start: range[0], end: range[1] };
}
