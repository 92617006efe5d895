// The quick checks against the zod schemas that are emitted beside them; zod.test.ts compares both with ajv.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { JsonSchemaNode } from "../../../codegen/model/json-schema.js";
import { integer, object, schema, string } from "./project-fixture.js";
import { definitions, fitting, keys, node, scalars, validators } from "./schema-samples.js";

/** What JavaScript can hold and JSON cannot, or holds as something else. */
const strange = fc.oneof(
  fc
    .constantFrom<() => unknown>(
      () => undefined,
      () => Number.NaN,
      () => -0,
      () => 2 ** 53,
      () => 1n,
      () => Symbol("a"),
      () => () => 1,
      () => new Date(0),
      () => new String("a"),
      () => Object.assign([] as unknown[], { length: 2 }),
      () => Object.assign(["a"], { toJSON: () => 1 }),
      () => Object.assign([1, 2], { more: true }),
      () => new (class extends Array<string> {})("a", "b"),
      () => new Map([["a", 1]]),
      () => Object.create(null) as unknown,
      () => Object.create({ a: "a", b: 1 }) as unknown,
      () =>
        new (class {
          readonly a = "a";
          toJSON(): unknown {
            return 1;
          }
        })(),
      () => ({ a: "a", toJSON: () => 1 }),
      () => ({ a: undefined }),
      () => ({ a: "a", [Symbol("b")]: 1 }),
      () => JSON.parse('{ "__proto__": { "a": "a" }, "a": "a" }') as unknown,
      () => ({
        get a() {
          return "a";
        },
      }),
    )
    .map((make) => make()),
  fc.constantFrom(...scalars),
);

describe("quick checks", () => {
  test("accept only what the strict schema accepts, and JSON keeps the same of both", () => {
    let accepted = 0;
    const twisted = (root: JsonSchemaNode): fc.Arbitrary<unknown> =>
      fc
        .tuple(
          fitting(root),
          fc.dictionary(fc.constantFrom(...keys), strange, { noNullPrototype: true }),
          strange,
        )
        .chain(([value, members, other]) =>
          fc.constantFrom<unknown>(
            other,
            [other],
            members,
            typeof value === "object" && value !== null ? Object.assign(value, members) : value,
          ),
        );
    const cases = node.chain((root) =>
      fc.tuple(fc.constant(root), fc.array(twisted(root), { maxLength: 8 })),
    );
    fc.assert(
      fc.property(cases, ([root, candidates]) => {
        const { payloadFits, payloadStrict, payloadLoose } = validators(schema(root, definitions));
        for (const value of candidates) {
          if (payloadFits?.(value) !== true) continue;
          accepted++;
          for (const validator of [payloadStrict(), payloadLoose()]) {
            const checked = validator.safeParse(value);
            expect({ value, success: checked.success }).toEqual({ value, success: true });
            expect(inJson(checked.success ? checked.data : undefined)).toEqual(inJson(value));
          }
        }
      }),
      { numRuns: 300 },
    );
    expect(accepted).toBeGreaterThan(10);
  });

  test.each<[string, JsonSchemaNode]>([
    ["a URL", { kind: "string", format: "uri" }],
    ["a multiple", { kind: "number", integer: false, multipleOf: 0.1 }],
    ["items that differ", { kind: "array", items: string, uniqueItems: true }],
    ["exactly one of several", { kind: "union", exclusive: true, branches: [string, integer] }],
    ["declared keys beside others with a schema", object({ a: string }, integer)],
    ["a field __proto__", object({ ["__proto__"]: string })],
  ])("leave %s to zod, also where it is deep inside", (_name, inner) => {
    const nested = schema(object({ list: { kind: "array", items: { kind: "ref", name: "It" } } }), {
      It: inner,
    });
    expect(validators(schema(inner)).payloadFits).toBeUndefined();
    expect(validators(nested).payloadFits).toBeUndefined();
  });
});

/** `undefined` where JSON holds nothing, or refuses. */
function inJson(value: unknown): unknown {
  try {
    return JSON.parse(JSON.stringify(value)) as unknown;
  } catch {
    return undefined;
  }
}
