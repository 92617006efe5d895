// The Lua scripts and their libraries as files.
import { readSources, type SourceFile } from "../layout/source-files.js";

const files = await readSources(["runtime/scripts"], [".lua"]);

export const libraries = files.filter((file) => file.path.includes("/lib/"));
/** The scripts themselves, without what they include. */
export const bodies = files.filter((file) => !file.path.includes("/lib/"));

export function nameOf(file: SourceFile): string {
  return file.path.slice(file.path.lastIndexOf("/") + 1, -".lua".length);
}

/** The libraries that a script includes, in the order in which their texts stand in it. */
export function includesOf(file: SourceFile): SourceFile[] {
  const names = [...file.text.matchAll(/^--@include ([\w -]+)$/gm)].flatMap((match) => match[1]!.split(" "));
  return names.map((name) => {
    const library = libraries.find((one) => nameOf(one) === name);
    if (library === undefined) throw new Error(`${file.path} includes ${name}, which is not in lib/`);
    return library;
  });
}

export function withoutComments(file: SourceFile): string {
  return file.text.replaceAll(/^\s*--.*$/gm, "");
}

export function functionsOf(file: SourceFile): string[] {
  return [...file.text.matchAll(/^local function (\w+)/gm)].map((match) => match[1]!);
}
