/** `weft init`: creates a working project in an empty folder or next to an existing package.json. */
import type { Dirent } from "node:fs";
import { mkdir, readdir, writeFile } from "node:fs/promises";
import { basename, dirname, join, relative, resolve } from "node:path";
import type { Command } from "commander";
import { CliError, codeOf, messageOf } from "../errors.js";
import { EXIT, type ExitCode } from "../exit-codes.js";
import { isOfNpmInit, mergePackageJson, type PackageJson } from "../init/package-manifest.js";
import { GITIGNORE_LINES, TEMPLATE_FILES, type TemplateFile } from "../init/templates.js";
import { packageVersion, readTextFile } from "../project.js";
import type { Session } from "../session.js";

interface InitOptions {
  readonly force?: boolean;
}

export function configure(command: Command, session: Session): void {
  command
    .argument("[dir]", "the project's folder", ".")
    .option("--force", "overwrite existing files")
    .action(
      session.action((options: InitOptions, dir) => init(resolve(session.io.cwd, dir!), options, session)),
    );
}

async function init(folder: string, options: InitOptions, session: Session): Promise<ExitCode> {
  const existing = await readPackageJson(folder);
  await assertModule(folder, existing);
  if (options.force !== true) await assertFree(folder);

  const hadDependency = dependsOnTaskweft(existing);
  const files = [...TEMPLATE_FILES, await packageFile(folder, existing), await gitignoreFile(folder)];
  for (const file of files) {
    const target = join(folder, file.path);
    await mkdir(dirname(target), { recursive: true });
    await writeFile(target, file.text);
  }
  const written = files.map((file) => file.path).toSorted();
  const next = nextSteps(folder, hadDependency, session);
  session.result({ folder, written, next }, () =>
    [...written.map((path) => `wrote ${path}`), "", "next:", ...next.map((line) => `  ${line}`)].join("\n"),
  );
  return EXIT.ok;
}

function nextSteps(folder: string, hadDependency: boolean, session: Session): readonly string[] {
  const path = relative(session.io.cwd, folder);
  return [
    ...(path === "" ? [] : [`cd ${path}`]),
    hadDependency ? "npm install          (only for the editor: adds TypeScript)" : "npm install",
    "npm run codegen",
    "npm run dev",
  ];
}

/** Refuses before anything is written if one of the files exists with different content. */
async function assertFree(folder: string): Promise<void> {
  const clashes: string[] = [];
  for (const file of TEMPLATE_FILES) {
    const text = await readTextFile(join(folder, file.path));
    if (text !== undefined && text !== file.text) clashes.push(file.path);
  }
  if (clashes.length > 0) {
    throw new CliError("FilesExist", `these files are there already: ${clashes.join(", ")}`, {
      exitCode: EXIT.conflict,
      fix: "use an empty folder (weft init my-jobs), or add --force to write over them",
    });
  }
}

/** Refuses a project that is, or may be, CommonJS: setting `"type": "module"` would break its code. */
async function assertModule(folder: string, existing: PackageJson | undefined): Promise<void> {
  const type = existing?.["type"];
  if (type === "module") return;
  const isChosen = type !== undefined && !isOfNpmInit(existing);
  const source = isChosen ? undefined : await sourceIn(folder);
  if (!isChosen && source === undefined) return;
  const found = type === undefined ? "none" : JSON.stringify(type);
  const got = source === undefined ? found : `${found}, and ${source}, which would become something else`;
  throw new CliError("CommonJsProject", `expected "type": "module" in package.json, got ${got}`, {
    exitCode: EXIT.conflict,
    fix: "generated code is made of ES modules: npm pkg set type=module (after npm init, where there is no package.json), if your code is too, and weft init again; or use a folder of its own (weft init jobs)",
  });
}

const OWN_FILES: ReadonlySet<string> = new Set(TEMPLATE_FILES.map(({ path }) => path));

/** A source file of the user that would change its meaning under `"type": "module"`. */
async function sourceIn(folder: string, inside = ""): Promise<string | undefined> {
  for (const entry of await listFolder(join(folder, inside))) {
    const path = inside === "" ? entry.name : `${inside}/${entry.name}`;
    if (entry.isFile() && /\.[jt]sx?$/.test(entry.name) && !OWN_FILES.has(path)) return path;
    const isOthers = entry.name === "node_modules" || entry.name.startsWith(".");
    const source = entry.isDirectory() && !isOthers ? await sourceIn(folder, path) : undefined;
    if (source !== undefined) return source;
  }
  return undefined;
}

async function listFolder(folder: string): Promise<readonly Dirent[]> {
  try {
    return await readdir(folder, { withFileTypes: true });
  } catch (error) {
    // What this user may not read, such as the folder of a database, holds no sources of theirs.
    if (["ENOENT", "EACCES", "EPERM"].includes(codeOf(error) ?? "")) return [];
    throw error;
  }
}

async function readPackageJson(folder: string): Promise<PackageJson | undefined> {
  const text = await readTextFile(join(folder, "package.json"));
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text) as PackageJson;
  } catch (error) {
    throw new CliError(
      "PackageJsonInvalid",
      `${join(folder, "package.json")} is not JSON: ${messageOf(error)}`,
      {
        exitCode: EXIT.failed,
        fix: "repair the file and run weft init again; nothing was written",
        cause: error,
      },
    );
  }
}

function dependsOnTaskweft(existing: PackageJson | undefined): boolean {
  return ["dependencies", "devDependencies"].some((field) => {
    const dependencies = existing?.[field];
    return (
      typeof dependencies === "object" && dependencies !== null && Object.hasOwn(dependencies, "taskweft")
    );
  });
}

async function packageFile(folder: string, existing: PackageJson | undefined): Promise<TemplateFile> {
  const versions = {
    taskweft: `^${packageVersion()}`,
    typescript: "^5.9.0 || ^6.0.0 || ^7.0.0",
    nodeTypes: ">=20",
  };
  const merged = mergePackageJson(existing, packageName(folder), versions);
  return { path: "package.json", text: `${JSON.stringify(merged, undefined, 2)}\n` };
}

/** A valid npm package name: npm rejects capitals, spaces and a leading dot. */
function packageName(folder: string): string {
  const name = basename(folder)
    .toLowerCase()
    .replaceAll(/[^a-z0-9._-]+/g, "-")
    .replace(/^[._-]+/, "");
  return name === "" ? "jobs" : name;
}

async function gitignoreFile(folder: string): Promise<TemplateFile> {
  const text = (await readTextFile(join(folder, ".gitignore"))) ?? "";
  const lines = text.split(/\r?\n/).map((line) => line.trim().replace(/^\//, "").replace(/\/$/, ""));
  const missing = GITIGNORE_LINES.filter((line) => !lines.includes(line.replace(/\/$/, "")));
  const separator = text === "" || text.endsWith("\n") ? "" : "\n";
  return {
    path: ".gitignore",
    text: missing.length === 0 ? text : `${text}${separator}${missing.join("\n")}\n`,
  };
}
