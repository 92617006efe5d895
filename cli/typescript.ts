/** Running the project's TypeScript in this process, without a build. */
import { pathToFileURL } from "node:url";

/** From here on, `import()` takes TypeScript files, and stack traces name their lines. */
export async function enableTypeScript(): Promise<void> {
  const [esm, cjs] = await Promise.all([import("tsx/esm/api"), import("tsx/cjs/api")]);
  esm.register();
  cjs.register();
  process.setSourceMapsEnabled(true);
}

/** Imports a file of the project; TypeScript when it is named so. */
export async function importProjectFile(file: string): Promise<Record<string, unknown>> {
  if (/\.[cm]?tsx?$/.test(file)) await enableTypeScript();
  return (await import(pathToFileURL(file).href)) as Record<string, unknown>;
}
