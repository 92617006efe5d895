/** Finds and reads definition files. Nothing outside the project is ever opened, wherever links point. */
import { readdir, readFile, realpath } from "node:fs/promises";
import { readFileSync, realpathSync, statSync } from "node:fs";
import { join, relative, sep } from "node:path";
import { compareText } from "../model/diagnostic.js";
import type { ReadReference } from "./load-sources.js";
import type { Reporter } from "./reporter.js";
import { MAX_FILE_BYTES } from "./yaml-source.js";

const MAX_FOLDER_DEPTH = 20;

/**
 * All `*.yaml` and `*.yml` below `tasksDir`, except among the handlers; path relative to the project -> text.
 */
export async function readDefinitionFiles(
  root: string,
  tasksDir: string,
  reporter: Reporter,
): Promise<Map<string, string>> {
  const base = await realpath(root);
  const walk: Walk = {
    base,
    handlers: `${tasksDir}/handlers`,
    found: [],
    links: [],
    reporter,
    walked: new Set(),
  };
  await visit(walk, tasksDir, 0);
  // The list grows while links are followed.
  for (const { path, depth } of walk.links) await visitLink(walk, path, depth);
  const files = new Map<string, string>();
  for (const file of walk.found.sort(compareText)) {
    const text = await readDefinition(base, file, reporter);
    if (text !== undefined) files.set(file, text);
  }
  return files;
}

interface Walk {
  readonly base: string;
  readonly handlers: string;
  readonly found: string[];
  /** Followed only after everything else, so that a folder is known by its own path. */
  readonly links: { readonly path: string; readonly depth: number }[];
  readonly reporter: Reporter;
  /** Real paths of the folders that were walked: links to them would double the files at each level. */
  readonly walked: Set<string>;
}

async function visit(walk: Walk, folder: string, depth: number): Promise<void> {
  if (depth > MAX_FOLDER_DEPTH) {
    walk.reporter.reportFile(
      "TW105",
      folder,
      `expected at most ${MAX_FOLDER_DEPTH} folders inside each other`,
    );
    return;
  }
  let entries;
  try {
    const real = await realpath(join(walk.base, folder));
    if (walk.walked.has(real)) return;
    walk.walked.add(real);
    entries = await readdir(join(walk.base, folder), { withFileTypes: true });
  } catch (error) {
    walk.reporter.reportFile(
      "TW109",
      folder,
      `the folder cannot be read: ${reasonOf(error)}`,
      depth === 0 ? 'create it, or run "weft init"' : undefined,
    );
    return;
  }
  for (const entry of entries) {
    const path = `${folder}/${entry.name}`;
    if (path === walk.handlers || entry.name === "node_modules" || entry.name.startsWith(".")) continue;
    if (entry.isDirectory()) await visit(walk, path, depth + 1);
    else if (/\.ya?ml$/u.test(entry.name)) walk.found.push(path);
    else if (entry.isSymbolicLink()) walk.links.push({ path, depth });
  }
}

/** Walks a linked folder that is inside the project; a circular link ends where it began. */
async function visitLink(walk: Walk, path: string, depth: number): Promise<void> {
  try {
    const target = await realpath(join(walk.base, path));
    if (!statSync(target).isDirectory()) return;
    if (isInside(walk.base, target)) await visit(walk, path, depth + 1);
    else
      walk.reporter.reportFile(
        "TW109",
        path,
        "the link leads out of the project",
        "put the files into the project",
      );
  } catch (error) {
    walk.reporter.reportFile("TW109", path, `the link cannot be followed: ${reasonOf(error)}`);
  }
}

async function readDefinition(base: string, file: string, reporter: Reporter): Promise<string | undefined> {
  try {
    const target = await realpath(join(base, file));
    if (!isInside(base, target)) {
      reporter.reportFile(
        "TW109",
        file,
        "the link leads out of the project",
        "put the file into the project",
      );
      return undefined;
    }
    const stat = statSync(target);
    // Reading a pipe or a device would never end.
    if (!stat.isFile()) {
      reporter.reportFile("TW109", file, "expected a plain file, got a pipe, a device or a folder");
      return undefined;
    }
    const { size } = stat;
    if (size > MAX_FILE_BYTES) {
      reporter.reportFile(
        "TW105",
        file,
        `expected a file of at most ${MAX_FILE_BYTES} bytes, got ${size}`,
        "split it into several files",
      );
      return undefined;
    }
    return decode(await readFile(target));
  } catch (error) {
    reporter.reportFile("TW109", file, `the file cannot be read: ${reasonOf(error)}`);
    return undefined;
  }
}

/** Reads schema files for `$ref`, inside the project only. */
export function createReferenceReader(root: string): ReadReference {
  const base = realpathSync(root);
  return (file) => {
    try {
      const target = realpathSync(join(base, file));
      if (!isInside(base, target))
        return {
          problem: `${file} is a link that leads out of the project`,
          hint: "copy the schema into the project",
        };
      const stat = statSync(target);
      if (!stat.isFile()) return { problem: `${file} is not a plain file` };
      if (stat.size > MAX_FILE_BYTES) return { problem: `${file} is larger than ${MAX_FILE_BYTES} bytes` };
      return { text: decode(readFileSync(target)) };
    } catch (error) {
      return { problem: `${file} cannot be read: ${reasonOf(error)}` };
    }
  };
}

function decode(bytes: Uint8Array): string {
  return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
}

/**
 * The reason of an error without its path: messages name files relative to the project, never by absolute
 * path.
 */
function reasonOf(error: unknown): string {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  const REASONS: Readonly<Record<string, string>> = {
    EACCES: "no permission",
    EISDIR: "it is a folder",
    ELOOP: "its links go in a circle",
    ENOENT: "it does not exist",
    ENOTDIR: "it is not a folder",
    ERR_ENCODING_INVALID_ENCODED_DATA: "it is not UTF-8",
  };
  return REASONS[code] ?? (code || String(error));
}

function isInside(base: string, target: string): boolean {
  const path = relative(base, target);
  return path !== ".." && !path.startsWith(`..${sep}`) && !path.startsWith(sep) && !/^[A-Za-z]:/u.test(path);
}
