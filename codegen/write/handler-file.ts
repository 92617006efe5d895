/**
 * Finds the tasks for which a user's file has handlers: `export default defineHandler("name", ...)` or
 * `export const x = defineHandler(...)`.
 */
import { tokenize, type Token, TokenProblem } from "../emit/index.js";
import { defineFunction, type FoundHandler, parseHandlers } from "./handler-syntax.js";

export type { DefineFunction, FoundHandler } from "./handler-syntax.js";

export type HandlerFile =
  | { readonly kind: "read"; readonly handlers: readonly FoundHandler[] }
  /** Left alone: its handlers are uncertain, so no stub may be created for a task that it names. */
  | { readonly kind: "conflict" | "syntax-error"; readonly handlers: readonly FoundHandler[] };

const MENTION = /\bdefine(?:Batch)?Handler\b/;
const CONFLICT = /^(?:<{7} |={7}$|>{7} )/m;
/** For files with syntax errors: good enough to keep the registry pointing at them. */
const ROUGH =
  /export\s+(?:(default)|const\s+([A-Za-z_$][\w$]*)\s*=)\s*(define(?:Batch)?Handler)\s*\(\s*(["'`])([^"'`\n]*)\4/g;

export async function readHandlerFile(file: string, text: string): Promise<HandlerFile> {
  if (!MENTION.test(text)) return { kind: "read", handlers: [] };
  if (CONFLICT.test(text)) return { kind: "conflict", handlers: roughHandlers(text) };
  const handlers = handlersFromTokens(text) ?? (await parseHandlers(file, text));
  return handlers === undefined
    ? { kind: "syntax-error", handlers: roughHandlers(text) }
    : { kind: "read", handlers };
}

/** `undefined` if a call has neither of the two plain forms, or if the text requires the grammar. */
function handlersFromTokens(text: string): readonly FoundHandler[] | undefined {
  const tokens = tokensOf(text);
  if (tokens === undefined) return undefined;
  const found: FoundHandler[] = [];
  for (const [index, token] of tokens.entries()) {
    const next = tokens[index + 1]?.text;
    if (defineFunction(token.text) === undefined || token.kind !== "name" || (next !== "(" && next !== "<"))
      continue;
    const handler = plainHandler(tokens, index);
    if (handler === undefined) return undefined;
    found.push(handler);
  }
  return found;
}

function tokensOf(text: string): readonly Token[] | undefined {
  try {
    return tokenize(text);
  } catch (error) {
    if (error instanceof TokenProblem) return undefined;
    throw error;
  }
}

function plainHandler(tokens: readonly Token[], index: number): FoundHandler | undefined {
  const name = tokens[index + 2];
  const plain = name?.kind === "string" && !name.text.includes("\\") && tokens[index]?.depth === 0;
  const exportName = exportNameBefore(tokens, index);
  const define = defineFunction(tokens[index]?.text ?? "");
  if (!plain || name === undefined || exportName === undefined || define === undefined) return undefined;
  const end = name.start + name.text.length;
  return { task: name.text.slice(1, -1), define, exportName, start: name.start, end };
}

function exportNameBefore(tokens: readonly Token[], index: number): string | undefined {
  const before = (distance: number): string | undefined => tokens[index - distance]?.text;
  if (before(1) === "default" && before(2) === "export") return "default";
  const isConstant = before(1) === "=" && before(3) === "const" && before(4) === "export";
  return isConstant ? before(2) : undefined;
}

function roughHandlers(text: string): readonly FoundHandler[] {
  return [...text.matchAll(ROUGH)].map((match) => {
    const task = match[5] ?? "";
    const define = defineFunction(match[3] ?? "") ?? "defineHandler";
    const end = match.index + match[0].length;
    return { task, define, exportName: match[1] ?? match[2] ?? "default", start: end - task.length - 2, end };
  });
}
