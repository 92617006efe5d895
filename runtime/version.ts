/** The version of this package, as its package.json says. */
import { readFileSync } from "node:fs";

/** `undefined` where a bundler has taken the code out of its package. Read on first use, never at import. */
export function packageVersion(): string | undefined {
  // runtime/ in the repository, dist/runtime/ in the package.
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
    // A bundle has no package around it; a version that is not known stops nobody.
    return undefined;
  }
}
