// Users compile generated code and fresh handler stubs with the settings of their own project, so these must compile
// under all of them.
import { execFile } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { Project, ts } from "ts-morph";
import { afterAll, beforeAll, expect, test } from "vitest";
import { formatDiagnostics, generate } from "../../codegen/index.js";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
// Inside the package, so that `taskweft/generated-v1` means our own sources.
const WORK = path.join(ROOT, ".weft", `consumers-${process.pid}`);

const TYPES = path.join(ROOT, "node_modules/@types");

/** Our sources stand in for the declarations of the package; the errors that they have themselves are left out. */
const COMMON = {
  noEmit: true,
  skipLibCheck: true,
  target: "es2023",
  types: ["node"],
  customConditions: ["taskweft-source"],
};

/** Every option that can reject code. */
const STRICTEST = {
  ...COMMON,
  allowUnreachableCode: false,
  allowUnusedLabels: false,
  erasableSyntaxOnly: true,
  exactOptionalPropertyTypes: true,
  isolatedModules: true,
  module: "nodenext",
  moduleDetection: "force",
  noFallthroughCasesInSwitch: true,
  noImplicitOverride: true,
  noImplicitReturns: true,
  noPropertyAccessFromIndexSignature: true,
  noUncheckedIndexedAccess: true,
  noUncheckedSideEffectImports: true,
  noUnusedLocals: true,
  noUnusedParameters: true,
  strict: true,
  verbatimModuleSyntax: true,
};

const BUNDLED = { module: "esnext", moduleResolution: "bundler" };

const SETTINGS = {
  strictest: STRICTEST,
  bundler: { ...STRICTEST, ...BUNDLED, lib: ["esnext", "dom", "dom.iterable"], target: "esnext" },
  loose: { ...COMMON, strict: false, module: "nodenext" },
  // A package of a monorepo: what it exports must have names that its declarations can say.
  declarations: {
    ...STRICTEST,
    noEmit: false,
    declaration: true,
    emitDeclarationOnly: true,
    outDir: "out",
    rootDir: ROOT,
  },
} as const;

/** Forms that the projects of this repository lack. */
const ODD = {
  "events-only": `version: 1
events: { order:paid: { payload: { id: string } } }
`,
  // An unused parameter, and a key that TypeScript reads from an index signature.
  "odd-keys": `version: 1
schemas: { Sizes: { type: object, additionalProperties: { type: string } } }
tasks:
  constant: { payload: { v: string }, idempotency: { key: fixed }, concurrency: { limit: 1, key: "\${{ 'x' }}" } }
  map: { payload: { sizes: Sizes }, idempotency: { key: "\${{ payload.sizes.shoe ?? 'none' }}" } }
workflows:
  sizes:
    input: { lists: { type: object, additionalProperties: { type: array, items: Sizes } } }
    idempotency: { key: fixed }
    steps:
      first:
        task: map
        if: "\${{ input.lists.open != null }}"
        with: { sizes: { a: "\${{ input.lists.one[0].shoe ?? 'none' }}" } }
`,
} as const;

beforeAll(async () => {
  for (const [name, text] of Object.entries(ODD)) {
    const root = path.join(WORK, name);
    mkdirSync(path.join(root, "tasks"), { recursive: true });
    writeFileSync(path.join(root, "tasks", "tasks.yaml"), text);
    await generateIn(root);
  }
  for (const folder of definitionFolders()) {
    const root = path.join(WORK, path.relative(ROOT, folder).replaceAll(path.sep, "-") || "shop");
    mkdirSync(root, { recursive: true });
    const handlers = path.join(folder, "tasks", "handlers");
    const filter = (source: string): boolean => source !== handlers && !source.endsWith(".ts");
    cpSync(path.join(folder, "tasks"), path.join(root, "tasks"), { recursive: true, filter });
    await generateIn(root);
  }
}, 60_000);

afterAll(() => rmSync(WORK, { recursive: true, force: true }));

test.each(Object.entries(SETTINGS))(
  "generated code and stubs compile under the settings %s",
  async (name, compilerOptions) => {
    const config = path.join(WORK, `tsconfig.${name}.json`);
    writeFileSync(config, JSON.stringify({ compilerOptions, include: ["**/*.ts"], exclude: ["out"] }));
    expect(await compile(config)).toEqual([]);
  },
  120_000,
);

test("and with the compiler before the native one", () => {
  const { options } = ts.convertCompilerOptionsFromJson({ ...STRICTEST, ...BUNDLED }, WORK);
  const project = new Project({ compilerOptions: { ...options, typeRoots: [TYPES] } });
  project.addSourceFilesAtPaths([path.join(WORK, "*/{generated,tasks}/**/*.ts")]);
  const found = project
    .getSourceFiles()
    .flatMap((file) => (file.getFilePath().startsWith(WORK) ? file.getPreEmitDiagnostics() : []));
  expect(project.formatDiagnosticsWithColorAndContext(found)).toBe("");
}, 120_000);

async function generateIn(root: string): Promise<void> {
  const { status, diagnostics } = await generate({ root });
  if (status !== "ok") throw new Error(`${root}: ${formatDiagnostics(diagnostics, "text")}`);
}

function definitionFolders(): string[] {
  const golden = path.join(ROOT, "test/golden");
  const valid = readdirSync(golden).filter((name) => existsSync(path.join(golden, name, "generated")));
  const examples = path.join(ROOT, "examples");
  return [
    ROOT,
    ...valid.map((name) => path.join(golden, name)),
    ...readdirSync(examples)
      .map((name) => path.join(examples, name))
      .filter((folder) => existsSync(path.join(folder, "generated"))),
  ];
}

/** The errors in the projects' own files. */
function compile(config: string): Promise<string[]> {
  const tsc = path.join(ROOT, "node_modules/typescript/bin/tsc");
  return new Promise((resolve) => {
    // tsc also fails because of errors in our sources, which have settings of their own: the output tells.
    execFile(
      process.execPath,
      [tsc, "-p", config, "--pretty", "false"],
      { cwd: WORK, maxBuffer: 1 << 26 },
      (_error, stdout) => resolve(stdout.split("\n").filter((line) => /^(?:[a-z]|error)/.test(line))),
    );
  });
}
