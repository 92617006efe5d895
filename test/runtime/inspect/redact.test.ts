import fc from "fast-check";
import { expect, test } from "vitest";
import { createRedactor, HIDDEN } from "../../../runtime/inspect/index.js";
import { withoutSecrets } from "../../../runtime/definition/index.js";
import { lineText } from "../../../runtime/worker/logger.js";

function redact(schema: unknown, value: unknown) {
  return createRedactor(new Map([["t", { payload: schema, result: schema }]])).redact("t", "payload", value);
}

const SENSITIVE = { type: "string", "x-sensitive": true };

test.each([
  ["a property", { properties: { a: SENSITIVE } }, { a: "secret", b: 1 }, { a: HIDDEN, b: 1 }],
  ["items", { items: { properties: { a: SENSITIVE } } }, [{ a: "secret" }], [{ a: HIDDEN }]],
  ["further keys", { additionalProperties: SENSITIVE }, { any: "secret" }, { any: HIDDEN }],
  ["a branch of anyOf", { anyOf: [{}, { properties: { a: SENSITIVE } }] }, { a: "secret" }, { a: HIDDEN }],
  ["a branch of oneOf", { oneOf: [{ properties: { a: SENSITIVE } }, {}] }, { a: "secret" }, { a: HIDDEN }],
  ["a branch of allOf", { allOf: [{ properties: { a: SENSITIVE } }] }, { a: "secret" }, { a: HIDDEN }],
  ["a reference", { $ref: "#/definitions/S", definitions: { S: SENSITIVE } }, "secret", HIDDEN],
  [
    "a reference with an escaped name",
    { $ref: "#/definitions/a~1b", definitions: { "a/b": SENSITIVE } },
    "secret",
    HIDDEN,
  ],
  ["the whole value", { "x-sensitive": true }, { deep: ["secret"] }, HIDDEN],
  ["nothing when the value is absent", { properties: { a: SENSITIVE } }, { a: null }, { a: null }],
])("hides %s", (_what, schema, value, expected) => {
  expect(redact(schema, value)?.value).toEqual(expected);
});

const CLOSED = { type: "object", additionalProperties: false };
const A = { ...CLOSED, properties: { a: { type: "string" } } };
const B = { ...CLOSED, properties: { b: { ...CLOSED, properties: { c: { type: "number" } } } } };

test.each([
  ["an object that has no others", A, { a: "x", card: "4242" }, { a: "x", card: HIDDEN }],
  ["one within", B, { b: { c: 1, card: { no: "4242" } } }, { b: { c: 1, card: HIDDEN } }],
  ["items", { type: "array", items: A }, [{ card: "4242" }], [{ card: HIDDEN }]],
  ["each of several", { oneOf: [A, B] }, { b: { c: 1 }, card: "4242" }, { b: { c: 1 }, card: HIDDEN }],
  [
    "one that may be null",
    { anyOf: [{ type: "null" }, A] },
    { a: "x", card: 4242 },
    { a: "x", card: HIDDEN },
  ],
  ["a reference", { $ref: "#/definitions/A", definitions: { A } }, { card: "4242" }, { card: HIDDEN }],
  [
    "a list that may be an object as well",
    { anyOf: [A, { type: "array", items: A }] },
    [{ card: "4242" }],
    [{ card: HIDDEN }],
  ],
  ["a text that is an object by now", { properties: { a: A } }, { a: "4242" }, { a: HIDDEN }],
  [
    "an object that is a text by now",
    { properties: { a: { enum: ["x"] } } },
    { a: { card: "4242" } },
    { a: HIDDEN },
  ],
  ["one without fields", CLOSED, { card: "4242" }, { card: HIDDEN }],
])("hides fields of another version of the schema: %s", (_what, schema, value, expected) => {
  const shown = redact(schema, value)!;
  expect(shown.value).toEqual(expected);
  expect(shown.secrets).toContain("4242");
});

