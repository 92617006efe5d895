import { describe, expect, it } from "vitest";
import type { JsonSchemaNode } from "../../../codegen/model/json-schema.js";
import { load, problems, taskFile, taskOf } from "./load.js";

const SCHEMAS =
  "version: 1\nschemas: { Money: { amount: integer, currency: { enum: [NGN, EUR] } }, Node: { next: Node?, value: string } }";
const payload = (text: string, files: Record<string, string> = {}) =>
  taskOf(taskFile(`payload: ${text}`, SCHEMAS), files).payload;
const wrong = (text: string, files: Record<string, string> = {}): string[] =>
  problems(taskFile(`payload: ${text}`, SCHEMAS), files).map((line) => line.replace(/^\d+:/u, ""));
const field = (text: string): JsonSchemaNode | undefined => {
  const { root } = payload(`{ f: ${text} }`);
  return root.kind === "object" ? root.properties[0]?.schema : undefined;
};

describe("short-hand", () => {
  it.each([
    ["any", { kind: "any" }],
    ["boolean", { kind: "boolean" }],
    ["date-time", { kind: "string", format: "date-time" }],
    ["integer", { kind: "number", integer: true }],
    ["object", { kind: "object", properties: [], additional: true }],
    ["url", { kind: "string", format: "uri" }],
    ["[string]", { kind: "array", items: { kind: "string" } }],
    ['"uuid[][]"', { kind: "array", items: { kind: "array", items: { kind: "string", format: "uuid" } } }],
    ["Money", { kind: "ref", name: "Money" }],
    ["{ enum: [EUR, 1, true, null] }", { kind: "enum", values: ["EUR", 1, true, null] }],
    ["{ const: x }", { kind: "enum", values: ["x"] }],
    [
      "{ type: integer, minimum: 1, x-sensitive: true }",
      { kind: "number", integer: true, minimum: 1, sensitive: true },
    ],
    ["{ type: email, maxLength: 9 }", { kind: "string", format: "email", maxLength: 9 }],
    ["{ type: Money, description: Total. }", { kind: "ref", name: "Money", description: "Total." }],
    [
      '{ type: [string, "null"], maxLength: 3 }',
      { kind: "union", exclusive: false, branches: [{ kind: "string", maxLength: 3 }, { kind: "null" }] },
    ],
    [
      "{ type: array, items: Money, minItems: 1 }",
      { kind: "array", items: { kind: "ref", name: "Money" }, minItems: 1 },
    ],
    [
      "{ type: object, additionalProperties: number }",
      { kind: "object", properties: [], additional: { kind: "number", integer: false } },
    ],
    [
      "{ a: string, b: { c: integer } }",
      {
        kind: "object",
        additional: false,
        properties: [
          { name: "a", required: true, schema: { kind: "string" } },
          {
            name: "b",
            required: true,
            schema: {
              kind: "object",
              additional: false,
              properties: [{ name: "c", required: true, schema: { kind: "number", integer: true } }],
            },
          },
        ],
      },
    ],
  ])("%s", (text, expected) => {
    expect(field(text)).toEqual(expected);
  });

  it("makes a field optional by ? after its word, its details or its key", () => {
    const { root } = payload('{ a: string?, b: { type: "integer?", minimum: 1 }, c?: [string], d: string }');
    const required =
      root.kind === "object" ? root.properties.map(({ name, required }) => [name, required]) : [];
    expect(required).toEqual([
      ["a", false],
      ["b", false],
      ["c", false],
      ["d", true],
    ]);
  });

  it("takes a field named type at the root, where it is no keyword", () => {
    expect(payload("{ type: string, id: string }").root).toMatchObject({
      properties: [{ name: "type" }, { name: "id" }],
    });
  });

  it("lists what a name reaches, and recursion through names", () => {
    expect(payload("{ m: Money, n: Node }").definitions.map(({ name }) => name)).toEqual(["Money", "Node"]);
    expect(payload("Money").root.kind).toBe("object");
    expect(payload("Node")).toMatchObject({ root: { kind: "object" }, definitions: [{ name: "Node" }] });
  });

  it.each([
    ["{ f: strng }", '19 TW120 unknown type "strng" | did you mean "string"?'],
    ["{ f: int }", '19 TW120 unknown type "int" | did you mean "integer"?'],
    ["{ f: Mony }", '19 TW120 unknown type "Mony" | did you mean "Money"?'],
    [
      "{ f: [string, number] }",
      "19 TW120 expected a list with one type, got 2 entries | write [string], or { enum: [a, b] } for a choice",
    ],
    ["{ f: [string?] }", '20 TW120 "string?" cannot be optional here: only fields can | delete the ?'],
    [
      "{ f: { type: string, id: string } }",
      '35 TW120 "id" beside "type: string" can be a field or a keyword',
    ],
    [
      "{ f: { type: string, minlength: 3 } }",
      '35 TW121 the JSON Schema keyword "minlength" is not supported | did you mean "minLength"?',
    ],
    ["{ f: { type: Money, minimum: 3 } }", '34 TW121 "minimum" has no place beside "type: Money"'],
    ["{ f: string, f?: string }", '27 TW106 the field "f" stands twice | delete one of them'],
    ["string", "14 TW120 expected a payload with fields (an object)"],
    ["{ __proto__: string }", '16 TW101 the key "__proto__" is not allowed'],
  ])("%s", (text, expected) => {
    expect(wrong(text)).toEqual([expect.stringContaining(expected)]);
  });
});

