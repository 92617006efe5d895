import { execFileSync } from "node:child_process";
import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { loadProject } from "../../../codegen/load/index.js";
import { formatDiagnostics } from "../../../codegen/model/diagnostic-format.js";
import { load, problems, taskFile } from "./load.js";

describe("YAML", () => {
  const bomb = (): string => {
    const lines = ["version: 1", "a: &a [x, x, x, x, x, x, x, x, x]"];
    for (const [name, from] of ["ba", "cb", "dc", "ed", "fe", "gf", "hg"].map((pair) => pair.split(""))) {
      lines.push(`${name}: &${name} [${Array(9).fill(`*${from}`).join(", ")}]`);
    }
    return lines.join("\n");
  };

  it.each([
    ["alias bomb", bomb(), "TW105 expected at most 50 aliases"],
    [
      "51 aliases of one word",
      `version: 1\na: &a x\nb: [${Array(51).fill("*a").join(", ")}]`,
      "TW105 expected at most 50 aliases",
    ],
    ["an alias inside itself", "version: 1\na: &a [*a]", "2:8 TW105 the alias *a contains itself"],
    ["brackets without end", "[".repeat(900_000), "1:41 TW105 expected at most 40 levels"],
    ["maps without end", "{a: ".repeat(200_000), "TW105 expected at most 40 levels"],
    ["lists without end", "- ".repeat(400_000), "1:1 TW105 expected at most 40 levels"],
    ["5 MB", `# ${"x".repeat(5_000_000)}`, "1:1 TW105 expected a file of at most 1048576 bytes"],
    ["a tag", "version: !!js/function 'x'", "1:10 TW101 tags"],
    ["a local tag", "version: !foo 1", "1:10 TW101 tags"],
    [
      "a merge key",
      "version: 1\nqueues: { a: &a { weight: 1 }, b: { <<: *a } }",
      '2:37 TW101 merge keys ("<<") are not supported',
    ],
    ["a duplicate key", "version: 1\ntasks: {}\ntasks: {}", "3:1 TW106 this key stands twice in one map"],
    ["a second document", "version: 1\n---\nversion: 1", "2:1 TW101 a file holds one document"],
    ["an unknown alias", "version: *one", "1:10 TW101 no anchor &one stands before the alias *one"],
    ["a key that is a list", "version: 1\n? [a, b]\n: x", "2:3 TW101 expected a word as key"],
    ["a key that is a number", "version: 1\nqueues: { 5: {} }", "2:11 TW101 expected text as key, got 5"],
    ["a tab", "version: 1\nqueues:\n\tdefault: {}", "3:1 TW101 tabs cannot indent YAML"],
    ["infinity", "version: .inf", "1:10 TW104 expected a finite number"],
    [
      "a number that is not exact",
      "version: 12345678901234567890",
      "1:10 TW104 expected a number that JavaScript holds exactly",
    ],
    [
      "a type in a flow map",
      taskFile("payload: { tags: string[] }"),
      "TW101 a type with [] cannot stand inside { } | write [string] or quote it",
    ],
    [
      "an expression in a flow map",
      taskFile("idempotency: { key: ${{ payload.id }} }"),
      "TW101 ${{ }} inside { } must be quoted",
    ],
    [
      "a cron line",
      "version: 1\ncron: * * * * *",
      "2:7 TW101 a value that begins with * is an alias in YAML",
    ],
    [
      "a cron line with a step",
      "version: 1\ncron: */5 * * * *",
      "TW101 a value that begins with * is an alias in YAML",
    ],
    ["a hidden direction in a comment", "version: 1 # \u202e", "1:14 TW110 U+202E hides what a reader sees"],
    ["a hidden direction behind an escape", taskFile('description: "\\u202e"\npayload: {}'), "4:18 TW110"],
    ["a NUL byte", "version: 1\u0000", "1:11 TW110 U+0000"],
    [
      "a prototype",
      "version: 1\nqueues: { __proto__: { weight: 3 } }",
      '2:11 TW101 the key "__proto__" is not allowed',
    ],
  ])("%s", (_name, text, expected) => {
    const [first] = problems(text);
    expect(first).toContain(expected);
    expect(load(text).project).toBeUndefined();
  });

  it("reads YAML 1.2: no, on and dates are text", () => {
    const text = taskFile("payload: { a: { enum: [no, on, 2026-01-01] } }");
    expect(load(text).project?.tasks[0]?.payload.root).toMatchObject({
      properties: [{ schema: { values: ["no", "on", "2026-01-01"] } }],
    });
  });

  it("answers any text with a result, and prints nothing that moves a terminal", () => {
    const piece = fc.constantFrom(
      "version: 1\n",
      "tasks:\n",
      "  a:b:\n",
      "    payload: ",
      "{",
      "}",
      "[",
      "]",
      "*a",
      "&a ",
      "<<: ",
      "${{",
      "\u001b[31m",
      "\u202e",
      "? ",
      "- ",
      "|",
      "\n",
      "  ",
      "!x ",
      '"',
      "string",
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 30 }), (pieces) => {
        const { diagnostics, project } = load(pieces.join(""));
        expect(project === undefined).toBe(diagnostics.some(({ severity }) => severity === "error"));
        const text = formatDiagnostics(diagnostics, "text");
        expect(["\u001b", "\u202e"].filter((character) => text.includes(character))).toEqual([]);
      }),
      { numRuns: 400 },
    );
  });

  const many = (count: number, entry: (index: number) => string): string =>
    Array.from({ length: count }, (_, index) => entry(index)).join("");

  it.each([
    ["a million control characters", `# ${"\u0001".repeat(1_000_000)}`],
    ["eighty thousand unknown names on one line", `tasks: {${many(80_000, (index) => `T${index}: 1,`)}}`],
    [
      "ten thousand unknown words",
      taskFile(`payload: {${many(10_000, (index) => `f${index}: w${index},`)}}`),
    ],
  ])("ends after a thousand problems: %s", (_name, text) => {
    const { diagnostics, project } = load(text.startsWith("version") ? text : `version: 1\n${text}`);
    expect(project).toBeUndefined();
    expect(diagnostics.length).toBeLessThanOrEqual(1002);
    expect(diagnostics.map(({ message }) => message)).toContain(
      "more than 1000 problems; the rest is not shown",
    );
    expect(formatDiagnostics(diagnostics, "text").length).toBeLessThan(1_000_000);
  });

  it("reads a file with very many keys in the time that it takes to read it", () => {
    const { diagnostics, project } = load(
      `version: 1\nqueues: {${many(50_000, (index) => `q${index}: {},`)}}`,
    );
    expect(diagnostics).toEqual([]);
    expect(project?.queues).toHaveLength(50_000);
  });

  it("goes down no endless chain of schemas", () => {
    const chain = many(5000, (index) => `  S${index}: [S${index + 1}]\n`);
    const text = `version: 1\nschemas:\n${chain}  S5000: string\n`;
    expect(problems(text)[0]).toMatch(/^\d+:3 TW105 expected at most 300 schemas/u);
  });

  const CHAIN = "expected at most 300 schemas of which each is reached through the one before";
  it.each([
    [
      "lists in lists",
      () => taskFile(`payload: { b: "string${"[]".repeat(100_000)}" }`),
      "TW105 expected at most 40 levels of nesting",
    ],
    [
      "schemas each of which names the one before",
      () => `version: 1\nschemas:\n  S0: string\n${many(20_000, (index) => `  S${index + 1}: S${index}\n`)}`,
      `TW105 ${CHAIN}`,
    ],
    [
      "a chain of ??",
      () =>
        taskFile(
          `payload: { a: string? }\nidempotency: { key: "\${{ ${"payload.a ?? ".repeat(15_000)}'b' }}", ttl: 1d }`,
        ),
      "TW130 expected at most 4000 characters of expressions in one text",
    ],
    [
      "very many expressions in a text",
      () =>
        taskFile(
          `payload: { a: string }\nidempotency: { key: "${"${{ payload.a }}".repeat(50_000)}", ttl: 1d }`,
        ),
      "TW130 expected at most 4000 characters of expressions in one text",
    ],
    [
      "brackets that hide in quotes",
      () => `version: 1\nx: ${'["]",'.repeat(100_000)}`,
      "TW105 this is nested too deeply",
    ],
  ])("ends in a moment: %s", (_name, text, expected) => {
    const before = process.cpuUsage();
    const found = problems(text());
    const { user, system } = process.cpuUsage(before);
    expect(found.join("\n").slice(0, 1_000_000)).toContain(expected);
    // Of the processor, because the machine may do other things besides.
    expect((user + system) / 1000).toBeLessThan(5000);
  });

  it.each([
    ["a field", "payload: { a: Loop }"],
    ["the payload", "payload: { oneOf: [{ $ref: '#' }, { type: 'null' }] }"],
  ])("finds what refers to itself before an expression reads it: %s", (_name, payload) => {
    const text = `version: 1
schemas:
  Loop: { anyOf: [{ $ref: "#/schemas/Loop" }, { type: "null" }] }
tasks:
  a:b:
    ${payload}
    idempotency: { key: "\${{ payload.a }}", ttl: 1d }
    fairness: { key: "\${{ payload.a.b ?? 'x' }}" }
  c:d: { payload: { a: string } }
schedules:
  x: { task: a:b, cron: "0 * * * *", timezone: UTC, payload: { a: 1 } }
workflows:
  w:x:
    input: { a: Loop }
    steps:
      s: { task: a:b, with: { a: "\${{ input.a }}" } }
      t: { task: c:d, with: { a: "\${{ input.a.b }}" } }
`;
    const found = problems(text);
    expect(found).toContain(
      "3:3 TW120 the schema Loop refers to itself and to nothing else | put a field or a list between",
    );
  });

  it.each(["constructor", "toString", "hasOwnProperty?"])(
    "takes %s for the unknown word that it is",
    (word) => {
      expect(problems(taskFile(`payload: { a: "${word}" }`))).toEqual([
        expect.stringContaining(`TW120 unknown type "${word}"`) as string,
      ]);
    },
  );

  it("keeps a long line and a hostile name out of the frame", () => {
    const text = taskFile(`payload: { f: ${"x".repeat(5000)} }`);
    const [diagnostic] = load(text).diagnostics;
    expect(diagnostic?.frame.length).toBeLessThan(400);
    expect(diagnostic?.message.length).toBeLessThan(200);
  });
});

