/**
 * Generates again on every save. One watcher per folder, because on Linux `recursive: true` stops reporting a
 * file that an editor saves by renaming. Events only trigger a new look; the content decides what has
 * changed.
 *
 *   idle --event--> settling --20 ms without events--> running --> idle, or settling again if events came
 *   meanwhile
 */
import { createHash } from "node:crypto";
import {
  existsSync,
  type FSWatcher,
  readdirSync,
  readFileSync,
  realpathSync,
  statSync,
  watch as watchFolder,
} from "node:fs";
import path from "node:path";
import type { Diagnostic } from "../model/diagnostic.js";
import { createRunCache, type GenerateOptions, type GenerateResult, runOnce } from "./run.js";

/** Editors save in several steps, and `git checkout` touches many files: wait until they have finished. */
const SETTLE_MS = 20;

export interface Watcher {
  /** Stops watching. A running generation finishes first; `onRun` is not called afterwards. */
  close(): Promise<void>;
}

/** The first run starts at once. `onRun` is called after each run, including failed ones. */
export function watchProject(
  options: Omit<GenerateOptions, "check">,
  onRun: (result: GenerateResult) => void,
): Watcher {
  const root = path.resolve(options.root);
  const tasksDir = options.tasksDir ?? "tasks";
  const cache = createRunCache();
  const watchers = new Map<string, FSWatcher>();
  let seen = new Map<string, Seen>();
  let timer: NodeJS.Timeout | undefined;
  let running: Promise<void> | undefined;
  let closed = false;

  const settle = (): void => {
    if (closed) return;
    clearTimeout(timer);
    timer = setTimeout(() => {
      // Events during a run set the timer again; the next run waits for the running one.
      running = (running ?? Promise.resolve()).then(look).catch(unforeseen);
    }, SETTLE_MS);
  };
  const look = async (): Promise<void> => {
    const now = snapshot(root, tasksDir, cache.files, seen);
    const changed = !sameContent(seen, now);
    seen = now;
    if (changed && !closed) await run();
  };
  /** Reports the error, and the next save tries again: an unhandled rejection would end the process. */
  const unforeseen = (error: unknown): void => {
    if (!closed) onRun(failedRun(error));
  };
  const run = async (): Promise<void> => {
    const result = await runOnce(options, cache).catch(failedRun);
    // Our own stubs are not a change; anything else that came during the run starts the next one.
    for (const stub of result.stubs) remember(root, stub, seen);
    syncWatchers(watchers, foldersOf(root, tasksDir, cache.files), settle);
    if (!closed) onRun(result);
    if (!sameContent(seen, snapshot(root, tasksDir, cache.files, seen))) settle();
  };

  syncWatchers(watchers, foldersOf(root, tasksDir, []), settle);
  seen = snapshot(root, tasksDir, [], seen);
  running = run().catch(unforeseen);
  return {
    close: async () => {
      closed = true;
      clearTimeout(timer);
      for (const watcher of watchers.values()) watcher.close();
      await running;
    },
  };
}

interface Seen {
  /** Cheap to compare: only files with a changed stamp are read. */
  readonly stamp: string;
  readonly hash: string;
}

function snapshot(
  root: string,
  tasksDir: string,
  files: readonly string[],
  before: ReadonlyMap<string, Seen>,
): Map<string, Seen> {
  const now = new Map<string, Seen>();
  for (const file of new Set([...below(root, tasksDir).files, ...files]))
    remember(root, file, now, before.get(file));
  return now;
}

function remember(root: string, file: string, into: Map<string, Seen>, before?: Seen): void {
  const full = path.join(root, file);
  const stat = unlessGone(() => statSync(full));
  if (stat === undefined || !stat.isFile()) return;
  const stamp = `${stat.ino} ${stat.size} ${stat.mtimeMs} ${stat.ctimeMs}`;
  const hash = before?.stamp === stamp ? before.hash : contentHash(full);
  if (hash !== undefined) into.set(file, { stamp, hash });
}

