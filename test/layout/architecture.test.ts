import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { findCycle, violation } from "./layers.js";
import { functionsOf, importsOf, readSources, ROOT, type Import } from "./source-files.js";

const PARTS = ["cli", "codegen", "examples", "generated", "runtime", "tasks"];
const MAX_FILE_LINES = 400;
const MAX_FUNCTION_LINES = 60;
/** They were longer when the budget began to be tested. Nothing joins them; what is split leaves. */
const LONG_FUNCTIONS = new Set([
  "runtime/inspect/audit/run-view.ts #readHead",
  "runtime/inspect/audit/second-look.ts readFacts",
  "runtime/worker/runs/run-decider.ts #decide",
]);
const MAX_LUA_LINES = 90;
// Three of them are the gate, which every script needs that moves jobs into lists or out of them.
const MAX_LUA_KEYS = 16;

/** No target: a package. */
type Arrow = [from: string, specifier: string, target?: string];

async function dependencies(): Promise<ReadonlySet<string>> {
  const manifest = JSON.parse(await readFile(join(ROOT, "package.json"), "utf8")) as {
    dependencies: Record<string, string>;
  };
  return new Set(Object.keys(manifest.dependencies));
}

async function allImports(): Promise<Import[]> {
  const files = await readSources(PARTS, [".js", ".ts"]);
  // An empty list would make every rule below hold.
  expect(files.length).toBeGreaterThan(20);
  return files.filter((file) => !file.path.includes("/templates/")).flatMap(importsOf);
}

describe("imports follow the drawing in ARCHITECTURE.md", () => {
  test("every arrow is in the drawing", async () => {
    const known = await dependencies();
    const violations = (await allImports())
      .map((found) => violation(found, known))
      .filter((text) => text !== undefined);
    expect(violations).toEqual([]);
  });

  test("there is no cycle", async () => {
    expect(findCycle(await allImports())).toBeUndefined();
  });

  test("tools run before anything is installed: their own imports are node's and each other's", async () => {
    const tools = (await readSources(["tools"], [".mjs"])).filter(
      (file) => file.path.split("/").length === 2,
    );
    const foreign = tools
      .flatMap((file) =>
        [...file.text.matchAll(/^import\b[^;]*?"([^"]+)";/gm)].map((match) => [file.path, match[1]]),
      )
      .filter(([, specifier]) => !specifier?.startsWith("node:") && !specifier?.startsWith("./"));
    expect(tools.length).toBeGreaterThan(3);
    expect(foreign).toEqual([]);
  });
});

