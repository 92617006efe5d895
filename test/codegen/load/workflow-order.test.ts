// Workflows in workflows: how large one may become with all that is in it.
import { expect, test } from "vitest";
import { generate } from "../../../codegen/index.js";
import { projectFolder } from "../write/project-folder.js";

const HEAD = "version: 1\ntasks: { a:b: { payload: {} } }\nworkflows:\n";
const WAIT = "{ input: {}, steps: { only: { sleep: 1s } } }";

async function problemsOf(workflows: string): Promise<readonly string[]> {
  const folder = projectFolder({ "tasks/a.yaml": HEAD + workflows });
  const { diagnostics } = await generate({ root: folder.root });
  return diagnostics.map(({ code, line, column, message }) => `${line}:${column} ${code} ${message}`);
}

test("workflows may be nested 8 deep", async () => {
  const chain = (length: number): string =>
    Array.from({ length }, (_none, i) => {
      const steps = i === 0 ? "only: { sleep: 1s }" : `inner: { workflow: w${i - 1} }`;
      return `  w${i}: { input: {}, steps: { ${steps} } }\n`;
    }).join("");
  expect(await problemsOf(chain(9))).toEqual([]);
  expect(await problemsOf(chain(10))).toEqual([
    '13:3 TW217 the workflows in "w9" are nested 9 deep; expected at most 8',
  ]);
});

test("a workflow may have 1000 steps with those of the workflows in it, each as often as it stands there", async () => {
  const steps = (count: number, text: string): string =>
    Array.from({ length: count }, (_none, i) => `s${i}: ${text}`).join(", ");
  const workflows = (outer: number): string =>
    `  inner: { input: {}, steps: { ${steps(99, "{ sleep: 1s }")} } }\n` +
    `  outer: { input: {}, steps: { ${steps(outer, "{ workflow: inner }")} } }\n`;
  expect(await problemsOf(workflows(10))).toEqual([]);
  expect(await problemsOf(workflows(11))).toEqual([
    '5:3 TW217 "outer" has 1100 steps with those of the workflows in it; expected at most 1000',
  ]);
});

test("the order in which they stand makes no difference, nor do several files", async () => {
  const folder = projectFolder({
    "tasks/a.yaml": `${HEAD}  outer: { input: {}, steps: { inner: { workflow: z } } }\n`,
    "tasks/b.yaml": `version: 1\nworkflows:\n  z: ${WAIT}\n`,
  });
  const { diagnostics } = await generate({ root: folder.root });
  expect(diagnostics).toEqual([]);
});
