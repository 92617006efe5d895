// The emitted validators, and the one that codegen itself uses for payloads in YAML, against ajv, which reads the exported
// JSON Schema: all must accept the same values.
import { runInNewContext } from "node:vm";
import { Ajv } from "ajv";
import formats from "ajv-formats";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { plainSchema } from "../../../codegen/emit/plain-schema.js";
import { payloadValidator } from "../../../codegen/load/payload-validator.js";
import type { JsonSchema, JsonSchemaNode } from "../../../codegen/model/json-schema.js";
import type { EmittedSchemas } from "./load-emitted.js";
import { integer, object, schema, string } from "./project-fixture.js";
import { definitions, fitting, keys, node, scalars, validators } from "./schema-samples.js";

/** As in a load, where a name leads to its definition. */
function loaded({ root, definitions: named }: JsonSchema): ReturnType<EmittedSchemas["payloadStrict"]> {
  const schemas = new Map(named.map(({ name, schema: definition }) => [name, definition]));
  return payloadValidator(root, (one) => (one.kind === "ref" ? schemas.get(one.name) : one));
}

const ajv = new Ajv({ strict: false });
formats.default(ajv);

function ajvAccepts(payload: JsonSchema): (value: unknown) => boolean {
  return ajv.compile(plainSchema(payload));
}

function accepts(validator: ReturnType<EmittedSchemas["payloadStrict"]>, value: unknown): boolean {
  return validator.safeParse(value).success;
}

const values = fc.oneof(
  fc.constantFrom(...scalars),
  fc.dictionary(fc.constantFrom(...keys), fc.constantFrom(...scalars), { noNullPrototype: true }),
);

describe("strict validators", () => {
  test("accept exactly what the JSON Schema accepts", () => {
    let accepted = 0;
    const cases = node.chain((root) =>
      fc.tuple(fc.constant(root), fc.array(fc.oneof(fitting(root), values), { maxLength: 8 })),
    );
    fc.assert(
      fc.property(cases, ([root, candidates]) => {
        const payload = schema(root, definitions);
        const reference = ajvAccepts(payload);
        const { payloadStrict, payloadFits } = validators(payload);
        const ofLoad = loaded(payload);
        for (const value of candidates) {
          const expected = reference(value);
          if (expected) accepted++;
          const fits = payloadFits === undefined ? expected : payloadFits(value);
          expect({ value, fits }).toEqual({ value, fits: expected });
          expect({ value, accepted: accepts(payloadStrict(), value) }).toEqual({ value, accepted: expected });
          expect({ value, inYaml: accepts(ofLoad, value) }).toEqual({ value, inYaml: expected });
        }
      }),
      { numRuns: 100 },
    );
    // Otherwise the test would compare nothing but refusals.
    expect(accepted).toBeGreaterThan(10);
  });

  test.each([
    [
      "uuid",
      ["123e4567-e89b-12d3-a456-426614174000", "00000000-0000-0000-0000-000000000001", "123e4567", ""],
    ],
    ["email", ["a@example.com", "first.last@sub.example.com", "a", "a@", "@b.c", ""]],
    ["uri", ["https://example.com/a?b=c#d", "mailto:a@example.com", " https://example.com", "example", ""]],
    ["date", ["2024-02-29", "2023-02-29", "2023-13-01", "23-01-01", ""]],
    [
      "date-time",
      ["2024-02-29T12:00:00Z", "2024-01-01T00:00:00.5+01:00", "2023-02-29T00:00:00Z", "2024-01-01", ""],
    ],
  ] as const)("agree on the format %s", (format, texts) => {
    const payload = schema({ kind: "string", format });
    const reference = ajvAccepts(payload);
    const { payloadStrict } = validators(payload);
    const outcome = texts.map((text) => [text, accepts(payloadStrict(), text)]);
    expect(outcome).toEqual(texts.map((text) => [text, reference(text)]));
    expect(texts.map((text) => [text, accepts(loaded(payload), text)])).toEqual(outcome);
  });

  test("name the place and the reason", () => {
    const { payloadStrict } = validators(
      schema(object({ lines: { kind: "array", items: object({ sku: string }) } })),
    );
    const outcome = payloadStrict().safeParse({ lines: [{ sku: 1 }], extra: 1 });
    expect(
      outcome.success ? [] : outcome.error.issues.map(({ path, message }) => [path.join("."), message]),
    ).toEqual([
      ["lines.0.sku", "Invalid input: expected string, received number"],
      ["", 'Unrecognized key: "extra"'],
    ]);
  });

  test("match no pattern against a text that is too long for it", () => {
    const bounded: JsonSchemaNode = { kind: "string", pattern: "^[a-c]*$", minLength: 2, maxLength: 5 };
    const { payloadStrict } = validators(schema(object({ text: bounded })));
    const messages = (text: string): readonly string[] => {
      const parsed = payloadStrict().safeParse({ text });
      return parsed.success ? [] : parsed.error.issues.map(({ message }) => message);
    };
    // A pattern that is matched says so, also beside another problem.
    expect(messages("x")).toEqual([
      expect.stringContaining("must match pattern"),
      expect.stringContaining("Too small"),
    ]);
    expect(messages("x".repeat(6))).toEqual([expect.stringContaining("Too big")]);
    expect(messages("abcab")).toEqual([]);
  });

  test("tell the branches of a union by their tag", () => {
    const branches = ["card", "iban"].map((kind) =>
      object({ kind: { kind: "enum", values: [kind] }, number: string }),
    );
    const { payloadStrict } = validators(
      schema({ kind: "union", exclusive: true, discriminator: "kind", branches }),
    );
    expect(accepts(payloadStrict(), { kind: "iban", number: "1" })).toBe(true);
    const wrong = payloadStrict().safeParse({ kind: "cash", number: "1" });
    expect(wrong.success ? "" : wrong.error.issues[0]?.message).toContain("'card' | 'iban'");
  });
});

