// Builds dist/: the TypeScript of codegen, runtime and cli, and the files beside it that are read at run time.
// Skips itself when nothing changed, so that every other tool can ask for it first.
import { createHash } from "node:crypto";
import { copyFile, mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { ensureInstalled, ensureNode } from "./ensure.mjs";
import { main, ROOT, runPackage, say, ToolError } from "./process.mjs";

const SOURCE_FOLDERS = ["cli", "codegen", "runtime"];
const CONFIGURATION = ["package.json", "tools/build.mjs", "tools/tsconfig.build.json", "tsconfig.json"];
const DIST = join(ROOT, "dist");
const STAMP = join(ROOT, ".weft", "build.json");

/** Brings dist/ up to date. @returns {Promise<boolean>} whether anything had to be built */
export async function build() {
  const sources = await listFiles(SOURCE_FOLDERS);
  const inputs = await digest([...sources, ...CONFIGURATION]);
  if (await isBuilt(inputs)) return false;
  // Built aside and moved in file by file: a worker that runs from dist/ never sees an empty folder.
  const aside = join(ROOT, ".weft", `build-${process.pid}`);
  try {
    await compile(aside);
    await copyAssets(sources, aside);
    const outputs = await moveInto(aside, DIST);
    await writeFile(STAMP, JSON.stringify({ inputs, outputs }));
  } finally {
    await rm(aside, { recursive: true, force: true });
  }
  return true;
}

async function compile(outDir) {
  const args = ["-p", "tools/tsconfig.build.json", "--outDir", outDir, "--noEmitOnError"];
  const { code, output } = await runPackage("typescript/bin/tsc", args, { quiet: true });
  if (code !== 0) throw new ToolError(`The build does not compile:\n${output.trim()}`, "fix the lines above");
}

/** Everything in the source folders that is not TypeScript is read at run time: Lua scripts and templates. */
async function copyAssets(sources, outDir) {
  for (const path of sources) {
    if (path.endsWith(".ts") && !path.includes("/templates/")) continue;
    const target = join(outDir, path);
    await mkdir(dirname(target), { recursive: true });
    await copyFile(join(ROOT, path), target);
  }
}

async function moveInto(from, to) {
  const built = await listTree(from);
  await Promise.all(
    [...new Set(built.map(dirname))].map((folder) => mkdir(join(to, folder), { recursive: true })),
  );
  for (const path of built) await rename(join(from, path), join(to, path));
  const wanted = new Set(built);
  for (const path of await listTree(to)) if (!wanted.has(path)) await rm(join(to, path), { force: true });
  return built;
}

async function isBuilt(inputs) {
  try {
    const stamp = JSON.parse(await readFile(STAMP, "utf8"));
    if (stamp.inputs !== inputs) return false;
    const present = new Set(await listTree(DIST));
    return stamp.outputs.every((path) => present.has(path));
  } catch (error) {
    if (error.code === "ENOENT") return false;
    throw error;
  }
}

async function digest(paths) {
  const hash = createHash("sha256");
  for (const path of paths)
    hash
      .update(path)
      .update("\0")
      .update(await readFile(join(ROOT, path)))
      .update("\0");
  return hash.digest("hex");
}

async function listFiles(folders) {
  const lists = await Promise.all(
    folders.map(async (folder) => (await listTree(join(ROOT, folder))).map((path) => `${folder}/${path}`)),
  );
  return lists.flat();
}

async function listTree(folder) {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) =>
      join(entry.parentPath, entry.name)
        .slice(folder.length + 1)
        .replaceAll("\\", "/"),
    )
    .toSorted();
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  await main(async () => {
    ensureNode();
    await ensureInstalled();
    const startedAt = Date.now();
    say((await build()) ? `Built dist/ in ${Date.now() - startedAt} ms.` : "dist/ is up to date.");
  });
}
