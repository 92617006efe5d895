/**
 * Checks what exists at an output path and whether it may be overwritten: only inside the project, and only
 * files that codegen has written.
 */
import { lstatSync, readFileSync, realpathSync, statSync } from "node:fs";
import path from "node:path";
import { GENERATED_MARK, MANIFEST_FORMAT, type OutputPaths } from "../emit/index.js";

/** A reason not to write, in words for the user. */
export class OutputProblem extends Error {
  override readonly name = "OutputProblem";
  /** The affected path, relative to the project. */
  readonly file: string;

  constructor(file: string, message: string) {
    super(message);
    this.file = file;
  }
}

/** @throws unless the folder is below the root and no link on the way leads outside. */
export function checkFolder(root: string, folder: string): void {
  const parts = folder.split("/");
  if (path.isAbsolute(folder) || parts.some((part) => part === "" || part === "." || part === "..")) {
    throw new OutputProblem(folder, "expected a folder inside the project, written without `..`");
  }
  const realRoot = realpathSync(root);
  let current = root;
  for (const part of parts) {
    current = path.join(current, part);
    if (lstatSync(current, { throwIfNoEntry: false }) === undefined) return;
    if (!isFolder(current)) {
      const file = path.relative(root, current).replaceAll(path.sep, "/");
      throw new OutputProblem(file, "expected a folder or nothing, got something else; move it away");
    }
    const real = realpathSync(current);
    if (real !== realRoot && !real.startsWith(realRoot + path.sep)) {
      throw new OutputProblem(
        folder,
        "expected a folder inside the project, got a link that leads out of it",
      );
    }
  }
}

/** Follows links; a broken link is not a folder. */
function isFolder(place: string): boolean {
  return statSync(place, { throwIfNoEntry: false })?.isDirectory() ?? false;
}

/**
 * The text of a file, or `undefined` if there is none.
 * @throws for links and folders in its place.
 */
export function existingText(root: string, file: string): string | undefined {
  const stat = lstatSync(path.join(root, file), { throwIfNoEntry: false });
  if (stat === undefined) return undefined;
  if (!stat.isFile())
    throw new OutputProblem(file, "expected a plain file or nothing, got a link or a folder");
  return readFileSync(path.join(root, file), "utf8");
}

/** Whether codegen wrote the text. Only the top is searched, because a user's file may quote the mark. */
export function isGenerated(text: string): boolean {
  return text.slice(0, 400).includes(GENERATED_MARK);
}

/** Files of the last run and their hashes, by path relative to the project. */
export type PreviousFiles = ReadonlyMap<string, string>;

export function readPreviousFiles(root: string, paths: OutputPaths): PreviousFiles {
  const text = existingText(root, paths.manifest);
  if (text === undefined) return new Map();
  if (!isGenerated(text)) {
    throw new OutputProblem(
      paths.manifest,
      `expected the manifest of an earlier run, got a file that taskweft did not write; move it, or generate elsewhere`,
    );
  }
  const manifest = parseManifest(text);
  if (manifest === undefined) return new Map();
  if (typeof manifest.format !== "number" || manifest.format > MANIFEST_FORMAT) {
    throw new OutputProblem(
      paths.manifest,
      `expected manifest format ${MANIFEST_FORMAT}, got ${String(manifest.format)}: a newer taskweft wrote this folder; update yours`,
    );
  }
  const entries = Object.entries(manifest.files ?? {}).filter(
    ([file, hash]) => isSafe(file) && typeof hash === "string",
  );
  return new Map(entries.map(([file, hash]) => [`${paths.outDir}/${file}`, String(hash)]));
}

interface Manifest {
  readonly format?: unknown;
  readonly files?: Readonly<Record<string, unknown>>;
}

/** A manifest with merge conflicts is unreadable; then no orphans are known and none is deleted. */
function parseManifest(text: string): Manifest | undefined {
  try {
    return JSON.parse(text) as Manifest;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** An edited manifest must not name files outside the folder. */
function isSafe(file: string): boolean {
  return (
    !file.includes("\\") && file.split("/").every((part) => part !== "" && part !== "." && part !== "..")
  );
}