test.each([
  ["any", { anyOf: [A, {}] }],
  ["others by a schema", { ...A, additionalProperties: { type: "string" } }],
  ["a field in one of several", { oneOf: [A, { ...A, properties: { a: {}, note: {} } }] }],
  ["others where nothing is said", { type: "object", properties: { a: {} } }],
])("shows fields of an object that may have %s", (_what, schema) => {
  expect(redact(schema, { a: "x", note: "y" })?.value).toEqual({ a: "x", note: "y" });
});

const OF = (kind: string, inner: string) => ({
  ...CLOSED,
  properties: { kind: { const: kind }, data: { ...CLOSED, properties: { [inner]: { type: "string" } } } },
});

test.each([
  [
    "objects",
    { oneOf: [OF("card", "last4"), OF("iban", "bank")] },
    { kind: "iban", data: { bank: "N26 Berlin" } },
  ],
  [
    "lists",
    {
      anyOf: [
        { type: "array", items: A },
        { type: "array", items: B },
      ],
    },
    [{ b: { c: 1 } }, { a: "x" }],
  ],
  ["parts", { allOf: [{ properties: { x: A } }, { properties: { x: B } }] }, { x: { a: "x", b: { c: 1 } } }],
])(
  "shows what one of several schemas lets through, though they share a field: %s",
  (_what, schema, value) => {
    expect(redact(schema, value)).toEqual({ value, secrets: [] });
  },
);

test("hides within a shared field what none of them lets through, and what one calls sensitive", () => {
  const schema = {
    oneOf: [
      OF("card", "last4"),
      { ...OF("iban", "bank"), properties: { data: { properties: { bank: SENSITIVE } } } },
    ],
  };
  const shown = redact(schema, { kind: "iban", data: { bank: "N26 Berlin", last4: "4242", pin: 123456 } })!;
  expect(shown.value).toEqual({ kind: "iban", data: { bank: HIDDEN, last4: "4242", pin: 123456 } });
  const closed = redact(
    { oneOf: [OF("card", "last4"), OF("iban", "bank")] },
    { kind: "iban", data: { pin: 123456 } },
  )!;
  expect(closed.value).toEqual({ kind: "iban", data: { pin: HIDDEN } });
});

test("hides a result of a task that has none any more", () => {
  const redactor = createRedactor(new Map([["t", { payload: {} }]]));
  expect(redactor.redact("t", "result", { token: "t-123456" })).toEqual({
    value: HIDDEN,
    secrets: ["t-123456"],
  });
  expect(redactor.redact("t", "result", null)).toEqual({ value: null, secrets: [] });
});

test("a schema that refers to itself ends", () => {
  const node = { properties: { next: { $ref: "#/definitions/Node" }, secret: SENSITIVE } };
  const schema = { $ref: "#/definitions/Node", definitions: { Node: node } };
  const value = { secret: "first", next: { secret: "other", next: null } };
  expect(redact(schema, value)).toEqual({
    value: { secret: HIDDEN, next: { secret: HIDDEN, next: null } },
    secrets: ["first", "other"],
  });
});

test("a secret is hidden in the forms that log lines and messages give it", () => {
  const secret = 'key "1"\nline two';
  const { secrets } = redact({ properties: { a: SENSITIVE } }, { a: secret })!;
  const log = `${lineText(`got ${secret}`, { secret, order: { secret } })} ${secret}`;
  const shown = withoutSecrets(log, secrets);
  expect(shown).not.toMatch(/key|line two/);
  expect(shown).toContain(`got ${HIDDEN} | ${HIDDEN} secret=`);
});

test("a secret of three characters is hidden where it stands by itself, and a shorter one is not looked for", () => {
  const { secrets } = redact(
    { properties: { code: SENSITIVE, mark: SENSITIVE, short: SENSITIVE } },
    { code: 123, mark: "a.b", short: "12" },
  )!;
  expect(withoutSecrets('code 123, "123" and 12 of order 41234, a.b acb a.bc', secrets)).toBe(
    `code ${HIDDEN}, "${HIDDEN}" and 12 of order 41234, ${HIDDEN} acb a.bc`,
  );
  for (const mark of ["(a-", "$&/", "[^]", " ,\n", "\\d+", "{1}"]) {
    const found = redact({ properties: { mark: SENSITIVE } }, { mark })!.secrets;
    expect(withoutSecrets(`x ${mark} y`, found)).toBe(`x ${HIDDEN} y`);
  }
});

