/**
 * Reads weft.config.yaml into values with their line numbers. All problems of the file are reported at once,
 * each with its position.
 */
import { existsSync, readFileSync, statSync } from "node:fs";
import { relative, resolve } from "node:path";
import type { Document } from "yaml";
import type { z } from "zod";
import { didYouMean } from "../definition/index.js";
import { TaskweftError } from "../errors.js";
import { CONFIG_FIELDS, CONFIG_PATHS, configFile, type ConfigField, type ConfigPath } from "./fields.js";

export const CONFIG_FILE = "weft.config.yaml";
const MAX_BYTES = 256 * 1024;

export interface FileValues {
  /** The file name as messages show it. */
  readonly name: string;
  readonly values: ReadonlyMap<ConfigPath, { readonly value: unknown; readonly line: number }>;
}

interface Position {
  readonly line: number;
  readonly column: number;
}
interface Problem extends Position {
  readonly text: string;
}
type PositionOf = (path: readonly PropertyKey[], key?: string) => Position;

/**
 * The file of a deployment: the one that TASKWEFT_CONFIG names, else weft.config.yaml in `folder` if it
 * exists.
 * @throws TaskweftError `OptionInvalid` with every problem.
 */
export async function readConfigFile(
  folder: string,
  named: string | undefined,
): Promise<FileValues | undefined> {
  const file = resolve(folder, named ?? CONFIG_FILE);
  if (!existsSync(file)) {
    if (named === undefined) return undefined;
    throw new TaskweftError("OptionInvalid", `TASKWEFT_CONFIG: expected a file at ${named}, found none`);
  }
  if (statSync(file).isDirectory())
    throw new TaskweftError(
      "OptionInvalid",
      `expected a file at ${named ?? CONFIG_FILE}, got a folder; name the file in it, as in ${CONFIG_FILE}`,
      {
        operation: "configure",
      },
    );
  const text = readFileSync(file, "utf8");
  return await parseConfig(relative(folder, file) || CONFIG_FILE, text);
}

export async function parseConfig(name: string, text: string): Promise<FileValues> {
  if (text.length > MAX_BYTES) throw invalid([`${name}: expected at most ${MAX_BYTES} characters`]);
  // Imported here, so that a worker without a configuration file does not load the library.
  const { isMap, isNode, isScalar, LineCounter, parseDocument } = await import("yaml");
  const lines = new LineCounter();
  const document = parseDocument(text, {
    customTags: [],
    lineCounter: lines,
    merge: false,
    prettyErrors: false,
    schema: "core",
    version: "1.2",
  });
  const at = (offset: number) => ({ line: lines.linePos(offset).line, column: lines.linePos(offset).col });
  const [mistake] = [...document.errors, ...document.warnings];
  if (mistake !== undefined) {
    const { line, column } = at(mistake.pos[0]);
    throw invalid([`${name}:${line}:${column} ${mistake.message}`]);
  }
  const positionOf: PositionOf = (path, key) => {
    const node: unknown = path.length === 0 ? document.contents : document.getIn(path, true);
    const pair = isMap(node)
      ? node.items.find((one) => isScalar(one.key) && one.key.value === key)
      : undefined;
    const marked: unknown = pair?.key ?? node;
    const range = isNode(marked) ? marked.range : undefined;
    return at(range?.[0] ?? 0);
  };
  const content: unknown = contentOf(document, name);
  const result = configFile.safeParse(content);
  if (!result.success) {
    const problems = result.error.issues.flatMap((issue) => problemsOf(content, issue, positionOf));
    const sorted = problems.toSorted((a, b) => a.line - b.line || a.column - b.column);
    throw invalid(sorted.map(({ line, column, text }) => `${name}:${line}:${column} ${text}`));
  }
  return { name, values: valuesOf(result.data, positionOf) };
}

/** An empty file sets nothing. The library refuses aliases that would expand without end. */
function contentOf(document: Document.Parsed, name: string): unknown {
  try {
    return document.toJS({ maxAliasCount: 20 }) ?? {};
  } catch (error) {
    throw invalid([`${name}:1:1 ${error instanceof Error ? error.message : String(error)}`]);
  }
}

function problemsOf(content: unknown, issue: z.core.$ZodIssue, positionOf: PositionOf): Problem[] {
  const path = issue.path.map(String);
  if (issue.code === "unrecognized_keys") {
    return issue.keys.map((key) => {
      const known = keysIn(path);
      const hint = didYouMean(key, known) ?? `known keys: ${known.join(", ")}`;
      const where = path.length === 0 ? "" : ` in ${path.join(".")}`;
      return { ...positionOf(path, key), text: `unknown key "${key}"${where}; ${hint}` };
    });
  }
  // An issue of a list has the path of one item; the expected value is described by the field of the whole
  // list.
  const field = CONFIG_PATHS.find((one) => path.join(".") === one || path.join(".").startsWith(`${one}.`));
  const position = positionOf(field === undefined ? path : field.split("."));
  const value = path.reduce<unknown>((node, key) => (node as Record<string, unknown> | null)?.[key], content);
  const where = path.length === 0 ? "" : `${field ?? path.join(".")}: `;
  return [{ ...position, text: `${where}${expectedText(field, value)}` }];
}

function keysIn(path: readonly string[]): readonly string[] {
  const start = path.length === 0 ? "" : `${path.join(".")}.`;
  const inside = CONFIG_PATHS.filter((one) => one.startsWith(start)).map((one) => one.slice(start.length));
  return [...new Set(inside.map((one) => one.split(".")[0]!))].toSorted();
}

/** The expected and the actual value. A value that may contain a password is not repeated. */
export function expectedText(path: ConfigPath | undefined, value: unknown): string {
  const field = path === undefined ? undefined : (CONFIG_FIELDS[path] as ConfigField);
  const expected = `expected ${field?.expected ?? "a map"}`;
  if (field?.secret === true) return expected;
  const word =
    typeof value === "string" && field !== undefined
      ? didYouMean(value, field.expected.split(", "))
      : undefined;
  return `${expected}, got ${gotText(field, value)}${word === undefined ? "" : `; ${word}`}`;
}

/**
 * A value in the place of a map is not shown, because it may be the secret that belongs into the map: an
 * address with its password.
 */
function gotText(field: ConfigField | undefined, value: unknown): string {
  if (value === null || value === undefined) return "nothing";
  if (field !== undefined) return JSON.stringify(value).slice(0, 80);
  if (Array.isArray(value)) return "a list";
  return typeof value === "string" ? "a text" : `a ${typeof value}`;
}

function valuesOf(content: Readonly<Record<string, unknown>>, positionOf: PositionOf): FileValues["values"] {
  return new Map(
    CONFIG_PATHS.flatMap((path) => {
      const parts = path.split(".");
      const value = parts.reduce<unknown>(
        (node, key) => (node as Record<string, unknown> | undefined)?.[key],
        content,
      );
      return value === undefined ? [] : [[path, { value, line: positionOf(parts).line }] as const];
    }),
  );
}

function invalid(problems: readonly string[]): TaskweftError {
  return new TaskweftError("OptionInvalid", problems.join("\n"), { operation: "configure" });
}
