// The projects of this repository, the shop in tasks/ and those in examples/, and `weft codegen` for each of them.
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { ROOT, run, ToolError } from "./process.mjs";

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
}

/** Fails when the generated code of any project is not what its definitions say. */
export async function checkGenerated() {
  for (const root of [ROOT, ...exampleNames().map((name) => exampleFolder(name))]) {
    const { code, output } = await run(process.execPath, [CLI, "codegen", "--check"], {
      quiet: true,
      cwd: root,
    });
    const repair = root === ROOT ? "npm run codegen" : `npm run codegen --prefix ${root}`;
    if (code !== 0) throw new ToolError(`weft codegen --check failed in ${root}:\n${output.trim()}`, repair);
  }
}
