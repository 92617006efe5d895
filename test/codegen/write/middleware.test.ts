import { expect, test } from "vitest";
import { generate } from "../../../codegen/index.js";
import { projectFolder, SHOP } from "./project-folder.js";

const FILE = "tasks/middleware.ts";
const LINE = 'middleware: () => import("../tasks/middleware.js").then((module) => module.default)';

test("tasks/middleware.ts is in the registry while it is there, and only in the registry", async () => {
  const folder = projectFolder({ "tasks/shop.yaml": SHOP });
  await generate({ root: folder.root });
  expect(folder.read("generated/registry.ts")).not.toContain("middleware");

  folder.write(FILE, "export default defineMiddleware();\n");
  const check = await generate({ root: folder.root, check: true });
  expect(check.pending).toMatchObject([
    { path: "generated/manifest.json", kind: "stale" },
    { path: "generated/registry.ts", kind: "stale" },
  ]);
  expect(await generate({ root: folder.root })).toMatchObject({ status: "ok", diagnostics: [] });
  expect(folder.read("generated/registry.ts")).toContain(LINE);
  expect(folder.read("generated/index.ts")).not.toContain("import(");

  folder.remove(FILE);
  await generate({ root: folder.root });
  expect(folder.read("generated/registry.ts")).not.toContain("middleware");
});
