// The code in README.md is a project: a block names its file in its first line, or stands for a file in the project's
// folder. Together they must generate without a problem and compile under the strict settings of this repository.
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { generate } from "../../codegen/index.js";
import { runProgram } from "../support/process.js";
import { ROOT } from "./source-files.js";

interface Block {
  readonly language: string;
  readonly text: string;
  /** From the first line, `# tasks/shop.yaml` or `// src/shop.ts`; else a name by its place in the page. */
  readonly file: string;
}

/** What the reader of an excerpt is expected to have at hand. */
const AT_HAND = "declare const orderId: string;\n";

let blocks: readonly Block[];
let project: string;

beforeAll(async () => {
  blocks = codeBlocks(await readFile(join(ROOT, "README.md"), "utf8")).filter((block) =>
    isCode(block.language),
  );
  await mkdir(join(ROOT, ".weft"), { recursive: true });
  // Inside the repository, so that `taskweft/generated-v1` names this package.
  project = await mkdtemp(join(ROOT, ".weft", "readme-"));
  for (const block of blocks) {
    const path = join(project, block.file);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, block.file.startsWith("excerpt-") ? AT_HAND + block.text : block.text);
  }
});

afterAll(async () => {
  await rm(project, { recursive: true, force: true });
});

describe("README.md", () => {
  test("shows a definition, a handler and an enqueue", () => {
    expect(blocks.filter((block) => block.language === "yaml").length).toBeGreaterThan(0);
    expect(blocks.filter((block) => block.language === "ts").length).toBeGreaterThan(1);
  });

  test("its definitions generate and its TypeScript compiles", async () => {
    const result = await generate({ root: project });
    expect(result.diagnostics).toEqual([]);
    expect(result.status).toBe("ok");
    const settings = { extends: "../../tsconfig.json", include: ["**/*.ts"], exclude: [] };
    await writeFile(join(project, "tsconfig.json"), JSON.stringify(settings));
    const compiler = join(ROOT, "node_modules/typescript/bin/tsc");
    expect(await runProgram(process.execPath, [compiler, "-p", project], { cwd: ROOT })).toBe("");
  });

  test("only names npm scripts that exist", async () => {
    const readme = await readFile(join(ROOT, "README.md"), "utf8");
    const { scripts } = JSON.parse(await readFile(join(ROOT, "package.json"), "utf8")) as { scripts: object };
    const own = ["codegen", "dev", "worker", "enqueue"]; // what `weft init` writes into a user's package.json
    const named = [...readme.matchAll(/npm run ([a-z:-]+)/g)].map((match) => match[1]);
    expect(named.filter((name) => name && !(name in scripts) && !own.includes(name))).toEqual([]);
  });
});

function isCode(language: string): boolean {
  return language === "yaml" || language === "ts";
}

function codeBlocks(markdown: string): Block[] {
  return [...markdown.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)].map(
    ([, language = "", text = ""], index) => ({
      language,
      text,
      file: text.match(/^(?:#|\/\/) ([\w./-]+\.(?:ts|yaml))\b/)?.[1] ?? `excerpt-${index}.${language}`,
    }),
  );
}
