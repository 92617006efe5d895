// What a person gives for a step is checked as the runtime would check it: also where zod's own reading of a JSON Schema differs.
import { mkdtempSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { checkEvent, checkOutput } from "../../cli/result-check.js";
import { emitManifest } from "../../codegen/emit/manifest.js";
import { load } from "../codegen/load/load.js";

const FIELDS: readonly (readonly [schema: string, right: unknown, wrong: unknown])[] = [
  ["{ type: string, pattern: '^.$' }", "😀", "ab"],
  ["uuid", "00000000-0000-0000-0000-00000000000a", "0"],
  ["{ type: string, maxLength: 2 }", "😀😀", "😀😀😀"],
  ["{ type: string, minLength: 2 }", "😀😀", "😀"],
  ["{ type: string, pattern: '^\\p{L}+$' }", "Ωmega", "1"],
  ["'string[]?'", ["x"], [1]],
  ["{ enum: [a, 1, null] }", null, "b"],
  ["{ const: a }", "a", "b"],
  [
    "{ type: object, properties: { a: { type: integer, minimum: 2 } }, required: [a] }",
    { a: 2, b: 1 },
    { a: 1 },
  ],
  ["{ type: object, additionalProperties: { type: boolean } }", { a: true }, { a: 1 }],
  ["{ allOf: [{ type: string, minLength: 2 }, { type: string, maxLength: 3 }] }", "abc", "abcd"],
  ["url", "https://a.test", " https://a.test"],
  ["'Node?'", { v: 1, next: { v: 2 } }, { v: 1, next: { v: "x" } }],
  [
    "{ type: array, items: any, uniqueItems: true }",
    [{ a: 1 }, { a: 2 }],
    [
      { a: 1, b: 2 },
      { b: 2, a: 1 },
    ],
  ],
  [
    "{ oneOf: [{ type: string }, { type: object, properties: { a: { type: string } } }] }",
    { a: "x" },
    { a: 1 },
  ],
];

test.each(FIELDS)("%s", async (schema, right, wrong) => {
  const { project, diagnostics } = load(`version: 1
schemas: { Node: { v: integer, next: Node? } }
tasks: { t: { payload: {} } }
events: { e: { payload: { f: ${schema} } } }
workflows:
  w: { input: { f: ${schema} }, steps: { s: { task: t, with: {} } }, output: { f: "\${{ input.f }}" } }
`);
  expect(diagnostics).toEqual([]);
  const root = mkdtempSync(path.join(tmpdir(), "weft-check-"));
  onTestFinished(() => rmSync(root, { recursive: true }));
  mkdirSync(path.join(root, "generated"));
  writeFileSync(
    path.join(root, "generated/manifest.json"),
    emitManifest(project!, new Map(), [], "generated", { name: "taskweft", version: "0" }),
  );
  for (const [check, name] of [
    [checkEvent, "e"],
    [checkOutput, "w"],
  ] as const) {
    expect(await check(root, name, { f: right })).toBe(true);
    await expect(check(root, name, { f: wrong })).rejects.toThrow(/does not fit the schema of/);
    expect(await check(root, "unknown", { f: right })).toBe(false);
  }
});
