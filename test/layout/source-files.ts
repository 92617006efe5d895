// Reads the repository's own sources for the tests of its layout.
import { readdir, readFile } from "node:fs/promises";
import { dirname, join, posix } from "node:path";
import { fileURLToPath } from "node:url";
import { ts } from "ts-morph";

export const ROOT = fileURLToPath(new URL("../..", import.meta.url));

const SKIPPED = new Set(["node_modules", "dist", ".weft", "results", "golden"]);

export interface SourceFile {
  /** From the root, with forward slashes. */
  readonly path: string;
  readonly text: string;
}

export interface Import {
  readonly from: string;
  /** As written. */
  readonly specifier: string;
  /** The file it names, from the root; undefined for packages and node's own modules. */
  readonly target: string | undefined;
}

export async function readSources(
  folders: readonly string[],
  endings: readonly string[],
): Promise<SourceFile[]> {
  const paths = (await Promise.all(folders.map((folder) => listFiles(folder)))).flat();
  const wanted = paths.filter((path) => endings.some((ending) => path.endsWith(ending))).toSorted();
  return Promise.all(wanted.map(async (path) => ({ path, text: await readFile(join(ROOT, path), "utf8") })));
}

async function listFiles(folder: string): Promise<string[]> {
  const entries = await readdir(join(ROOT, folder), { withFileTypes: true }).catch(
    (error: NodeJS.ErrnoException) => {
      // A folder that is not there has no file that could break a rule.
      if (error.code === "ENOENT") return [];
      throw error;
    },
  );
  const nested = entries.map((entry): Promise<string[]> => {
    const path = posix.join(folder, entry.name);
    if (entry.isFile()) return Promise.resolve([path]);
    return entry.isDirectory() && !SKIPPED.has(entry.name) ? listFiles(path) : Promise.resolve([]);
  });
  return (await Promise.all(nested)).flat();
}

/** Every import and re-export of a file, type-only and dynamic ones included; text inside strings does not count. */
export function importsOf(file: SourceFile): Import[] {
  const { importedFiles } = ts.preProcessFile(file.text, true, true);
  return importedFiles.map(({ fileName }) => ({
    from: file.path,
    specifier: fileName,
    target: fileName.startsWith(".") ? resolveRelative(file.path, fileName) : undefined,
  }));
}

function resolveRelative(from: string, specifier: string): string {
  const path = posix.normalize(posix.join(dirname(from), specifier));
  return from.endsWith(".ts") ? path.replace(/\.js$/, ".ts") : path;
}

export interface FunctionLength {
  /** `path name`; a function without a name has that of its kind. */
  readonly name: string;
  /** Without blank lines, and without those that hold only a comment. */
  readonly lines: number;
}

/** Every function of a file, the nested ones too, with the number of its lines. */
export function functionsOf(file: SourceFile): FunctionLength[] {
  const source = ts.createSourceFile(file.path, file.text, ts.ScriptTarget.Latest, true);
  const isCode = file.text.split("\n").map((line) => !/^\s*(?:$|\/\/|\/?\*)/.test(line));
  const found: FunctionLength[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isFunctionLike(node) && "body" in node && node.body !== undefined) {
      const [first, last] = [node.getStart(source), node.end].map(
        (position) => source.getLineAndCharacterOfPosition(position).line,
      );
      const name = `${file.path} ${node.name?.getText(source) ?? ts.SyntaxKind[node.kind]}`;
      found.push({ name, lines: isCode.slice(first, last! + 1).filter(Boolean).length });
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}
