import fc from "fast-check";
import { expect, test } from "vitest";
import { checkSource } from "../../../codegen/emit/index.js";
import { emitWorkflowPicture } from "../../../codegen/emit/workflow-picture.js";
import type { WorkflowDefinition, WorkflowStep } from "../../../runtime/definition/index.js";

const job = (task: string): NonNullable<WorkflowStep["job"]> => ({
  task,
  queue: "default",
  hash: "00000000",
  payload: ["object", {}],
});

/** Steps with names of different length, each of which needs any of the steps before it. */
const workflows = fc
  .array(
    fc.record({
      needs: fc.array(fc.nat(), { maxLength: 4 }),
      compensated: fc.boolean(),
      length: fc.nat({ max: 30 }),
    }),
    { minLength: 1, maxLength: 25 },
  )
  .map((drafts): WorkflowDefinition => {
    const name = (index: number): string => `s${index}${"x".repeat(drafts[index]?.length ?? 0)}`;
    const steps = drafts.map(({ needs, compensated }, index): WorkflowStep => ({
      name: name(index),
      needs: index === 0 ? [] : [...new Set(needs.map((need) => name(need % index)))],
      job: job("a:task"),
      ...(compensated ? { compensate: job("a:undo") } : {}),
    }));
    return { name: "a:flow", hash: "00000000", queue: "default", steps, keepMs: 1000 };
  });

test("any workflow has a picture, with all of its boxes and arrows within the frame", async () => {
  let beyond = 0;
  await fc.assert(
    fc.asyncProperty(workflows, async (definition) => {
      const text = await emitWorkflowPicture(definition);
      expect(() => checkSource("generated/a.svg", text)).not.toThrow();
      const [left = 0, , width = 0] = numbers(/ viewBox="([^"]+)"/.exec(text)?.[1]);
      const arrows = Array.from(text.matchAll(/<path class="arrow .* d="([^"]+)"/g), ([, line]) => line);
      const boxes = Array.from(text.matchAll(/<rect .* x="(\d+)" .* width="(\d+)"/g), ([, x, wide]) => [
        Number(x),
        Number(x) + Number(wide),
      ]);
      const places = [
        ...boxes.flat(),
        ...arrows.flatMap((line) => numbers(line).filter((_number, index) => index % 2 === 0)),
      ];
      expect(Math.min(...places)).toBeGreaterThan(left);
      expect(Math.max(...places)).toBeLessThan(left + width);
      if (left < 0) beyond++;
    }),
    { numRuns: 150 },
  );
  // The layout itself frames the boxes alone; otherwise the test would show nothing.
  expect(beyond).toBeGreaterThan(0);
});

function numbers(text = ""): number[] {
  return Array.from(text.matchAll(/-?\d+/g), Number);
}
