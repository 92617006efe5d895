/**
 * Finds the handlers of a file with the full TypeScript grammar. Loading it takes a quarter of a second, so
 * it is used only for files that the tokens do not settle.
 */
import type { ts as TypeScript } from "ts-morph";

export interface FoundHandler {
  readonly task: string;
  readonly define: DefineFunction;
  /** `default`, or the exported name. */
  readonly exportName: string;
  /** Range of the task's name in the text. */
  readonly start: number;
  readonly end: number;
}

/** Functions that define a handler: for one job, or for a batch. */
const DEFINE_FUNCTIONS = ["defineHandler", "defineBatchHandler"] as const;
export type DefineFunction = (typeof DEFINE_FUNCTIONS)[number];

export function defineFunction(name: string): DefineFunction | undefined {
  return DEFINE_FUNCTIONS.find((one) => one === name);
}

type FoundCall = Omit<FoundHandler, "exportName">;
type Compiler = typeof TypeScript;

/** `undefined` if the file has syntax errors. */
export async function parseHandlers(
  file: string,
  text: string,
): Promise<readonly FoundHandler[] | undefined> {
  const { ts } = await import("ts-morph");
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true);
  // Not in the public types, but the only way to get syntax errors without building a program.
  const { parseDiagnostics } = source as unknown as { readonly parseDiagnostics?: readonly unknown[] };
  if (parseDiagnostics !== undefined && parseDiagnostics.length > 0) return undefined;
  const exported = exportedNames(ts, source);
  const found: FoundHandler[] = [];
  for (const statement of source.statements) {
    if (ts.isExportAssignment(statement)) add(handlerCall(ts, statement.expression, source), "default");
    if (!ts.isVariableStatement(statement)) continue;
    const direct = (ts.getModifiers(statement) ?? []).some(
      (modifier) => modifier.kind === ts.SyntaxKind.ExportKeyword,
    );
    for (const { initializer, name } of statement.declarationList.declarations) {
      if (!ts.isIdentifier(name) || initializer === undefined) continue;
      const exportName = direct ? name.text : exported.get(name.text);
      if (exportName !== undefined) add(handlerCall(ts, initializer, source), exportName);
    }
  }
  return found;

  function add(handler: FoundCall | undefined, exportName: string): void {
    if (handler !== undefined) found.push({ ...handler, exportName });
  }
}

/** Local name -> exported name, from `export { a as b }` and `export default a`. */
function exportedNames(ts: Compiler, source: TypeScript.SourceFile): ReadonlyMap<string, string> {
  const names = new Map<string, string>();
  for (const statement of source.statements) {
    if (ts.isExportAssignment(statement) && ts.isIdentifier(statement.expression)) {
      names.set(statement.expression.text, "default");
    }
    if (!ts.isExportDeclaration(statement) || statement.exportClause === undefined) continue;
    if (statement.moduleSpecifier !== undefined || !ts.isNamedExports(statement.exportClause)) continue;
    for (const { name, propertyName } of statement.exportClause.elements) {
      names.set((propertyName ?? name).text, name.text);
    }
  }
  return names;
}

function handlerCall(
  ts: Compiler,
  expression: TypeScript.Expression,
  source: TypeScript.SourceFile,
): FoundCall | undefined {
  if (!ts.isCallExpression(expression) || !ts.isIdentifier(expression.expression)) return undefined;
  const [name] = expression.arguments;
  const define = defineFunction(expression.expression.text);
  if (define === undefined || name === undefined) return undefined;
  if (!ts.isStringLiteralLike(name)) return undefined;
  return { task: name.text, define, start: name.getStart(source), end: name.getEnd() };
}
