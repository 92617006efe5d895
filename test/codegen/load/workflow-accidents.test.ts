// Whatever an edit leaves of a definition, loading it ends with problems or a project, never with an exception.
import { readFileSync } from "node:fs";
import fc from "fast-check";
import { expect, it } from "vitest";
import { load } from "./load.js";

const CASES = ["workflows", "workflow-mistakes"].map((name) =>
  readFileSync(new URL(`../../golden/${name}/tasks/shop.yaml`, import.meta.url), "utf8"),
);
const WORDS = [...new Set(CASES.join(" ").match(/[A-Za-z:]+|\$\{\{|\}\}|[{}[\],]/gu))];

it("holds for words that go missing or stand for each other", () => {
  const edit = fc.record({ at: fc.nat(), word: fc.constantFrom("", "null", "5", "[]", "{}", ...WORDS) });
  fc.assert(
    fc.property(fc.constantFrom(...CASES), fc.array(edit, { minLength: 1, maxLength: 4 }), (text, edits) => {
      const parts = text.split(/([A-Za-z:]+|\$\{\{|\}\}|[{}[\],])/u);
      for (const { at, word } of edits) {
        const index = 2 * (at % Math.floor(parts.length / 2)) + 1;
        parts[index] = word;
      }
      const { project, diagnostics } = load(parts.join(""));
      const errors = diagnostics.filter((diagnostic) => diagnostic.severity === "error");
      expect(project === undefined).toBe(errors.length > 0);
    }),
    { numRuns: 400 },
  );
}, 60_000);
