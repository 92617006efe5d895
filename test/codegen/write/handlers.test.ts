import { describe, expect, test } from "vitest";
import { generate } from "../../../codegen/index.js";
import { readHandlerFile } from "../../../codegen/write/handler-file.js";
import { projectFolder, SHOP } from "./project-folder.js";

const handler = (name: string) => `export default defineHandler("${name}", async () => {});\n`;

describe("a handler", () => {
  test("is never rewritten", async () => {
    const folder = projectFolder();
    await generate({ root: folder.root });
    const mine = `// mine\r\n${handler("order:place")}`;
    folder.write("tasks/handlers/order/place.ts", mine);
    folder.write("tasks/shop.yaml", SHOP.replace("Take the order.", "Another description."));
    await generate({ root: folder.root });
    expect(folder.read("tasks/handlers/order/place.ts")).toBe(mine);
  });

  test("may be moved, and several may share a file", async () => {
    const both = `export const place = defineHandler("order:place", async () => ({ accepted: true }));
export const ship = defineHandler('order:ship', async () => {});\n`;
    const folder = projectFolder({ "tasks/shop.yaml": SHOP, "tasks/handlers/all.ts": both });
    const result = await generate({ root: folder.root });
    expect(result).toMatchObject({ status: "ok", stubs: [], diagnostics: [] });
    const registry = folder.read("generated/registry.ts");
    expect(registry).toContain(
      '"order:place": () => import("../tasks/handlers/all.js").then((module) => module.place)',
    );
    expect(registry).toContain(
      '"order:ship": () => import("../tasks/handlers/all.js").then((module) => module.ship)',
    );
  });

  test.each([
    ["größe", "export const größe = $;", '["größe"]'],
    ["a reserved word", "const x = $;\nexport { x as delete };", ".delete"],
    ["a text", 'const x = $;\nexport { x as "a-b" };', '["a-b"]'],
  ])("may be exported under any name: %s", async (_name, text, access) => {
    const call = 'defineHandler("order:ship", async () => {})';
    const folder = projectFolder({ "tasks/shop.yaml": SHOP, "tasks/handlers/x.ts": text.replace("$", call) });
    expect(await generate({ root: folder.root })).toMatchObject({ status: "ok" });
    expect(folder.read("generated/registry.ts")).toContain(
      `import("../tasks/handlers/x.js").then((module) => module${access})`,
    );
  });

  test("of a task that is gone is left alone, and named", async () => {
    const folder = projectFolder({
      "tasks/shop.yaml": SHOP,
      "tasks/handlers/old.ts": handler("order:plase"),
    });
    const result = await generate({ root: folder.root });
    expect(result.status).toBe("ok");
    expect(result.diagnostics).toMatchObject([
      {
        code: "TW310",
        severity: "warning",
        file: "tasks/handlers/old.ts",
        line: 1,
        column: 30,
        hint: 'did you mean "order:place"?',
      },
    ]);
    expect(folder.read("tasks/handlers/old.ts")).toBe(handler("order:plase"));
  });

  test("twice for one task is an error that names both files", async () => {
    const folder = projectFolder({
      "tasks/shop.yaml": SHOP,
      "tasks/handlers/a.ts": handler("order:ship"),
      "tasks/handlers/b.ts": handler("order:ship"),
    });
    const result = await generate({ root: folder.root });
    expect(result).toMatchObject({ status: "invalid", written: [] });
    expect(result.diagnostics).toMatchObject([{ code: "TW311", file: "tasks/handlers/b.ts" }]);
    expect(result.diagnostics[0]?.message).toContain("the first is in tasks/handlers/a.ts");
  });

  test.each([
    ["defineHandler", "batch: { size: 10, within: 1s }", "defineBatchHandler, because"],
    ["defineBatchHandler", "timeout: 1s", "defineHandler, because"],
  ])(
    "made by %s for a task with %s is found, and named as the wrong kind",
    async (define, line, expected) => {
      const folder = projectFolder({
        "tasks/a.yaml": `version: 1\ntasks:\n  order:ship:\n    payload: {}\n    ${line}\n`,
        "tasks/handlers/a.ts": `export default ${define}("order:ship", async () => {});\n`,
      });
      const result = await generate({ root: folder.root });
      expect(result).toMatchObject({ status: "ok", stubs: [] });
      expect(result.diagnostics).toMatchObject([
        { code: "TW162", severity: "warning", file: "tasks/handlers/a.ts" },
      ]);
      expect(result.diagnostics[0]?.message).toContain(expected);
    },
  );

  test("of a batch is found by the grammar and in a broken file too", async () => {
    const call = 'defineBatchHandler("a:b", async () => {})';
    const texts = [
      `export default ${call}`,
      `const x = ${call};\nexport { x as default };`,
      `export default ${call};(`,
    ];
    for (const text of texts) {
      const { handlers } = await readHandlerFile("a.ts", text);
      expect(handlers).toMatchObject([{ task: "a:b", define: "defineBatchHandler", exportName: "default" }]);
    }
  });

  test("in a file with conflict markers is left alone, and gets no second stub", async () => {
    const text = `<<<<<<< ours\n${handler("order:ship")}=======\n>>>>>>> theirs\n`;
    const folder = projectFolder({ "tasks/shop.yaml": SHOP, "tasks/handlers/moved.ts": text });
    const result = await generate({ root: folder.root });
    expect(result.stubs).toEqual(["tasks/handlers/order/place.ts"]);
    expect(result.diagnostics).toMatchObject([
      { code: "TW312", severity: "warning", file: "tasks/handlers/moved.ts" },
    ]);
    expect(folder.read("generated/registry.ts")).toContain("handlers/moved.js");
  });

  test("file without a handler where the stub would go is left alone, and named", async () => {
    const folder = projectFolder({
      "tasks/shop.yaml": SHOP,
      "tasks/handlers/order/ship.ts": "export const x = 1;\n",
    });
    const result = await generate({ root: folder.root });
    expect(result.stubs).toEqual(["tasks/handlers/order/place.ts"]);
    expect(result.diagnostics).toMatchObject([{ code: "TW313", file: "tasks/handlers/order/ship.ts" }]);
  });
});