describe("disk", () => {
  let base = "";
  let root = "";
  const write = async (path: string, text: string): Promise<void> => {
    await mkdir(join(base, path, ".."), { recursive: true });
    await writeFile(join(base, path), text);
  };

  beforeAll(async () => {
    base = await mkdtemp(join(tmpdir(), "weft-load-"));
    root = join(base, "project");
    await write("outside/secret.yaml", taskFile("payload: {}"));
    await write("outside/secret.json", '{"type":"object"}');
    await write("project/tasks/shop.yaml", taskFile("payload: {}"));
    await write(
      "project/tasks/deep/more.yml",
      "version: 1\ntasks: { c: { payload: { $ref: ../../schemas/x.json } } }",
    );
    await write("project/schemas/x.json", '{"type":"object","properties":{"a":{"type":"string"}}}');
    await write("project/tasks/handlers/not-a-definition.yaml", "nonsense");
    await write("project/tasks/$(x).txt", "nonsense");
  });
  afterAll(async () => {
    await rm(base, { recursive: true, force: true });
  });

  it("reads definitions and the schema files they name, but no handlers", async () => {
    const { project, diagnostics } = await loadProject({ root });
    expect(diagnostics).toEqual([]);
    expect(project?.files).toEqual(["schemas/x.json", "tasks/deep/more.yml", "tasks/shop.yaml"]);
    expect(project?.tasks[1]).toMatchObject({
      identifier: "C",
      modulePath: "c",
      source: { file: "tasks/deep/more.yml", line: 2, column: 10 },
    });
  });

  it("refuses links that leave the project, and never shows where it lies", async () => {
    await symlink(join(base, "outside/secret.yaml"), join(root, "tasks/link.yaml"));
    await symlink(join(base, "outside"), join(root, "tasks/folder"));
    await symlink(join(base, "outside/secret.json"), join(root, "schemas/link.json"));
    await write(
      "project/tasks/ref.yaml",
      "version: 1\ntasks: { d: { payload: { $ref: ../schemas/link.json } } }",
    );
    const { project, diagnostics } = await loadProject({ root });
    expect(project).toBeUndefined();
    expect(diagnostics.map(({ file, code, message }) => `${file} ${code} ${message}`)).toEqual([
      "tasks/folder TW109 the link leads out of the project",
      "tasks/link.yaml TW109 the link leads out of the project",
      "tasks/ref.yaml TW123 schemas/link.json is a link that leads out of the project",
    ]);
    expect(JSON.stringify(diagnostics)).not.toContain(base);
  });

  it("walks a folder once, however many links lead to it", async () => {
    const walked = join(base, "circles");
    await write("circles/tasks/z/a.yaml", "version: 1\ntasks: { a: { payload: {} } }");
    for (const name of ["x", "y"]) await symlink(".", join(walked, "tasks", name));
    await symlink("z", join(walked, "tasks/b"));
    const { project, diagnostics } = await loadProject({ root: walked });
    expect(diagnostics).toEqual([]);
    expect(project?.files).toEqual(["tasks/z/a.yaml"]);
  });

  it("does not wait for a pipe", async () => {
    execFileSync("mkfifo", [join(base, "project/tasks/pipe.yaml")]);
    const { diagnostics } = await loadProject({ root });
    await rm(join(base, "project/tasks/pipe.yaml"));
    expect(diagnostics).toContainEqual(
      expect.objectContaining({
        code: "TW109",
        file: "tasks/pipe.yaml",
        message: "expected a plain file, got a pipe, a device or a folder",
      }),
    );
  });

  it("says what to do when there is nothing to read", async () => {
    const missing = await loadProject({ root, tasksDir: "nowhere" });
    expect(missing.diagnostics).toMatchObject([
      { code: "TW109", file: "nowhere", message: "the folder cannot be read: it does not exist" },
    ]);
    await mkdir(join(root, "empty"), { recursive: true });
    const empty = await loadProject({ root, tasksDir: "empty" });
    expect(empty.diagnostics).toMatchObject([{ code: "TW109", hint: 'write one, or run "weft init"' }]);
  });
});
