/** Runs the project's TypeScript in this process, without a build. */
import { dirname } from "node:path";
import { pathToFileURL } from "node:url";
import { CliError, codeOf, messageOf } from "./errors.js";
import { EXIT } from "./exit-codes.js";

/** From this call on, `import()` accepts TypeScript files, and stack traces refer to their lines. */
export async function enableTypeScript(): Promise<void> {
  const [esm, cjs] = await Promise.all([import("tsx/esm/api"), import("tsx/cjs/api")]);
  esm.register();
  cjs.register();
  process.setSourceMapsEnabled(true);
}

/**
 * Imports a file of the project, including TypeScript files.
 * @throws CliError `ImportMissing` if a file or package that is imported is missing, `SourceInvalid` if a
 *   file is no TypeScript: mistakes of the project, in whose stacks are only loaders.
 */
export async function importProjectFile(file: string): Promise<Record<string, unknown>> {
  if (/\.[cm]?tsx?$/.test(file)) await enableTypeScript();
  try {
    return (await import(pathToFileURL(file).href)) as Record<string, unknown>;
  } catch (error) {
    throw missingImport(error, dirname(file)) ?? brokenSource(error) ?? error;
  }
}

function missingImport(error: unknown, generated: string): CliError | undefined {
  if (codeOf(error) !== "ERR_MODULE_NOT_FOUND") return undefined;
  const found = /^Cannot find (module|package) '(.+)' imported from (.+)$/.exec(messageOf(error));
  if (found === null) return undefined;
  const [, kind, name, importer = ""] = found;
  const ofFile =
    dirname(importer) === generated
      ? "bring the file back, or run: weft codegen, which writes a stub for each task that has no handler"
      : "bring the file back, or correct the import";
  return new CliError("ImportMissing", `${importer} imports ${name}, which is not there`, {
    exitCode: EXIT.failed,
    fix: kind === "package" ? `correct the import, or run: npm install ${name}` : ofFile,
    cause: error,
  });
}

function brokenSource(error: unknown): CliError | undefined {
  if (!(error instanceof Error) || error.name !== "TransformError") return undefined;
  const mistakes = error.message.replace(/^Transform failed with \d+ errors?:\n/, "");
  return new CliError("SourceInvalid", mistakes, {
    exitCode: EXIT.failed,
    fix: "correct the file",
    cause: error,
  });
}
