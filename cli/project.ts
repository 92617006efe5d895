/** The project on disk, for commands that do not load the generator. */
import { existsSync, readFileSync, realpathSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { CliError, codeOf } from "./errors.js";
import { EXIT } from "./exit-codes.js";

/** The nearest folder upwards with definitions or generated code; else `cwd`. */
export function findProjectRoot(cwd: string): string {
  for (let folder = cwd; ; folder = dirname(folder)) {
    if (existsSync(join(folder, "tasks")) || existsSync(join(folder, "generated", "manifest.json")))
      return folder;
    if (dirname(folder) === folder) return cwd;
  }
}

/**
 * `generated/<name>.ts`, else the `.js` that the user's build produced.
 * @throws CliError if neither exists.
 */
export function generatedEntry(root: string, name: "contracts" | "index" | "worker"): string {
  for (const extension of ["ts", "js"]) {
    const file = join(root, "generated", `${name}.${extension}`);
    if (existsSync(file)) return file;
  }
  throw new CliError(
    "GeneratedMissing",
    `expected ${join(root, "generated", `${name}.ts`)}, which is not there`,
    {
      exitCode: EXIT.failed,
      fix: existsSync(join(root, "tasks"))
        ? "run: weft codegen"
        : "run weft init to make a project, or change to the project's folder",
    },
  );
}

export function packageRoot(): string {
  // This file is in cli/ in the repository, and in dist/cli/ in the package.
  for (const up of ["..", "../.."]) {
    const folder = fileURLToPath(new URL(up, import.meta.url));
    if (readJsonFile(join(folder, "package.json"))?.["name"] === "taskweft") return realpathSync(folder);
  }
  throw new Error("the package.json of taskweft is missing: install the package again");
}

/** The entry file of this program: TypeScript in the repository, JavaScript in the package. */
export function programFile(): string {
  const extension = import.meta.url.endsWith(".ts") ? "ts" : "js";
  return fileURLToPath(new URL(`./main.${extension}`, import.meta.url));
}

export function packageVersion(): string {
  return String(readJsonFile(join(packageRoot(), "package.json"))?.["version"]);
}

function readJsonFile(file: string): Record<string, unknown> | undefined {
  try {
    return JSON.parse(readFileSync(file, "utf8")) as Record<string, unknown>;
  } catch (error) {
    if (codeOf(error) === "ENOENT") return undefined;
    throw error;
  }
}

/** The text of a file, or `undefined` if it does not exist. */
export async function readTextFile(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    if (codeOf(error) === "ENOENT") return undefined;
    throw error;
  }
}