describe("loose validators", () => {
  const closed = schema(object({ a: string, "inner?": object({ b: string }) }));

  test("ignore keys that they do not know, at any depth", () => {
    const { payloadLoose, payloadStrict } = validators(closed);
    const value = { a: "x", more: 1, inner: { b: "y", more: 2 } };
    expect(accepts(payloadLoose(), value)).toBe(true);
    expect(accepts(payloadStrict(), value)).toBe(false);
    expect(payloadLoose().safeParse(value)).toMatchObject({ success: true, data: value });
  });

  test("still refuse wrong and missing fields", () => {
    const { payloadLoose } = validators(closed);
    expect(accepts(payloadLoose(), { a: 1 })).toBe(false);
    expect(accepts(payloadLoose(), {})).toBe(false);
  });

  test("take a value that fits two branches only because unknown keys are ignored", () => {
    const branches = [object({ a: string }), object({ a: string, b: string })];
    const { payloadLoose } = validators(schema({ kind: "union", exclusive: true, branches }));
    expect(accepts(payloadLoose(), { a: "x", b: "y" })).toBe(true);
  });
});

describe("objects that are no maps", () => {
  const open = schema(object({}, true));
  const typed = schema(object({ "a?": integer }, integer));
  const inner = schema(object({ "m?": object({}, true) }));
  const told = schema({
    kind: "union",
    exclusive: true,
    discriminator: "kind",
    branches: ["a", "b"].map((kind) => object({ kind: { kind: "enum", values: [kind] } }, true)),
  });
  const of = (payload: JsonSchema, value: unknown) => {
    const checked = validators(payload).payloadStrict().safeParse(value);
    return checked.success
      ? { success: true, data: checked.data, issues: [] }
      : { success: false, data: undefined, issues: checked.error.issues };
  };

  test.each([
    ["Date", new Date()],
    ["Map", new Map([["a", 1]])],
    ["Error", new Error("x")],
    ["RegExp", /x/u],
    ["Buffer", Buffer.from("x")],
    // An own __proto__.
    ["Object", JSON.parse('{ "__proto__": { "a": "x" } }') as unknown],
  ])("an unfit %s is refused where other keys are allowed", (name, value) => {
    for (const payload of [open, typed]) {
      const { issues } = of(payload, value);
      expect(issues.map(({ message }) => message)).toEqual([
        `Invalid input: expected a plain object without a key __proto__, received ${name}`,
      ]);
    }
    expect(of(inner, { m: value }).issues[0]?.path).toEqual(["m"]);
  });

  test("plain ones of any realm and without a prototype are accepted, and others are told as before", () => {
    for (const value of [
      { a: 1 },
      Object.assign(Object.create(null) as object, { a: 1 }),
      runInNewContext("({ a: 1 })"),
    ]) {
      expect(of(open, value).data).toEqual({ a: 1 });
      expect(of(typed, value).success).toBe(true);
    }
    expect(of(open, "x").issues[0]?.message).toBe("Invalid input: expected object, received string");
    expect(of(inner, {}).success).toBe(true);
  });

  test("where a key tells which one it is, too", () => {
    expect(of(told, { kind: "a", more: 1 }).success).toBe(true);
    expect(of(told, Object.assign(new Date(), { kind: "a" })).success).toBe(false);
    expect(of(told, { kind: "c" }).issues[0]?.path).toEqual(["kind"]);
  });
});
