// What is wrong with a payload is told in a text that a log can hold, whatever the payload.
import { expect, test } from "vitest";
import { z } from "zod";
import { PayloadCheck } from "../../../runtime/client/payload-check.js";
import { PayloadInvalid } from "../../../runtime/errors.js";

function refusal(schema: z.ZodType, payload: unknown): PayloadInvalid {
  try {
    new PayloadCheck<unknown>("some:task", () => schema).check(payload);
  } catch (error) {
    if (error instanceof PayloadInvalid) return error;
    throw error;
  }
  throw new Error("it was accepted");
}

test("of very many problems the first are told, and how many there are", () => {
  const error = refusal(z.object({ ids: z.array(z.int()) }), {
    ids: Array.from({ length: 20_000 }, () => "x"),
  });
  expect(error.problems).toHaveLength(50);
  expect(error.message.split("\n").slice(1, 2)).toEqual([expect.stringContaining("ids[0]: ")]);
  expect(error.message).toMatch(/ids\[49\]: .*\n {2}and 19950 more$/);
});

test("one problem is not longer than a few lines", () => {
  const keys = Object.fromEntries(Array.from({ length: 20_000 }, (_, index) => [`key${index}`, 1]));
  expect(refusal(z.strictObject({}), keys).message.length).toBeLessThan(700);
});

const node: z.ZodType = z.lazy(() => z.object({ next: node.optional() }));

test.each([
  ["a schema that contains itself", node],
  ["a schema that lets anything through", z.unknown()],
])("a value that is nested too deeply for %s is refused", (_what, schema) => {
  let deep: unknown = {};
  for (let depth = 0; depth < 20_000; depth++) deep = { next: deep };
  expect(refusal(schema, deep).message).toMatch(
    /^PayloadInvalid: the payload of some:task .*\n {2}payload: expected a value that/,
  );
});