/** `undefined` if the file disappeared since it was listed: editors save by renaming, and git deletes. */
function contentHash(file: string): string | undefined {
  try {
    return createHash("sha256").update(readFileSync(file)).digest("hex");
  } catch (error) {
    if (isGone(error)) return undefined;
    // Unreadable files are reported by the run.
    return String((error as NodeJS.ErrnoException).code);
  }
}

/** A link in a circle counts as gone too. */
function isGone(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === "ENOENT" || code === "ENOTDIR" || code === "ELOOP";
}

function sameContent(a: ReadonlyMap<string, Seen>, b: ReadonlyMap<string, Seen>): boolean {
  return a.size === b.size && [...a].every(([file, { hash }]) => b.get(file)?.hash === hash);
}

/**
 * The folders to watch: all below `tasks/`, those of files that definitions refer to, and the root until
 * `tasks/` exists.
 */
function foldersOf(root: string, tasksDir: string, files: readonly string[]): ReadonlySet<string> {
  const tasks = existsSync(path.join(root, tasksDir)) ? below(root, tasksDir).folders : ["."];
  const referred = files.map((file) => nearestFolder(root, path.posix.dirname(file)));
  return new Set([...tasks, ...referred].map((folder) => path.join(root, folder)));
}

/** The nearest existing parent of a missing folder, whose watcher reports the folder's creation. */
function nearestFolder(root: string, folder: string): string {
  return folder === "." || existsSync(path.join(root, folder))
    ? folder
    : nearestFolder(root, path.posix.dirname(folder));
}

interface Below {
  readonly files: string[];
  readonly folders: string[];
}

/**
 * All folders below a folder. Links are followed as the loader does: inside the project and without circles.
 */
function below(root: string, folder: string): Below {
  const base = realpathSync(root);
  const found: Below = { files: [], folders: [] };
  const walked = new Set<string>();
  const visit = (name: string): void => {
    const real = unlessGone(() => realpathSync(path.join(root, name)));
    if (real === undefined || walked.has(real) || !`${real}${path.sep}`.startsWith(`${base}${path.sep}`))
      return;
    walked.add(real);
    found.folders.push(name);
    for (const entry of entriesOf(root, name)) {
      const inside = `${name}/${entry}`;
      const stat = unlessGone(() => statSync(path.join(root, inside)));
      if (stat?.isDirectory() === true) visit(inside);
      else if (stat?.isFile() === true) found.files.push(inside);
    }
  };
  visit(folder);
  return found;
}

function entriesOf(root: string, folder: string): readonly string[] {
  const names = unlessGone(() => readdirSync(path.join(root, folder))) ?? [];
  return names.filter((name) => name !== "node_modules");
}

function syncWatchers(
  watchers: Map<string, FSWatcher>,
  folders: ReadonlySet<string>,
  onEvent: () => void,
): void {
  for (const [folder, watcher] of watchers) {
    if (folders.has(folder)) continue;
    watcher.close();
    watchers.delete(folder);
  }
  for (const folder of folders) {
    if (watchers.has(folder)) continue;
    const watcher = tryToWatch(folder, onEvent);
    if (watcher === undefined) continue;
    // The folder was removed: the next look drops its watcher and finds what is left.
    watcher.on("error", () => {
      watcher.close();
      watchers.delete(folder);
      onEvent();
    });
    watchers.set(folder, watcher);
  }
}

/** `undefined` if the folder disappeared since it was listed; the watcher of its parent reports that. */
function tryToWatch(folder: string, onEvent: () => void): FSWatcher | undefined {
  return unlessGone(() => watchFolder(folder, onEvent));
}

function unlessGone<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch (error) {
    if (isGone(error)) return undefined;
    throw error;
  }
}

/** Reports an unexpected error (a full disk, missing rights) as a diagnostic; the next save tries again. */
function failedRun(error: unknown): GenerateResult {
  const message = error instanceof Error ? error.message : String(error);
  const diagnostic: Diagnostic = {
    code: "TW390",
    severity: "error",
    message: `the run failed: ${message}`,
    file: "",
    line: 1,
    column: 1,
    frame: "",
  };
  return {
    status: "invalid",
    diagnostics: [diagnostic],
    written: [],
    deleted: [],
    stubs: [],
    unchanged: [],
    pending: [],
    tasks: 0,
    elapsedMs: 0,
  };
}