describe("finding handlers in a text", () => {
  test.each([
    ["a stub", handler("a:b"), [["a:b", "default"]]],
    ["an exported constant", 'export const x = defineHandler("a:b", f);', [["a:b", "x"]]],
    ["a line break in the call", 'export default defineHandler(\n  "a:b",\n  f,\n);', [["a:b", "default"]]],
    [
      "a licence, a directive and a BOM",
      `\uFEFF/* (c) */\n"use strict";\n${handler("a:b")}`,
      [["a:b", "default"]],
    ],
    ["a comment", `// ${handler("a:b")}`, []],
    ["a block comment", `/* ${handler("a:b")} */`, []],
    ["a string", "const s = 'export default defineHandler(\"a:b\", f)';", []],
    ["a template", 'const s = `\nexport default defineHandler("a:b", f)`;', []],
    ["a regular expression before it", `const r = /["'\`]/;\n${handler("a:b")}`, [["a:b", "default"]]],
    ["a slash that needs the grammar", `if (x) /["'\`]/.test(y);\n${handler("a:b")}`, [["a:b", "default"]]],
    ["a constant exported later", 'const x = defineHandler("a:b", f);\nexport { x as y };', [["a:b", "y"]]],
    ["a constant as default", 'const x = defineHandler("a:b", f);\nexport default x;', [["a:b", "default"]]],
    ["a handler that is not exported", 'const x = defineHandler("a:b", f);', []],
    ["a call inside a function", 'function f() { return defineHandler("a:b", g); }', []],
    ["a name that is computed", "export default defineHandler(name, f);", []],
  ])("%s", async (_name, text, expected) => {
    const file = await readHandlerFile("a.ts", text);
    expect(file.kind).toBe("read");
    expect(file.handlers.map(({ task, exportName }) => [task, exportName])).toEqual(expected);
    for (const { start, end, task } of file.handlers)
      expect(text.slice(start, end)).toMatch(new RegExp(`^["']${task}["']$`));
  });

  test("a text that is no TypeScript is not taken apart", async () => {
    const file = await readHandlerFile("a.ts", `${handler("a:b")} function {`);
    expect(file).toMatchObject({ kind: "syntax-error", handlers: [{ task: "a:b", exportName: "default" }] });
  });
});
