// A project in a temporary folder.
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { onTestFinished } from "vitest";

export interface ProjectFolder {
  readonly root: string;
  write(file: string, text: string): void;
  read(file: string): string;
  remove(file: string): void;
  /** All files with their texts, relative to the root. */
  files(below?: string): Record<string, string>;
  /** Inode and time of each file: changes when a file is written, even with the same bytes. */
  stamps(): Record<string, string>;
}

export const SHOP = `version: 1
tasks:
  order:place:
    description: Take the order.
    payload: { orderId: uuid, note: string? }
    result: { accepted: boolean }
  order:ship:
    payload: { orderId: uuid }
`;

/** Deleted when the test ends. */
export function projectFolder(
  files: Readonly<Record<string, string>> = { "tasks/shop.yaml": SHOP },
): ProjectFolder {
  const root = mkdtempSync(path.join(tmpdir(), "taskweft-"));
  onTestFinished(() => rmSync(root, { recursive: true, force: true }));
  const folder: ProjectFolder = {
    root,
    write: (file, text) => {
      mkdirSync(path.dirname(path.join(root, file)), { recursive: true });
      writeFileSync(path.join(root, file), text);
    },
    read: (file) => readFileSync(path.join(root, file), "utf8"),
    remove: (file) => rmSync(path.join(root, file), { recursive: true }),
    files: (below = "") =>
      Object.fromEntries(listFiles(root, below).map((file) => [file, folder.read(file)])),
    stamps: () =>
      Object.fromEntries(
        listFiles(root, "").map((file) => {
          const { ino, mtimeNs } = statSync(path.join(root, file), { bigint: true });
          return [file, `${ino} ${mtimeNs}`];
        }),
      ),
  };
  for (const [file, text] of Object.entries(files)) folder.write(file, text);
  return folder;
}

/** The same with a copy of a folder in it. */
export function copiedProject(from: string): ProjectFolder {
  const folder = projectFolder({});
  cpSync(from, folder.root, { recursive: true });
  return folder;
}

/** The texts of all files below a folder, by path relative to the root; none when there is no such folder. */
export function filesBelow(root: string, below: string): Record<string, string> {
  return Object.fromEntries(
    listFiles(root, below).map((file) => [file, readFileSync(path.join(root, file), "utf8")]),
  );
}

function listFiles(root: string, below: string): string[] {
  if (!existsSync(path.join(root, below))) return [];
  const entries = readdirSync(path.join(root, below), { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => !entry.isDirectory())
    .map((entry) => path.relative(root, path.join(entry.parentPath, entry.name)).replaceAll(path.sep, "/"))
    .toSorted();
}