describe("JSON Schema", () => {
  const schema = (body: string): string => `{ type: object, properties: { f: ${body} } }`;
  const inFull = (body: string): JsonSchemaNode | undefined => {
    const { root } = payload(schema(body));
    return root.kind === "object" ? root.properties[0]?.schema : undefined;
  };

  it("is open where the short-hand is closed, and optional where it is required", () => {
    expect(payload(schema("{ type: string }")).root).toEqual({
      kind: "object",
      additional: true,
      properties: [{ name: "f", required: false, schema: { kind: "string" } }],
    });
  });

  it("finds what tells the branches of a union apart", () => {
    const branch = (tag: string): string =>
      `{ type: object, properties: { kind: { const: ${tag} } }, required: [kind] }`;
    expect(inFull(`{ oneOf: [${branch("a")}, ${branch("b")}] }`)).toMatchObject({
      kind: "union",
      exclusive: true,
      discriminator: "kind",
    });
    expect(inFull(`{ anyOf: [${branch("a")}, ${branch("a")}] }`)).not.toHaveProperty("discriminator");
  });

  it("makes siblings of a combiner an intersection", () => {
    expect(
      inFull(
        "{ type: object, properties: { a: { type: string } }, anyOf: [{ type: object }, { type: object }] }",
      ),
    ).toMatchObject({
      kind: "intersection",
      branches: [{ kind: "object" }, { kind: "union" }],
    });
  });

  it.each([
    [
      "{ type: strng }",
      'TW120 type: expected array, boolean, integer, null, number, object or string, got "strng" | did you mean "string"?',
    ],
    [
      "{ type: string, minimum: 1 }",
      'TW121 "minimum" has no effect on type string | it belongs to type integer or number',
    ],
    [
      "{ type: string, default: x }",
      'TW121 the JSON Schema keyword "default" is not supported | defaults are not applied',
    ],
    ["{ type: string, tsType: x }", 'TW121 the JSON Schema keyword "tsType" is not supported'],
    ["{ not: { type: string } }", 'TW121 the JSON Schema keyword "not" is not supported'],
    [
      "{ type: array, prefixItems: [] , items: true }",
      'TW121 the JSON Schema keyword "prefixItems" is not supported',
    ],
    ["{ type: array, items: [{ type: string }] }", "TW121 tuples (items: [...]) are not supported"],
    ["{ type: array }", 'TW120 missing "items"'],
    ["{ minLength: 3 }", 'TW120 missing "type" | add "type: string"'],
    ["{ type: object, required: [a] }", 'TW120 required names "a", which properties does not have'],
    [
      "{ type: object, properties: { amount: { type: number } }, required: [amout] }",
      'did you mean "amount"?',
    ],
    ["{ type: string, format: ipv4 }", 'TW121 the format "ipv4" is not enforced'],
    [
      "{ type: integer, minimum: 3, maximum: 2 }",
      "TW120 no number fits: it must be at least 3 and at most 2",
    ],
    ["{ type: string, minLength: 3, maxLength: 2 }", "TW120 nothing fits: minLength is 3 and maxLength is 2"],
    ["{ type: string, minLength: -1 }", "TW120 minLength: expected a whole number from 0, got -1"],
    ["{ type: integer, enum: [1, a] }", 'TW120 "a" is not of type integer'],
    ["{ enum: [a, a] }", 'TW120 "a" stands twice'],
    ["{ enum: [[a]] }", "TW120 expected text, a number, true, false or null, got a list"],
    ["{ oneOf: [] }", "TW120 oneOf: expected a list of schemas, got an empty one"],
    ["{ enum: [] }", "TW120 enum: expected a list of values, got an empty one"],
    ["uuid", 'TW120 expected a JSON Schema (a map), got "uuid"'],
    ["{ $ref: '#/schemas/Mony' }", 'TW123 no schema "Mony" in schemas | did you mean "Money"?'],
    ["{ $ref: '#/schemas/Money', type: string }", 'TW121 "type" beside "$ref" is not supported'],
    ["{ type: string, pattern: '(' }", "TW122 the pattern does not compile"],
    ["{ type: string, pattern: '(a+)+$' }", "TW122 the pattern repeats a group"],
  ])("%s", (body, expected) => {
    expect(wrong(schema(body))).toEqual([expect.stringContaining(expected)]);
  });
});

