/** The version of this package, as its package.json says. */
import { readFileSync } from "node:fs";

/** `undefined` if a bundler has moved the code out of its package. Read on first use, never at import. */
export function packageVersion(): string | undefined {
  // This file is in runtime/ in the repository, and in dist/runtime/ in the package.
  for (const up of ["../package.json", "../../package.json"]) {
    const found = readManifest(new URL(up, import.meta.url));
    if (found?.name === "taskweft") return found.version;
  }
  return undefined;
}

function readManifest(url: URL): { readonly name?: string; readonly version?: string } | undefined {
  try {
    return JSON.parse(readFileSync(url, "utf8")) as { name?: string; version?: string };
  } catch {
    // A bundle has no package.json, and an unknown version must not stop anything.
    return undefined;
  }
}
