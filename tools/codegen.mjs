// `npm run codegen`: `weft codegen` for all projects of this repository, the shop in tasks/ and those in examples/.
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { build } from "./build.mjs";
import { ensureInstalled, ensureNode } from "./ensure.mjs";
import { main, ROOT, run, say, ToolError } from "./process.mjs";

const CLI = join(ROOT, "dist/cli/main.js");

/** Names of the folders in examples/ that are projects. */
export function exampleNames() {
  return readdirSync(join(ROOT, "examples"))
    .filter((name) => existsSync(exampleFolder(name, "package.json")))
    .toSorted();
}

export function exampleFolder(name, ...below) {
  return join(ROOT, "examples", name, ...below);
}

/** @param {string} root the project's folder */
export async function generate(root) {
  const { code, output } = await run(process.execPath, [CLI, "codegen"], { quiet: true, cwd: root });
  if (code !== 0) throw new ToolError(`weft codegen failed:\n${output.trim()}`, `fix ${root} as it says`);
  return output;
}

/** Fails when the generated code of any project is not what its definitions say. */
export async function checkGenerated() {
  for (const root of projects()) {
    const { code, output } = await run(process.execPath, [CLI, "codegen", "--check"], {
      quiet: true,
      cwd: root,
    });
    if (code === 0) continue;
    throw new ToolError(`weft codegen --check failed in ${root}:\n${output.trim()}`, "npm run codegen");
  }
}

function projects() {
  return [ROOT, ...exampleNames().map((name) => exampleFolder(name))];
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  await main(async () => {
    ensureNode();
    await ensureInstalled();
    await build();
    for (const root of projects()) say(`${root}: ${(await generate(root)).trim()}`);
  });
}
