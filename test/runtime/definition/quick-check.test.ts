// What generated code makes of a schema and its quick check.
import { describe, expect, test } from "vitest";
import { defineEvent, defineSchemas, fit } from "../../../runtime/definition/index.js";
import { defineWorkflow, z } from "../../../runtime/generated-v1.js";

describe("a schema with a quick check", () => {
  const built: string[] = [];
  const schema = (name: string) => () => {
    built.push(name);
    return z.strictObject({ n: z.int() });
  };
  const fits = (value: { readonly n: unknown }) => fit.closed(value, 1) && Number.isSafeInteger(value.n);
  const { payloadStrict, payloadLoose, result } = defineSchemas({
    payloadFits: fits,
    payloadStrict: schema("strict"),
    payloadLoose: () => z.looseObject({ n: z.int() }),
    result: schema("result"),
  });

  test("is not built for values that fit, which stay what they are", () => {
    const value = { n: 1 };
    const checked = payloadStrict().safeParse(value);
    expect(checked.success && checked.data).toBe(value);
    expect(built).toEqual([]);
  });

  test("says what is wrong with other values, and is built once", () => {
    const validator = payloadStrict();
    const checks = [validator.safeParse({ n: "1" }), validator.safeParse({ n: 1, more: 2 })];
    expect(
      checks.flatMap((checked) => (checked.success ? [] : checked.error.issues.map(({ path }) => path))),
    ).toEqual([["n"], []]);
    expect(built).toEqual(["strict"]);
  });

  test("accepts what the quick check does not know", () => {
    expect(payloadLoose().safeParse({ n: 1, more: 2 })).toEqual({ success: true, data: { n: 1, more: 2 } });
  });

  test("sees every value where there is no quick check", () => {
    expect(result?.().safeParse({ n: 1 })).toEqual({ success: true, data: { n: 1 } });
    expect(built).toContain("result");
  });

  test("is that of events and of the inputs of workflows, too", () => {
    const value = { n: 1 };
    const never = () => {
      throw new Error("nobody should ask the schema");
    };
    const event = defineEvent({ name: "a", payloadFits: fits, payload: never, observers: [] });
    const definition = { name: "w", hash: "00000000", queue: "q", steps: [], keepMs: 0 };
    const workflow = defineWorkflow({ definition, inputFits: fits, input: never });
    for (const validator of [event.payload(), workflow.input()]) {
      const checked = validator.safeParse(value);
      expect(checked.success && checked.data).toBe(value);
    }
  });
});
