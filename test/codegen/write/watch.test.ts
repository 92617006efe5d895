import { renameSync, symlinkSync } from "node:fs";
import path from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { type GenerateResult, watch } from "../../../codegen/index.js";
import { type ProjectFolder, projectFolder, SHOP } from "./project-folder.js";

/** The results of a watch, one after the other: `next()` waits for the run that answers a change. */
function watched(folder: ProjectFolder): { next: () => Promise<GenerateResult>; seen: () => number } {
  const results: GenerateResult[] = [];
  const waiting: ((result: GenerateResult) => void)[] = [];
  let count = 0;
  const watcher = watch({ root: folder.root }, (result) => {
    count++;
    const waiter = waiting.shift();
    if (waiter === undefined) results.push(result);
    else waiter(result);
  });
  onTestFinished(() => watcher.close());
  const next = (): Promise<GenerateResult> => {
    const result = results.shift();
    return result === undefined ? new Promise((resolve) => waiting.push(resolve)) : Promise.resolve(result);
  };
  return { next, seen: () => count };
}

/** As editors save: into a new file, which then takes the place of the old one. */
function saveByRename(folder: ProjectFolder, file: string, text: string): void {
  folder.write(`${file}.swp`, text);
  renameSync(path.join(folder.root, `${file}.swp`), path.join(folder.root, file));
}

test("generates at once, and again on every save, however the editor saves", async () => {
  const shop = SHOP.replace("order:ship", "ship:now");
  const folder = projectFolder({ "tasks/shop.yaml": shop });
  const { next } = watched(folder);
  expect((await next()).stubs).toHaveLength(2);
  for (const note of ["integer", "boolean", "number"]) {
    saveByRename(folder, "tasks/shop.yaml", shop.replace("note: string?", `note: ${note}`));
    const result = await next();
    expect(result).toMatchObject({ status: "ok", stubs: [] });
    expect(result.written).toContain("generated/schemas/order.ts");
    expect(result.written).not.toContain("generated/schemas/ship.ts");
  }
});

test("keeps the last good code while the definitions are wrong, and goes on", async () => {
  const folder = projectFolder();
  const { next } = watched(folder);
  await next();
  const good = folder.files("generated");
  folder.write("tasks/shop.yaml", "version: 1\ntasks: {\n");
  expect(await next()).toMatchObject({ status: "invalid", deleted: [] });
  expect(folder.files("generated")).toEqual(good);
  folder.write("tasks/shop.yaml", SHOP.replace("note: string?", "note: string"));
  expect(await next()).toMatchObject({ status: "ok" });
});

test("sees files and folders that come and go", async () => {
  const folder = projectFolder();
  const { next } = watched(folder);
  await next();
  folder.write("tasks/more/deep/b.yaml", "version: 1\ntasks:\n  b:two:\n    payload: { x: string }\n");
  expect((await next()).stubs).toEqual(["tasks/handlers/b/two.ts"]);
  folder.write("tasks/more/deep/b.yaml", "version: 1\ntasks:\n  b:three:\n    payload: { x: string }\n");
  expect((await next()).stubs).toEqual(["tasks/handlers/b/three.ts"]);
  folder.remove("tasks/more");
  expect((await next()).deleted).toEqual(["generated/schemas/b.ts"]);
});

test("does not run for a save that changes nothing, nor for its own stubs", async () => {
  const folder = projectFolder();
  const { next, seen } = watched(folder);
  await next();
  folder.write("tasks/shop.yaml", SHOP);
  // The change after it is answered next: had the first save led to a run, it would have come before.
  folder.write("tasks/notes.txt", "x");
  const changed = SHOP.replace("note: string?", "note: string");
  folder.write("tasks/shop.yaml", changed);
  expect((await next()).written).toContain("generated/types.ts");
  expect(seen()).toBe(2);
});

const REFERRING = `version: 1
tasks:
  order:place:
    payload: { $ref: ../schemas/order.schema.json }
`;

test("hears of a schema file elsewhere that was missing or broken at first", async () => {
  const folder = projectFolder({ "tasks/shop.yaml": REFERRING });
  const { next } = watched(folder);
  expect(await next()).toMatchObject({ status: "invalid", diagnostics: [{ code: "TW123" }] });
  folder.write("schemas/order.schema.json", "{");
  expect(await next()).toMatchObject({ status: "invalid" });
  folder.write(
    "schemas/order.schema.json",
    '{ "type": "object", "properties": { "id": { "type": "string" } } }',
  );
  expect(await next()).toMatchObject({ status: "ok" });
});

test("hears of files in a linked folder, also where links lead in a circle or nowhere", async () => {
  const folder = projectFolder({
    "tasks/shop.yaml": SHOP,
    "tasks/handlers/read.me": "",
    "shared/read.me": "",
  });
  symlinkSync("../shared", path.join(folder.root, "tasks/more"));
  symlinkSync("../tasks", path.join(folder.root, "shared/back"));
  symlinkSync("nowhere", path.join(folder.root, "tasks/handlers/lost"));
  symlinkSync("loop", path.join(folder.root, "tasks/handlers/loop"));
  const { next } = watched(folder);
  await next();
  folder.write("shared/b.yaml", "version: 1\ntasks:\n  b:two:\n    payload: { x: string }\n");
  expect((await next()).stubs).toEqual(["tasks/handlers/b/two.ts"]);
});
