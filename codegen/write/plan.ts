/** Decides what a run would change. Reads, but writes nothing. */
import { lstatSync, statSync } from "node:fs";
import path from "node:path/posix";
import { type CheckCache, checkSource, contentHash, type OutputPaths, withLineFeeds } from "../emit/index.js";
import { compareText, type Diagnostic } from "../model/diagnostic.js";
import {
  checkFolder,
  existingText,
  isGenerated,
  OutputProblem,
  type PreviousFiles,
  readPreviousFiles,
} from "./output-folder.js";

export interface PlannedWrite {
  readonly path: string;
  readonly text: string;
  /** The present content. Absent: the file is new. */
  readonly before?: string;
}

export interface Plan {
  /** Files that codegen no longer generates and that have not been edited since it wrote them. */
  readonly deletes: readonly string[];
  readonly diagnostics: readonly Diagnostic[];
  /** Created, never overwritten. */
  readonly stubs: readonly PlannedWrite[];
  readonly unchanged: readonly string[];
  readonly writes: readonly PlannedWrite[];
}

/** @throws OutputProblem if a path is taken by something that codegen did not write. */
export function planOutput(
  root: string,
  files: ReadonlyMap<string, string>,
  stubs: ReadonlyMap<string, string>,
  paths: OutputPaths,
  checked: CheckCache,
): Plan {
  for (const folder of new Set([...files.keys(), ...stubs.keys()].map((file) => path.dirname(file)))) {
    checkFolder(root, folder);
  }
  const previous = readPreviousFiles(root, paths);
  const writes: PlannedWrite[] = [];
  const unchanged: string[] = [];
  for (const [file, text] of [...files].toSorted(([a], [b]) => compareText(a, b))) {
    const existing = existingText(root, file);
    if (existing !== undefined && withLineFeeds(existing) === text) {
      unchanged.push(file);
      continue;
    }
    checkSource(file, text, checked);
    if (existing !== undefined) checkOurs(file, existing, previous);
    writes.push(existing === undefined ? { path: file, text } : { path: file, text, before: existing });
  }
  const planned = [...stubs].map(([file, text]) => ({ path: file, text }));
  for (const stub of planned) {
    checkFree(root, stub.path);
    checkSource(stub.path, stub.text);
  }
  return { ...orphans(root, files, previous), stubs: planned, unchanged, writes };
}

/** A file would have been read before; this catches a broken link, in whose place nothing can be created. */
function checkFree(root: string, file: string): void {
  const place = path.join(root, file);
  const stands = lstatSync(place, { throwIfNoEntry: false }) !== undefined;
  if (!stands || statSync(place, { throwIfNoEntry: false })?.isFile() === true) return;
  throw new OutputProblem(
    file,
    "expected a handler file or nothing, got a folder or a link that leads nowhere; remove it, or make what it leads to",
  );
}

function checkOurs(file: string, existing: string, previous: PreviousFiles): void {
  if (previous.has(file) || isGenerated(existing)) return;
  throw new OutputProblem(
    file,
    "expected a generated file or nothing, got a file that taskweft did not write; move it away",
  );
}

/** Skips files that a person has edited: they now belong to the user, wherever they are. */
function orphans(
  root: string,
  files: ReadonlyMap<string, string>,
  previous: PreviousFiles,
): { deletes: string[]; diagnostics: Diagnostic[] } {
  const deletes: string[] = [];
  const diagnostics: Diagnostic[] = [];
  for (const [file, hash] of previous) {
    if (files.has(file)) continue;
    checkFolder(root, path.dirname(file));
    const existing = existingText(root, file);
    if (existing === undefined) continue;
    if (contentHash(existing) === hash) deletes.push(file);
    else diagnostics.push(editedOrphan(file));
  }
  return { deletes: deletes.toSorted(compareText), diagnostics };
}

function editedOrphan(file: string): Diagnostic {
  return {
    code: "TW321",
    severity: "warning",
    message: "this file is no longer generated, but was edited; it was left alone",
    file,
    line: 1,
    column: 1,
    hint: "delete it, or move it out of the folder",
    frame: "",
  };
}
