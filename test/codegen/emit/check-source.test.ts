import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type CheckCache, checkSource, tokenize } from "../../../codegen/emit/index.js";
import { emitWorkflowPicture } from "../../../codegen/emit/workflow-picture.js";
import { statementsOf, syntaxErrors } from "./load-emitted.js";
import { workflowModel } from "./workflow-fixture.js";

describe("refuses what no emitter prints", () => {
  test.each([
    ["a call", "process.exit(1);"],
    ["a call after a statement", 'export { a } from "x"; process.exit(1);'],
    ["a line without a semicolon before it", 'export type A = "x"\nprocess.exit(1);'],
    ["a block on a new line", 'export type A = "x"\n{ process.exit(1) };'],
    ["a bracket on a new line", 'export type A = "x"\n(process.exit(1));'],
    ["a list on a new line", 'export type A = "x"\n[process.exit(1)];'],
    ["a sign on a new line", 'export type A = "x"\n-process.exit(1);'],
    ["a bare import", 'import "evil";'],
    ["another base class", "export class A extends B {}"],
    ["a class with a body", "export class A extends DeclaredError { static { process.exit(1) } }"],
    ["an unclosed string", 'export type A = "x;'],
    ["an unclosed bracket", "export const a: B = {;"],
    ["crossed brackets", "export const a: B = ([)];"],
    ["a regular expression", "export const a: B = /x/;"],
    ["text after the last semicolon", 'export type A = "x"; export'],
    ["an unclosed comment", "export type A = string; /* x"],
  ])("%s", (_name, source) => {
    expect(() => checkSource("generated/a.ts", source)).toThrow("generated/a.ts was not written");
  });

  test.each([
    "<script>alert(1)</script>",
    '  s0["a<img src=x>"]',
    '  s0["a"]; click s0 call f()',
    "[x](javascript:f)",
    "%%{init: {}}%%",
  ])("%s on a page", (line) => {
    const page = ["# Workflows", "", "```mermaid", "flowchart TD", '  s0["a<br>b:c"]', "```", ""];
    expect(() => checkSource("generated/a.md", page.join("\n"))).not.toThrow();
    expect(() => checkSource("generated/a.md", [...page, line].join("\n"))).toThrow("was not written");
  });

  test.each([
    "<script>alert(1)</script>",
    '<text x="1" y="2">a<tspan onclick="f()"/></text>',
    '<rect class="box job" x="1" onload="f()"/>',
    '<a href="https://example.com">',
    "@import url(https://example.com);",
  ])("%s in a picture", async (line) => {
    const text = await emitWorkflowPicture(workflowModel("text").definition);
    expect(() => checkSource("generated/a.svg", text)).not.toThrow();
    expect(() => checkSource("generated/a.svg", `${text}${line}\n`)).toThrow("was not written");
  });

  test("broken JSON", () => {
    expect(() => checkSource("generated/a.json", "{")).toThrow("was not written");
  });
});

// Small pieces that meet all the traps: what one reader takes for a string must be a string for the other.
const traps = fc.constantFrom(
  ..."export const a: B = |{|}|(|)|[|]|;|,|\n|\"|'|`|${|\\|// x|/* x */|*/|1.5e+3|?.|=>|...|name|export type A = |\u2028| ".split(
    "|",
  ),
);
/** Texts that are whole in themselves: around traps alone, hardly one text in sixty is TypeScript. */
const wholes = fc.constantFrom(
  "| string",
  "| 'x'",
  "| { a: 1 }",
  "| [b]",
  "| (c)",
  "| `d`",
  "/* e */",
  "// f\n",
);
const parts = fc.oneof(
  { weight: 1, arbitrary: fc.array(traps, { maxLength: 12 }) },
  { weight: 1, arbitrary: fc.array(fc.oneof({ weight: 4, arbitrary: wholes }, traps), { maxLength: 8 }) },
);

test("never passes what TypeScript does not parse, or splits otherwise", () => {
  let passed = 0;
  fc.assert(
    fc.property(parts, (texts) => {
      const source = `export type A = ${texts.join(" ")};\nexport const b: C = {};\n`;
      try {
        checkSource("a.ts", source);
      } catch {
        return;
      }
      const statements = statementsOf(source);
      if (syntaxErrors(source).length > 0) return;
      passed++;
      expect(statements.every((line) => /^export (type|const) /.test(line))).toBe(true);
    }),
    { numRuns: 2000 },
  );
  expect(passed).toBeGreaterThan(20);
});

test("tells strings, comments and templates from code", () => {
  const kinds = tokenize('a /* `b` */ \'c // d\' `e ${f + `g`} h` // i\n"\\"j" / 2').map((token) => [
    token.kind,
    token.text,
  ]);
  expect(kinds).toEqual([
    ["name", "a"],
    ["string", "'c // d'"],
    ["template", "`e ${"],
    ["name", "f"],
    ["punctuation", "+"],
    ["template", "`g`"],
    ["template", "} h`"],
    ["string", '"\\"j"'],
    ["punctuation", "/"],
    ["number", "2"],
  ]);
});

test("judges an edited file as one that it reads for the first time", () => {
  const judge = (source: string, cache?: CheckCache): boolean => {
    try {
      checkSource("a.ts", source, cache);
      return true;
    } catch {
      return false;
    }
  };
  const sourceOf = (texts: readonly string[]): string =>
    `export type A = ${texts.join(" ")};\nexport const b: C = {};\nexport type D = ${texts.toReversed().join(" ")};\n`;
  fc.assert(
    fc.property(parts, parts, (before, after) => {
      const cache: CheckCache = new Map();
      judge(sourceOf(before), cache);
      // Halves of the old text and of the new one, as an edit leaves them.
      const edited = sourceOf([...before, ...after]);
      expect(judge(edited, cache)).toBe(judge(edited));
    }),
    { numRuns: 2000 },
  );
});

test("does not look again at parts that have passed", () => {
  const many = Array.from(
    { length: 2000 },
    (_, i) => `export type T${i} = { a: string; b: [number, "x"] };`,
  ).join("\n");
  const cache: CheckCache = new Map();
  checkSource("a.ts", many, cache);
  const passed = cache.get("a.ts");
  expect(passed?.size).toBe(2000);
  expect(() => checkSource("a.ts", `${many}\nprocess.exit(1);`, cache)).toThrow("was not written");
  expect(cache.get("a.ts")).toBe(passed);
});