describe("the rules themselves", () => {
  const known = new Set(["ioredis", "zod"]);
  const forbidden: Arrow[] = [
    ["cli/main.ts", "../runtime/worker/worker.js", "runtime/worker/worker.ts"],
    ["codegen/load/project.ts", "../emit/types.js", "codegen/emit/types.ts"],
    ["codegen/model/project.ts", "../../runtime/client/client.js", "runtime/client/client.ts"],
    ["examples/a/src/a.ts", "../../../runtime/index.js", "runtime/index.ts"],
    ["examples/a/src/a.ts", "../demo/main.js", "examples/a/demo/main.ts"],
    ["examples/a/tasks/handlers/a.ts", "../../../b/src/b.js", "examples/b/src/b.ts"],
    ["examples/a/tasks/handlers/a.ts", "taskweft/generated-v1"],
    ["generated/registry.ts", "../runtime/index.js", "runtime/index.ts"],
    ["generated/registry.ts", "taskweft"],
    ["runtime/client/client.ts", "../worker/worker.js", "runtime/worker/worker.ts"],
    ["runtime/index.ts", "../cli/main.js", "cli/main.ts"],
    ["runtime/novelty/a.ts", "../errors.js", "runtime/errors.ts"],
    ["runtime/protocol/keys.ts", "../scripts/enqueue.js", "runtime/scripts/enqueue.ts"],
    ["runtime/worker/claims/claim.ts", "../runs/workflows.js", "runtime/worker/runs/workflows.ts"],
    ["runtime/worker/handler.ts", "./attempts/wait.js", "runtime/worker/attempts/wait.ts"],
    ["runtime/worker/worker.ts", "../../codegen/index.js", "codegen/index.ts"],
    ["runtime/worker/worker.ts", "ioredis"],
    ["runtime/worker/worker.ts", "lodash"],
    ["runtime/worker/worker.ts", "fs"],
    ["tasks/handlers/a.ts", "../../runtime/index.js", "runtime/index.ts"],
    ["tasks/handlers/a.ts", "../../generated/registry.js", "generated/registry.ts"],
  ];
  test.each(forbidden)("%s may not import %s", (...[from, specifier, target]) => {
    expect(violation({ from, specifier, target }, known)).toContain(`${from} imports ${specifier}`);
  });

  const allowed: Arrow[] = [
    ["cli/main.ts", "../runtime/inspect/index.js", "runtime/inspect/index.ts"],
    ["codegen/load/project.ts", "../../runtime/definition/index.js", "runtime/definition/index.ts"],
    ["examples/a/demo/main.ts", "../../support/fleet.js", "examples/support/fleet.ts"],
    ["examples/a/generated/registry.ts", "../tasks/handlers/a.js", "examples/a/tasks/handlers/a.ts"],
    ["examples/a/src/a.ts", "taskweft"],
    ["examples/a/tasks/handlers/a.ts", "../../src/a.js", "examples/a/src/a.ts"],
    ["generated/registry.ts", "../tasks/handlers/a.js", "tasks/handlers/a.ts"],
    ["generated/registry.ts", "taskweft/generated-v1"],
    ["runtime/connection/connection.ts", "ioredis"],
    ["runtime/worker/runs/workflows.ts", "../attempts/outcome.js", "runtime/worker/attempts/outcome.ts"],
    ["runtime/worker/worker.ts", "../scripts/advance.js", "runtime/scripts/advance.ts"],
    ["runtime/worker/worker.ts", "./runs/workflows.js", "runtime/worker/runs/workflows.ts"],
    ["tasks/handlers/a.ts", "../../generated/index.js", "generated/index.ts"],
  ];
  test.each(allowed)("%s may import %s", (...[from, specifier, target]) => {
    expect(violation({ from, specifier, target }, known)).toBeUndefined();
  });

  test("a cycle over three files is found", () => {
    const arrow = (from: string, target: string): Import => ({ from, specifier: target, target });
    const cycle = findCycle([arrow("x", "a"), arrow("a", "b"), arrow("b", "c"), arrow("c", "a")]);
    expect(cycle).toEqual(["a", "b", "c", "a"]);
  });

  test("imports in strings do not count, type imports and dynamic ones do", () => {
    const text =
      'import type { A } from "./a.js";\nconst b = `\nimport c from "./c.js";\n`;\nawait import("./d.js");\n';
    const specifiers = importsOf({ path: "codegen/emit/x.ts", text }).map((found) => found.specifier);
    expect(specifiers.toSorted()).toEqual(["./a.js", "./d.js"]);
  });
});

describe("budgets", () => {
  test(`no file has more than ${MAX_FILE_LINES} lines`, async () => {
    const files = await readSources(
      ["bench", "cli", "codegen", "examples", "runtime", "tasks", "test", "tools"],
      [".js", ".mjs", ".ts"],
    );
    const long = files.map((file) => [file.path, lineCount(file.text)] as const);
    expect(long.filter(([, lines]) => lines > MAX_FILE_LINES)).toEqual([]);
  });

  test(`no function outside of tests has more than ${MAX_FUNCTION_LINES} lines of code`, async () => {
    const files = await readSources([...PARTS, "bench", "tools"], [".js", ".mjs", ".ts"]);
    const functions = files.filter((file) => !/\/(?:templates|test)\//.test(file.path)).flatMap(functionsOf);
    expect(functions.length).toBeGreaterThan(1000);
    const long = functions.filter(({ lines }) => lines > MAX_FUNCTION_LINES);
    expect(long.filter(({ name }) => !LONG_FUNCTIONS.has(name))).toEqual([]);
  });

  test("the lines of a function are counted without comments, those of nested ones with it", () => {
    const text = "const f = () => {\n  // Why.\n  function g() {\n    return 1;\n  }\n\n  return g;\n};\n";
    expect(functionsOf({ path: "a.ts", text })).toEqual([
      { name: "a.ts ArrowFunction", lines: 6 },
      { name: "a.ts g", lines: 3 },
    ]);
  });

  test(`a Lua script stays within ${MAX_LUA_LINES} lines and ${MAX_LUA_KEYS} keys`, async () => {
    const scripts = await readSources(["runtime/scripts"], [".lua"]);
    expect(scripts.length).toBeGreaterThan(5);
    const over = scripts.filter(
      (script) => lineCount(script.text) > MAX_LUA_LINES || luaKeys(script.text) > MAX_LUA_KEYS,
    );
    expect(
      over.map((script) => `${script.path}: ${lineCount(script.text)} lines, ${luaKeys(script.text)} keys`),
    ).toEqual([]);
  });
});

function lineCount(text: string): number {
  return text.split("\n").length - 1;
}

/** The fixed keys; those that come once a queue are counted once, through the position of the first. */
function luaKeys(text: string): number {
  return Math.max(0, ...[...text.matchAll(/\bKEYS\[(\d+)\]/g)].map((match) => Number(match[1])));
}
