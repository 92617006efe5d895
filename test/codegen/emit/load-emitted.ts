// Runs an emitted schemas module: compiled by TypeScript, with zod behind the door.
import { ts } from "ts-morph";
import { z } from "zod";
import { fit, type QuickCheck, type Validator } from "../../../runtime/definition/index.js";

/** As emitted: the schemas are zod's, and are not asked by way of the quick checks. */
export interface EmittedSchemas {
  readonly payloadFits?: QuickCheck;
  readonly payloadStrict: () => Validator<unknown>;
  readonly payloadLoose: () => Validator<unknown>;
  readonly result?: () => Validator<unknown>;
}

export function loadSchemas(source: string): EmittedSchemas {
  const { outputText } = ts.transpileModule(source, {
    compilerOptions: { module: ts.ModuleKind.CommonJS, target: ts.ScriptTarget.ES2022 },
  });
  const module = { exports: {} as Record<string, unknown> };
  const require = (): unknown => ({ z, fit, defineSchemas: (schemas: unknown) => schemas });
  // oxlint-disable-next-line no-implied-eval -- the emitted code is what is under test
  new Function("module", "exports", "require", outputText)(module, module.exports, require);
  const [schemas] = Object.values(module.exports);
  return schemas as EmittedSchemas;
}

/** The syntax errors of a text, in the words of TypeScript. */
export function syntaxErrors(source: string): readonly string[] {
  const { diagnostics } = ts.transpileModule(source, {
    reportDiagnostics: true,
    compilerOptions: { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022 },
  });
  return (diagnostics ?? []).map((diagnostic) =>
    ts.flattenDiagnosticMessageText(diagnostic.messageText, "\n"),
  );
}

/** The first line of each top-level statement. */
export function statementsOf(source: string): readonly string[] {
  const file = ts.createSourceFile("emitted.ts", source, ts.ScriptTarget.Latest, true);
  return file.statements.map((statement) => statement.getText(file).split("\n")[0] ?? "");
}
