// The emitted validators, and the one that codegen itself uses for payloads in YAML, against ajv, which reads the exported
// JSON Schema: all must accept the same values.
import { runInNewContext } from "node:vm";
import { Ajv } from "ajv";
import formats from "ajv-formats";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { emitSchemas, schemaTexts } from "../../../codegen/emit/schemas.js";
import { allocateTypeNames } from "../../../codegen/emit/type-names.js";
import { plainSchema } from "../../../codegen/emit/plain-schema.js";
import { payloadValidator } from "../../../codegen/load/payload-validator.js";
import type { JsonSchema, JsonSchemaNode } from "../../../codegen/model/json-schema.js";
import { integer, object, paths, projectModel, schema, string, taskModel } from "./project-fixture.js";
import { type EmittedSchemas, loadSchemas } from "./load-emitted.js";

function validators(payload: JsonSchema): EmittedSchemas {
  const task = taskModel("a:task", { payload });
  const texts = schemaTexts(task, allocateTypeNames(projectModel(task)));
  return loadSchemas(emitSchemas(paths.schemas(task), [texts], paths));
}

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

const definitions = {
  Money: object({ amount: { kind: "number", integer: true, minimum: 1 }, "note?": string }),
  Tree: object({ name: string, "children?": { kind: "array", items: { kind: "ref", name: "Tree" } } }),
} as const satisfies Record<string, JsonSchemaNode>;

const keys = ["a", "b", "c-d", "name", "amount"] as const;
const scalars = [
  null,
  true,
  false,
  0,
  1,
  2,
  -1,
  1.5,
  9,
  "",
  "a",
  "ab",
  "abc",
  "\u{1F600}\u{1F600}",
  "x y",
] as const;

const bound = fc.option(fc.integer({ min: -2, max: 9 }), { nil: undefined });
const length = fc.option(fc.integer({ min: 0, max: 3 }), { nil: undefined });

/** Leaves out the keys without a value, as the model does. */
function defined<T extends object>(value: T): T {
  return Object.fromEntries(Object.entries(value).filter(([, member]) => member !== undefined)) as T;
}

const { node } = fc.letrec<{ node: JsonSchemaNode }>((tie) => ({
  node: fc.oneof(
    { maxDepth: 3, depthIdentifier: "schema" },
    fc.constantFrom<JsonSchemaNode>({ kind: "any" }, { kind: "null" }, { kind: "boolean" }, integer, string),
    fc.constantFrom<JsonSchemaNode>({ kind: "ref", name: "Money" }, { kind: "ref", name: "Tree" }),
    fc
      .record({
        integer: fc.boolean(),
        minimum: bound,
        exclusiveMaximum: bound,
        multipleOf: fc.constantFrom(undefined, 2, 3),
      })
      .map((rest) => defined({ kind: "number", ...rest }) as JsonSchemaNode),
    fc
      .record({ minLength: length, maxLength: length, pattern: fc.constantFrom(undefined, "^a", "\\d|b") })
      .map((rest) => defined({ kind: "string", ...rest }) as JsonSchemaNode),
    fc
      .uniqueArray(fc.constantFrom(...scalars), { minLength: 1, maxLength: 4 })
      .map((values) => ({ kind: "enum" as const, values })),
    fc
      .record({
        items: tie("node"),
        minItems: length,
        maxItems: length,
        uniqueItems: fc.constantFrom(undefined, true),
      })
      .map((rest) => defined({ kind: "array", ...rest }) as JsonSchemaNode),
    fc
      .record({
        fields: fc.dictionary(fc.constantFrom(...keys, ...keys.map((key) => `${key}?`)), tie("node"), {
          maxKeys: 3,
        }),
        additional: fc.oneof(fc.boolean(), tie("node")),
      })
      .map(({ fields, additional }) => {
        const optional = Object.entries(fields).filter(([key]) => !(`${key}?` in fields));
        return object(Object.fromEntries(optional), additional);
      }),
    fc
      .record({ exclusive: fc.boolean(), branches: fc.array(tie("node"), { minLength: 1, maxLength: 3 }) })
      .map((rest) => ({ kind: "union" as const, ...rest })),
    fc
      .array(tie("node"), { minLength: 1, maxLength: 2 })
      .map((branches) => ({ kind: "intersection" as const, branches })),
  ),
}));

/** A value that is likely to fit the node. */
function fitting(schemaNode: JsonSchemaNode, depth = 0): fc.Arbitrary<unknown> {
  switch (schemaNode.kind) {
    case "any":
    case "null":
    case "boolean":
    case "number":
    case "string":
      return fc.constantFrom(...scalars);
    case "enum":
      return fc.constantFrom(...schemaNode.values);
    case "array":
      return fc.array(fitting(schemaNode.items, depth + 1), { maxLength: 3 });
    case "object": {
      const extra =
        typeof schemaNode.additional === "boolean"
          ? fc.constant(1)
          : fitting(schemaNode.additional, depth + 1);
      const fields = schemaNode.properties.map(
        ({ name, schema: inner }) => [name, fitting(inner, depth + 1)] as const,
      );
      const shape: Record<string, fc.Arbitrary<unknown>> = { ...Object.fromEntries(fields), zz: extra };
      return fc.record(shape, { noNullPrototype: true, requiredKeys: fields.map(([name]) => name) });
    }
    case "union":
    case "intersection":
      return fc.oneof(...schemaNode.branches.map((branch) => fitting(branch, depth + 1)));
    case "ref":
      return depth > 4
        ? fc.constant({})
        : fitting(definitions[schemaNode.name as "Money" | "Tree"], depth + 1);
  }
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
        const { payloadStrict } = validators(payload);
        const ofLoad = loaded(payload);
        for (const value of candidates) {
          const expected = reference(value);
          if (expected) accepted++;
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