describe("a field that every JavaScript object has", () => {
  it.each([
    ["tasks:\n  a: { payload: { b: string, list: [{ constructor: string }] } }", "3:39"],
    ["tasks:\n  a: { payload: { type: object, properties: { toString: { type: string } } } }", "3:47"],
    ["schemas:\n  Money: { valueOf: integer }", "3:12"],
    ["tasks:\n  t: { payload: {} }\nevents:\n  e: { payload: { toString?: string } }", "5:19"],
  ])("is refused where it stands: %j", (text, at) => {
    const { diagnostics } = load(`version: 1\n${text}\n`);
    expect(diagnostics.map(({ code, line, column }) => [code, `${line}:${column}`])).toEqual([["TW302", at]]);
    expect(diagnostics[0]?.frame).toContain("^");
  });
});

describe("$ref to files", () => {
  const ORDER = JSON.stringify(
    {
      $schema: "http://json-schema.org/draft-07/schema#",
      type: "object",
      properties: { to: { $ref: "#/$defs/Address" }, children: { type: "array", items: { $ref: "#" } } },
      required: ["to"],
      $defs: { Address: { type: "object", properties: { city: { type: "string" } } } },
    },
    undefined,
    "\t",
  );
  const files = { "tasks/schemas/order.schema.json": ORDER };

  it("unfolds the root, names what it reaches, and lists the file", () => {
    const text = taskFile("payload: { $ref: ./schemas/order.schema.json }");
    const { payload: schema } = taskOf(text, files);
    expect(schema.root).toMatchObject({
      kind: "object",
      properties: [{ name: "to", schema: { kind: "ref", name: "OrderAddress" } }, {}],
    });
    expect(schema.definitions.map(({ name }) => name)).toEqual(["Order", "OrderAddress"]);
  });

  it("follows #/$defs of a file", () => {
    const text = taskFile("payload: { $ref: './schemas/order.schema.json#/$defs/Address' }");
    expect(taskOf(text, files).payload.root).toMatchObject({
      kind: "object",
      properties: [{ name: "city" }],
    });
  });

  it("points into the schema file when the mistake is there", () => {
    const broken = { "tasks/schemas/order.schema.json": ORDER.replace('"string"', '"strng"') };
    const found = problems(taskFile("payload: { $ref: ./schemas/order.schema.json }"), broken);
    expect(found).toEqual([expect.stringMatching(/^\d+:\d+ TW120 type: expected .* got "strng"/u)]);
  });

  it.each([
    ["http://example.com/x.json", "a $ref cannot leave the project"],
    ["file:///etc/passwd", "a $ref cannot leave the project"],
    ["//example.com/x.json", "a $ref cannot leave the project"],
    ["../../etc/passwd", "a $ref cannot leave the project"],
    ["/etc/passwd.json", "a $ref is a relative path with /"],
    ["..%2f..%2fx.json", "a $ref is a relative path with /"],
    ["./x.ts", "a $ref names a .json, .yaml or .yml file"],
    ["./missing.json", "tasks/missing.json cannot be read: it does not exist"],
    [
      "./schemas/order.schema.json#/$defs/Adress",
      'no "Adress" in $defs of tasks/schemas/order.schema.json | did you mean "Address"?',
    ],
    ["#/properties/x", '"#/properties/x" is not a place that a $ref can name'],
  ])("%s", (ref, expected) => {
    expect(wrong(`{ $ref: '${ref}' }`, files)).toEqual([expect.stringContaining(expected)]);
  });
});

describe("recursion that cannot end", () => {
  it("is an error at the schema's name", () => {
    const head = "version: 1\nschemas: { A: B, B: A, C: { c: C } }";
    expect(problems(taskFile("payload: {}", head))).toEqual([
      expect.stringContaining("2:12 TW120 the schema A refers to itself and to nothing else"),
      expect.stringContaining("2:18 TW120 the schema B refers to itself"),
      expect.stringContaining("2:24 TW120 no value can fit the schema C"),
    ]);
  });
});

describe("what stands beside a reference at the root", () => {
  it.each(["$ref: '#/schemas/Card'", "allOf: [{ $ref: '#/schemas/Card' }]"])("stays: %s", (reference) => {
    const body = `{ ${reference}, x-sensitive: true, description: A card. }`;
    const head = "version: 1\nschemas: { Card: { number: string } }";
    const task = taskOf(taskFile(`payload: {}\nresult: ${body}`, head));
    expect(task.result?.root).toMatchObject({ kind: "object", sensitive: true, description: "A card." });
  });
});