test("keys of a map that is sensitive are hidden in texts, names of fields and keys of a plain object are not", () => {
  const map = { type: "object", properties: { kind: {} }, additionalProperties: { type: "integer" } };
  const plain = { type: "object", "x-sensitive": true };
  const schema = { properties: { cards: { ...map, "x-sensitive": true }, plain, open: map } };
  const value = { cards: { "4242-4242": 5, kind: "visa" }, plain: { orderId: 1 }, open: { "key-1": 2 } };
  const { value: shown, secrets } = redact(schema, value)!;
  expect(shown).toEqual({ cards: HIDDEN, plain: HIDDEN, open: { "key-1": 2 } });
  expect(withoutSecrets("no funds on 4242-4242 of a kind, orderId key-1", secrets)).toBe(
    `no funds on ${HIDDEN} of a kind, orderId key-1`,
  );
  const nested = { "x-sensitive": true, items: { $ref: "#/definitions/M" }, definitions: { M: map } };
  expect(redact(nested, [{ "4242-4242": 5 }])!.secrets).toContain("4242-4242");
});

test("a secret is hidden also in an address", () => {
  const { secrets } = redact({ properties: { a: SENSITIVE } }, { a: "4111 é&99\ud800" })!;
  const encoded = encodeURIComponent("4111 é&99\ufffd");
  const text = `GET https://bank/${encoded}?c=${encoded.replace("%20", "+")} failed`;
  expect(withoutSecrets(text, secrets)).toBe(`GET https://bank/${HIDDEN}?c=${HIDDEN} failed`);
});

test("a secret with spaces around it is hidden also without them", () => {
  for (const secret of ["  Jane Doe ", "123 "]) {
    const { secrets } = redact({ properties: { a: SENSITIVE } }, { a: secret })!;
    expect(withoutSecrets(`no order of ${secret.trim()}!`, secrets)).toBe(`no order of ${HIDDEN}!`);
  }
});

test("what is left of a secret at the end of a text that was cut is hidden too", () => {
  const cut = (text: string): string => withoutSecrets(text, ["secret-1234", "other"]);
  expect(cut("token secret-12… (990 characters cut)")).toBe(`token ${HIDDEN}… (990 characters cut)`);
  expect(cut("token sec… (990 characters cut)")).toBe("token sec… (990 characters cut)");
  expect(cut("token secret-12")).toBe("token secret-12");
});

test("keys that reach for prototypes stay plain keys", () => {
  const value: unknown = JSON.parse('{"__proto__":{"polluted":1},"constructor":2}');
  const shown = redact({ properties: {} }, value);
  expect(JSON.stringify(shown?.value)).toBe('{"__proto__":{"polluted":1},"constructor":2}');
  expect(({} as Record<string, unknown>)["polluted"]).toBeUndefined();
});

test("without a sensitive field every JSON value comes through as it was", () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 4 }), (value) => {
      const plain: unknown = JSON.parse(JSON.stringify(value));
      expect(redact({}, plain)?.value).toEqual(plain);
    }),
  );
});

test("whatever a sensitive field holds is gone", () => {
  fc.assert(
    fc.property(fc.string({ minLength: 6 }), fc.jsonValue({ maxDepth: 2 }), (secret, other) => {
      const shown = redact(
        { properties: { s: SENSITIVE } },
        { s: `<<${secret}>>`, other: other === null ? null : 1 },
      );
      expect(JSON.stringify(shown?.value)).not.toContain(JSON.stringify(`<<${secret}>>`).slice(1, -1));
    }),
  );
});
