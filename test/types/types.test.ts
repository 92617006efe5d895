// The types that users see, by their compiler: generated code compiles, and each mistake is an error where it is made.
import { execFile } from "node:child_process";
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const GOLDEN = path.join(ROOT, "test/golden");
// Inside the package, so that `taskweft/generated-v1` means our own sources.
const WORK = path.join(ROOT, ".weft", `types-${process.pid}`);
const ESCROW = "tasks/handlers/gig/escrow_release.ts";
const STUB = readFileSync(path.join(GOLDEN, "several-files", ESCROW), "utf8");

/** Projects that differ from the golden case `several-files` in one handler, with the errors that this must give. */
const MISTAKES: Readonly<
  Record<string, { readonly handler: string | undefined; readonly errors: readonly string[] }>
> = {
  "missing-handler": { handler: undefined, errors: ["generated/registry.ts TS2307"] },
  "handler-of-another-task": {
    handler: STUB.replace('"gig:escrow_release"', '"invoice:generate"'),
    errors: ["generated/registry.ts TS2322"],
  },
  "no-handler-in-the-file": { handler: "export default 1;\n", errors: ["generated/registry.ts TS2322"] },
  "wrong-result": {
    handler: STUB.replace("throw ctx.notImplemented();", "return { releaseID: ctx.idempotencyKey };"),
    errors: [`${ESCROW} TS2345`],
  },
};

const goldenCases = readdirSync(GOLDEN).filter((name) =>
  readdirSync(path.join(GOLDEN, name)).includes("generated"),
);
let errors: ReadonlyMap<string, readonly string[]> = new Map();

beforeAll(async () => {
  for (const name of goldenCases) copyCase(name, name);
  for (const [name, { handler }] of Object.entries(MISTAKES)) {
    copyCase("several-files", name);
    if (handler === undefined) rmSync(path.join(WORK, name, ESCROW));
    else writeFileSync(path.join(WORK, name, ESCROW), handler);
  }
  copyCase("several-files", "cases");
  cpSync(path.join(ROOT, "test/types/cases"), path.join(WORK, "cases"), { recursive: true });
  const config = { extends: "../../tsconfig.json", include: ["**/*.ts"], exclude: [] };
  writeFileSync(path.join(WORK, "tsconfig.json"), JSON.stringify(config));
  errors = errorsByProject(await compile());
});

afterAll(() => rmSync(WORK, { recursive: true, force: true }));

test.each(goldenCases)("the generated code of %s compiles under the strictest options", (name) => {
  expect(errors.get(name) ?? []).toEqual([]);
});

test("what is right compiles, and what is wrong does not", () => {
  expect(errors.get("cases") ?? []).toEqual([]);
});

test.each(Object.entries(MISTAKES))("%s is a compile error where it is made", (name, mistake) => {
  expect(errors.get(name)).toEqual(mistake.errors);
});

function copyCase(from: string, to: string): void {
  mkdirSync(path.join(WORK, to), { recursive: true });
  cpSync(path.join(GOLDEN, from), path.join(WORK, to), { recursive: true });
}

function compile(): Promise<string> {
  const tsc = path.join(ROOT, "node_modules/typescript/bin/tsc");
  return new Promise((resolve) => {
    // tsc fails when it finds errors, which is what most of these projects are for: the output tells.
    execFile(process.execPath, [tsc, "-p", WORK, "--pretty", "false"], { cwd: WORK }, (_error, stdout) =>
      resolve(stdout),
    );
  });
}

/** `file TScode` of each error, by the project's folder. */
function errorsByProject(output: string): ReadonlyMap<string, readonly string[]> {
  const found = new Map<string, string[]>();
  for (const match of output.matchAll(/^([^/\n(]+)\/([^\n(]+)\(\d+,\d+\): error (TS\d+)/gm)) {
    const [, project = "", file, code] = match;
    found.set(project, [...(found.get(project) ?? []), `${file} ${code}`]);
  }
  return found;
}
