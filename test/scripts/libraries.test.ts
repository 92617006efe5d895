// What every library of runtime/scripts/lib promises by its form: it includes nothing, so it says which others a script
// has to include before it.
import { describe, expect, test } from "vitest";
import { readSources, type SourceFile } from "../layout/source-files.js";
import { bodies, functionsOf, includesOf, libraries, nameOf, withoutComments } from "./lua-files.js";

const MAX_COLUMNS = 110;

describe.each(libraries.map((file) => [nameOf(file), file] as const))("lib/%s.lua", (name, file) => {
  const needs = neededBy(file);

  test("says at its head whose functions it calls", () => {
    const said = /^-- Needs: ([^]+?)\n\n/.exec(file.text)?.[1]?.replaceAll("\n--", "") ?? "";
    expect(said).toBe(needs.join(", "));
  });

  test("is included somewhere, everywhere behind what it needs", () => {
    const including = bodies.map((body) => includesOf(body).map(nameOf)).filter((all) => all.includes(name));
    expect(including.length).toBeGreaterThan(0);
    // Where a function is not defined yet, Lua looks for a global one, and fails only when it is called.
    for (const all of including)
      expect(all.slice(0, all.indexOf(name))).toEqual(expect.arrayContaining(needs));
  });
});

test("no comment is wider than code may be, but in the heads of scripts that have used up their lines", () => {
  const texts = [...libraries.map((file) => [file.path, file.text] as const), ...bodies.map(behindHead)];
  const wide = texts.flatMap(([path, text]) =>
    text
      .split("\n")
      .filter((line) => line.length > MAX_COLUMNS && /^\s*--/.test(line))
      .map((line) => [path, line]),
  );
  expect(wide).toEqual([]);
});

test("no two libraries define a function of one name", () => {
  const names = libraries.flatMap(functionsOf);
  expect(names.filter((name, index) => names.indexOf(name) !== index)).toEqual([]);
});

test("what is said about a library names one that is there", async () => {
  const parts = ["docs", "runtime", "test"];
  const texts = await readSources(parts, [".lua", ".md", ".ts"]);
  const said = texts.flatMap(({ path, text }) =>
    [...text.matchAll(/(?<![\w.-])lib\/([a-z-]+)(?:\.lua)?/g)].map((match) => [path, match[1]!] as const),
  );
  expect(said.length).toBeGreaterThan(10);
  const known = libraries.map(nameOf);
  expect(said.filter(([, name]) => !known.includes(name))).toEqual([]);
});

function behindHead(file: SourceFile): readonly [string, string] {
  return [file.path, file.text.split("\n\n").slice(1).join("\n\n")];
}

/** The other libraries whose functions it calls, by name. */
function neededBy(file: SourceFile): string[] {
  const code = withoutComments(file);
  const called = new Set(
    [...code.matchAll(/(?<![.\w])(?:(\w+)\(|pcall\((\w+))/g)].flatMap(([, ...names]) => names),
  );
  return libraries
    .filter((other) => other !== file && functionsOf(other).some((one) => called.has(one)))
    .map(nameOf)
    .toSorted();
}
