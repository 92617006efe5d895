/**
 * Watches the project's source files for changes that require a worker restart. Each folder has its own
 * watcher: a recursive one would make Node walk the whole tree on Linux, node_modules included.
 */
import { watch, type FSWatcher } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { codeOf } from "../errors.js";

/** Folders of machine-written files. `generated` is covered by codegen's own result. */
const SKIPPED = new Set(["coverage", "dist", "generated", "node_modules"]);
const SOURCE = /\.([cm]?[jt]sx?|json)$/;
/**
 * Limit on watched folders: larger projects have their own tooling, and the system's limit on watches is
 * near.
 */
const MAX_FOLDERS = 2000;

export class SourceWatcher {
  readonly #watchers = new Map<string, FSWatcher>();
  readonly #onChange: (file: string) => void;
  #closed = false;

  constructor(onChange: (file: string) => void) {
    this.#onChange = onChange;
  }

  /** Watches a folder and all folders below it. */
  async add(folder: string): Promise<void> {
    if (this.#closed || this.#watchers.has(folder) || this.#watchers.size >= MAX_FOLDERS) return;
    const names = await readFolders(folder);
    if (names === undefined || this.#closed || this.#watchers.has(folder)) return;
    this.#watchers.set(folder, this.#watch(folder));
    await Promise.all(names.map((name) => this.add(join(folder, name))));
  }

  close(): void {
    this.#closed = true;
    for (const watcher of this.#watchers.values()) watcher.close();
    this.#watchers.clear();
  }

  #watch(folder: string): FSWatcher {
    const watcher = watch(folder, (_event, name) => {
      if (name === null) return;
      if (SOURCE.test(name)) this.#onChange(join(folder, name));
      else if (isSourceFolder(name)) void this.#addNew(join(folder, name));
    });
    // Some systems report a deleted folder as an error of its watcher: drop the watcher.
    watcher.on("error", () => this.#forget(folder));
    return watcher;
  }

  /** Reports the files of a new folder too: they were written before the folder was watched. */
  async #addNew(folder: string): Promise<void> {
    if (this.#watchers.has(folder)) {
      if ((await readFolders(folder)) === undefined) this.#forget(folder);
      return;
    }
    await this.add(folder);
    if (this.#watchers.has(folder)) this.#onChange(folder);
  }

  #forget(folder: string): void {
    this.#watchers.get(folder)?.close();
    this.#watchers.delete(folder);
  }
}

/** Names of the subfolders, or `undefined` if the path is not a folder. */
async function readFolders(folder: string): Promise<readonly string[] | undefined> {
  try {
    const entries = await readdir(folder, { withFileTypes: true });
    return entries
      .filter((entry) => entry.isDirectory() && isSourceFolder(entry.name))
      .map((entry) => entry.name);
  } catch (error) {
    const code = codeOf(error);
    if (code === "ENOENT" || code === "ENOTDIR" || code === "EACCES") return undefined;
    throw error;
  }
}

function isSourceFolder(name: string): boolean {
  return !name.startsWith(".") && !SKIPPED.has(name);
}
