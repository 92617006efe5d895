// The programs that tests start, as plain JavaScript: a process that has to compile TypeScript while it loads takes twice as long
// to start. They are compiled once for each state of the sources, by whichever test asks first, into a folder that is named
// after that state, so that nothing stale can run. The folder is a package `taskweft` of its own.
import { createHash } from "node:crypto";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const COMPILED = join(ROOT, ".weft", "compiled");
const FOLDERS = ["cli", "codegen", "runtime", "test"];
/** Projects that tests read, and files that are wrong on purpose. */
const NO_PROGRAMS = /^test\/(?:golden|types)\/|\.test\.ts$/;
const HOUR_MS = 3_600_000;

let compiling: Promise<string> | undefined;

/** The folder of the compiled package, for a project's `node_modules/taskweft`. */
export function compiledPackage(): Promise<string> {
  compiling ??= compilePackage();
  return compiling;
}

/** The compiled form of a TypeScript file of this repository. */
export async function compiled(url: URL): Promise<string> {
  const path = relative(ROOT, fileURLToPath(url));
  return join(await compiledPackage(), path.replace(/\.ts$/, ".js"));
}

async function compilePackage(): Promise<string> {
  const paths = FOLDERS.flatMap(filesOf).filter((path) => !NO_PROGRAMS.test(path));
  const folder = join(COMPILED, stateOf(["package.json", "package-lock.json", ...paths]));
  if (existsSync(folder)) return realpathSync(folder);
  // Made aside: another process may do the same now, and none may see a part.
  const aside = `${folder}-${process.pid}`;
  try {
    await writePackage(paths, aside);
    renameSync(aside, folder);
  } catch (error) {
    if (!existsSync(folder)) throw error;
  } finally {
    rmSync(aside, { recursive: true, force: true });
  }
  removeOld();
  return realpathSync(folder);
}

async function writePackage(paths: readonly string[], folder: string): Promise<void> {
  const isProgram = (path: string): boolean => path.endsWith(".ts") && !path.includes("/templates/");
  for (const path of paths.filter((path) => !isProgram(path))) {
    mkdirSync(join(folder, dirname(path)), { recursive: true });
    copyFileSync(join(ROOT, path), join(folder, path));
  }
  await build({
    absWorkingDir: ROOT,
    entryPoints: paths.filter(isProgram),
    outbase: ".",
    outdir: folder,
    bundle: false,
    format: "esm",
    platform: "node",
    target: "node20",
  });
  writeFileSync(join(folder, "package.json"), manifest());
}

/** That of the root, but what it exports is what stands beside it. */
function manifest(): string {
  const root = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as {
    exports: Record<string, string | { readonly "taskweft-source": string }>;
  };
  const exports = Object.entries(root.exports).map(([name, target]) => [
    name,
    typeof target === "string" ? target : target["taskweft-source"].replace(/\.ts$/, ".js"),
  ]);
  return JSON.stringify({ ...root, exports: Object.fromEntries(exports) as object });
}

function filesOf(folder: string): string[] {
  return readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(ROOT, join(entry.parentPath, entry.name)).replaceAll("\\", "/"))
    .toSorted();
}

function stateOf(paths: readonly string[]): string {
  const hash = createHash("sha256");
  for (const path of paths)
    hash
      .update(`${path}\0`)
      .update(readFileSync(join(ROOT, path)))
      .update("\0");
  return hash.digest("hex").slice(0, 16);
}

/** Of earlier states, when no test that may still use them can be running. */
function removeOld(): void {
  for (const name of readdirSync(COMPILED)) {
    const folder = join(COMPILED, name);
    const state = statSync(folder, { throwIfNoEntry: false });
    if (state !== undefined && Date.now() - state.mtimeMs > HOUR_MS)
      rmSync(folder, { recursive: true, force: true });
  }
}
