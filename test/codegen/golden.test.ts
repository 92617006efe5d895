// Whole runs against expected output. A new case is a folder: test/golden/<case>/tasks/*.yaml, then UPDATE_GOLDEN=1.
import { mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { formatDiagnostics, generate } from "../../codegen/index.js";
import { checkSource } from "../../codegen/emit/index.js";
import { copiedProject, filesBelow, projectFolder } from "./write/project-folder.js";

const GOLDEN = fileURLToPath(new URL("../golden", import.meta.url));
const UPDATE = process.env["UPDATE_GOLDEN"] === "1";
/** Problems that a run of the case reports; absent when there are none. */
const PROBLEMS = "problems.txt";
/** The case in which the dashboard and the alerts are looked at: in the others they would say much the same. */
const MONITORED = "several-files";

const cases = readdirSync(GOLDEN, { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map((entry) => entry.name);

describe.each(cases)("%s", (name) => {
  const golden = path.join(GOLDEN, name);

  test("generates what is expected", async () => {
    const actual = await run(golden);
    if (UPDATE) replaceExpected(golden, actual);
    expect(actual).toEqual(expectedOf(golden));
  });

  test("gives the same again when it runs over its own output", async () => {
    const folder = copiedProject(golden);
    const before = folder.files();
    await generate({ root: folder.root });
    const after = folder.files();
    // The manifest names the version.
    for (const file of ["generated/manifest.json", ...unexpected(golden)]) delete after[file];
    delete before["generated/manifest.json"];
    expect(after).toEqual(before);
  });
});

test("a file of the expected output that was tampered with is noticed", async () => {
  const actual = await run(path.join(GOLDEN, "minimal"));
  expect(Object.keys(actual)).toContain("generated/types.ts");
  const modules = Object.entries(actual).filter(([file]) => file.endsWith(".ts"));
  for (const [file, text] of modules) {
    expect(() => checkSource(file, `${text}process.exit(1);\n`)).toThrow("was not written");
  }
});

/** Output of a fresh run from the definitions alone. */
async function run(golden: string): Promise<Record<string, string>> {
  const folder = projectFolder({});
  for (const [file, text] of Object.entries(filesBelow(golden, "tasks"))) {
    if (!file.startsWith("tasks/handlers/")) folder.write(file, text);
  }
  const result = await generate({ root: folder.root });
  const files = { ...filesBelow(folder.root, "generated"), ...filesBelow(folder.root, "tasks/handlers") };
  for (const file of unexpected(golden)) delete files[file];
  const manifest = files["generated/manifest.json"];
  if (manifest !== undefined) files["generated/manifest.json"] = withoutVersion(manifest, unexpected(golden));
  if (result.diagnostics.length > 0) files[PROBLEMS] = formatDiagnostics(result.diagnostics, "text");
  return files;
}

/** What is generated and not compared: the format's whole schema, and what one case shows for all. */
function unexpected(golden: string): readonly string[] {
  const schema = "generated/tasks.schema.json";
  const shown = path.basename(golden) === MONITORED;
  return shown ? [schema] : [schema, "generated/alerts.yaml", "generated/grafana.json"];
}

function expectedOf(golden: string): Record<string, string> {
  const all = filesBelow(golden, "");
  return Object.fromEntries(
    Object.entries(all).filter(([file]) => !file.startsWith("tasks/") || file.startsWith("tasks/handlers/")),
  );
}

/** A release must not change every case; nor a change of what is not compared. */
function withoutVersion(manifest: string, hidden: readonly string[]): string {
  const versionless = manifest.replace(/"version": "[^"]*"/, '"version": "0.0.0"');
  return hidden.reduce(
    (text, file) => text.replace(new RegExp(`^ {4}"${path.basename(file)}": .*\\n`, "m"), ""),
    versionless,
  );
}

function replaceExpected(golden: string, files: Readonly<Record<string, string>>): void {
  for (const old of ["generated", "tasks/handlers", PROBLEMS])
    rmSync(path.join(golden, old), { recursive: true, force: true });
  for (const [file, text] of Object.entries(files)) {
    mkdirSync(path.dirname(path.join(golden, file)), { recursive: true });
    writeFileSync(path.join(golden, file), text);
  }
}
