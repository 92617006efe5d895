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
 * @throws CliError `ImportMissing` if generated code imports a missing file, usually a handler.
 */
export async function importProjectFile(file: string): Promise<Record<string, unknown>> {
  if (/\.[cm]?tsx?$/.test(file)) await enableTypeScript();
  try {
    return (await import(pathToFileURL(file).href)) as Record<string, unknown>;
  } catch (error) {
    throw missingImport(error, dirname(file)) ?? error;
  }
}

function missingImport(error: unknown, generated: string): CliError | undefined {
  if (codeOf(error) !== "ERR_MODULE_NOT_FOUND") return undefined;
  const found = /^Cannot find module '(.+)' imported from (.+)$/.exec(messageOf(error));
  if (found === null || dirname(found[2]!) !== generated) return undefined;
  return new CliError("ImportMissing", `${found[2]} imports ${found[1]}, which is not there`, {
    exitCode: EXIT.failed,
    fix: "bring the file back, or run: weft codegen, which writes a stub for each task that has no handler",
    cause: error,
  });
}
