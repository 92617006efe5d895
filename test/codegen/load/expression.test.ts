import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseTemplate, toTemplatePart } from "../../../codegen/load/expressions/expression-parser.js";
import type { Expression } from "../../../codegen/model/expression.js";
import { problems, taskFile, taskOf } from "./load.js";

const parse = (text: string) => {
  const result = parseTemplate(text);
  return result.ok ? result.parts.map((part) => toTemplatePart(part)) : result.problem;
};
const path = (...segments: (string | number)[]): Expression => ({ kind: "path", root: "payload", segments });

describe("templates", () => {
  it.each([
    ["plain", [{ kind: "text", text: "plain" }]],
    ["${{ payload.a }}", [{ kind: "expression", expression: path("a") }]],
    [
      "a-${{ payload.b['c d'][0] }}-z",
      [
        { kind: "text", text: "a-" },
        { kind: "expression", expression: path("b", "c d", 0) },
        { kind: "text", text: "-z" },
      ],
    ],
    [
      "${{ payload.a ?? 'it''s }}' ?? -1.5 ?? true }}",
      [
        {
          kind: "expression",
          expression: {
            kind: "coalesce",
            operands: [
              path("a"),
              { kind: "literal", value: "it's }}" },
              { kind: "literal", value: -1.5 },
              { kind: "literal", value: true },
            ],
          },
        },
      ],
    ],
    ["${ payload.a } {{ x }}", [{ kind: "text", text: "${ payload.a } {{ x }}" }]],
  ])("%s", (text, expected) => {
    expect(parse(text)).toEqual(expected);
  });

  it.each([
    ["${{ }}", 4, 6, "expected a path such as payload.id, a number or 'text', got \"}}\""],
    ["${{ payload.a", 13, 13, "expected ?? or }}, got the end of the text"],
    ["${{ payload.a + 1 }}", 14, 15, 'operator "+" is not supported; only paths, literals and ?? are'],
    ["${{ payload.a == 1 }}", 14, 16, 'operator "==" is not supported; only paths, literals and ?? are'],
    ["${{ f(payload.a) }}", 5, 6, "calls and brackets are not supported; only paths, literals and ?? are"],
    ["${{ `x` }}", 4, 5, 'unexpected "`"; only paths, literals and ?? are supported'],
    ['${{ "x" }}', 4, 5, "text in an expression stands in single quotes"],
    ["${{ 'x }}", 4, 5, "the text that begins here is not closed"],
    ["${{ payload[-1] }}", 12, 14, "expected an index such as [0] or ['order-id'], got \"-1\""],
    ["${{ payload. }}", 13, 15, 'expected a field name after the dot, got "}}"'],
    [
      "${{ 99999999999999999999 }}",
      4,
      24,
      "99999999999999999999 is not a number that JavaScript holds exactly",
    ],
  ])("%s", (text, start, end, message) => {
    expect(parse(text)).toMatchObject({ message, range: { start, end } });
  });

  const literal = fc.oneof(
    fc.string().map((value): Expression => ({ kind: "literal", value })),
    fc.integer().map((value): Expression => ({ kind: "literal", value })),
    fc.constantFrom<Expression>(
      { kind: "literal", value: true },
      { kind: "literal", value: false },
      { kind: "literal", value: null },
    ),
  );
  const segment = fc.oneof(fc.string(), fc.nat());
  const operand = fc.oneof(
    literal,
    fc.array(segment).map((segments): Expression => ({ kind: "path", root: "payload", segments })),
  );

  it("reads back whatever is printed", () => {
    const expression = fc.oneof(
      operand,
      fc
        .array(operand, { minLength: 2, maxLength: 4 })
        .map((operands): Expression => ({ kind: "coalesce", operands })),
    );
    fc.assert(
      fc.property(expression, fc.constantFrom("", " ", "\n"), (tree, space) => {
        expect(parse(`\${{${space}${print(tree, space)}${space}}}`)).toEqual([
          { kind: "expression", expression: tree },
        ]);
      }),
    );
  });

  it("gives a range inside the text for every mistake, and never throws", () => {
    const noise = fc
      .array(fc.constantFrom("${{", "}}", "payload", ".", "[", "]", "'", "??", "1", " ", "+", "\u{1F600}"))
      .map((parts) => parts.join(""));
    fc.assert(
      fc.property(noise, (text) => {
        const result = parseTemplate(text);
        if (result.ok) return;
        expect(result.problem.range.start).toBeGreaterThanOrEqual(0);
        expect(result.problem.range.end).toBeLessThanOrEqual(text.length);
      }),
      { numRuns: 500 },
    );
  });
});

/** A value, as no person would write it. */
function print(tree: Expression, space: string): string {
  switch (tree.kind) {
    case "literal":
      return typeof tree.value === "string" ? quoted(tree.value) : String(tree.value);
    case "path":
      return (
        tree.root +
        tree.segments.map((part) => `[${typeof part === "string" ? quoted(part) : part}]`).join(space)
      );
    case "coalesce":
      return tree.operands.map((inner) => print(inner, space)).join(`${space}??${space}`);
    case "all":
    case "any":
    case "compare":
    case "not":
      throw new Error("no key holds it");
  }
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

describe("idempotency.key against the payload", () => {
  const PAYLOAD =
    "payload: { id: uuid, note: string?, lines: [{ sku: string }], total: { amount: integer }, extra: any, open: object, nick: { type: [string, 'null'] }, tags: { type: object, additionalProperties: { type: string } } }";
  const key = (text: string): string[] =>
    problems(taskFile(`${PAYLOAD}\nidempotency: { key: ${JSON.stringify(text)} }`)).map((line) =>
      line.replace(/^5:/u, ""),
    );

  it("becomes the parts of the key", () => {
    const task = taskOf(taskFile(`${PAYLOAD}\nidempotency: { key: "o-\${{ payload.id }}" }`));
    expect(task.idempotencyKey).toEqual([
      { kind: "text", text: "o-" },
      { kind: "expression", expression: path("id") },
    ]);
    expect(task.definition.idempotency).toEqual({ ttlMs: 86_400_000, onDead: "release" });
  });

  it.each([
    "${{ payload.id }}",
    "${{ payload.note ?? 'none' }}",
    "${{ payload.note ?? payload.id }}",
    "${{ payload.total.amount }}",
    "${{ payload.lines[0].sku ?? '' }}",
    "${{ payload.nick ?? 'none' }}",
    "${{ payload.tags.vip ?? 'none' }}",
    "${{ payload.nick ?? payload.note ?? payload.id }}",
  ])("%s is fine", (text) => {
    expect(key(text)).toEqual([]);
  });

  it.each([
    ["${{ payload.ID }}", '38 TW131 "ID" does not exist on payload | did you mean "id"?'],
    [
      "x${{ payload.total.amout }}",
      '45 TW131 "amout" does not exist on payload.total | did you mean "amount"?',
    ],
    ["${{ payload.tags.constructor ?? 'none' }}", '43 TW131 "constructor" does not exist on payload.tags'],
    ["${{ payload.note }}", "30 TW131 the value may be missing, and a key must always have a value | add ??"],
    ["${{ payload.lines[0].sku }}", "30 TW131 the value may be missing"],
    ["${{ payload.total }}", "30 TW131 a key is made of text, numbers and booleans, but this is an object"],
    ["${{ payload.lines }}", "30 TW131 a key is made of text, numbers and booleans, but this is a list"],
    ["${{ payload }}", "30 TW131 a key is made of text, numbers and booleans, but this is an object"],
    ["${{ payload.extra }}", "30 TW131 a key is made of text, numbers and booleans, but this is anything"],
    ["${{ payload.note ?? null }}", "46 TW131 the value may be null"],
    ["${{ payload.nick }}", "30 TW131 the value may be null, and a key must always have a value | add ??"],
    ["${{ payload.note ?? payload.nick }}", "46 TW131 the value may be null"],
    ["${{ payload.nick ?? payload.note }}", "46 TW131 the value may be missing"],
    ["${{ payload.id.x }}", '41 TW131 payload.id is text and has no "x"'],
    ["${{ payload.__proto__ }}", '38 TW131 "__proto__" does not exist on payload'],
    ["${{ payload.open.constructor }}", '43 TW131 "constructor" does not exist on payload.open'],
    ["${{ id }}", '30 TW131 unknown name "id": a key can read payload only | did you mean "payload.id"?'],
    ["${{ payload.id", "40 TW130 expected ?? or }}, got the end of the text"],
    ["same", "25 TW131 the key is the same for every job"],
  ])("%s", (text, expected) => {
    expect(key(text)).toEqual([expect.stringContaining(expected)]);
  });

  it("is checked in the same way for concurrency", () => {
    const limit = (text: string): string =>
      taskFile(`${PAYLOAD}\nconcurrency: { limit: 2, key: ${JSON.stringify(text)} }`);
    const task = taskOf(limit("${{ payload.id }}"));
    expect(task.concurrencyKey).toEqual([{ kind: "expression", expression: path("id") }]);
    expect(task.definition.concurrency).toEqual({ limit: 2 });
    expect(problems(limit("${{ payload.ID }}"))[0]).toContain('TW131 "ID" does not exist on payload');
    expect(problems(limit("same"))[0]).toContain("it divides nothing | name whose jobs share the limit");
  });

  it("is checked in the same way for a rate", () => {
    const rate = (text: string): string =>
      taskFile(`${PAYLOAD}\nrateLimit: { limit: 100, per: 1m, key: ${JSON.stringify(text)} }`);
    const task = taskOf(rate("${{ payload.id }}"));
    expect(task.rateLimitKey).toEqual([{ kind: "expression", expression: path("id") }]);
    expect(task.definition.rateLimit).toEqual({ limit: 100, perMs: 60_000 });
    expect(problems(rate("${{ payload.ID }}"))[0]).toContain('TW131 "ID" does not exist on payload');
    expect(problems(rate("same"))[0]).toContain("it divides nothing | name whose jobs share the rate");
  });

  it.each([
    ["concurrency: { limit: 1 }\nrateLimit: { limit: 1, per: 1s }", []],
    [
      'concurrency: { limit: 1, key: "${{ payload.id }}" }\nrateLimit: { limit: 1, per: 1s, key: "${{payload.id}}" }',
      [],
    ],
    [
      'concurrency: { limit: 1, key: "${{ payload.id }}" }\nrateLimit: { limit: 1, per: 1s, key: "${{ payload.total.amount }}" }',
      [
        "TW143 rateLimit and concurrency of a task have the same key",
        'write the key of concurrency: "${{ payload.id }}"',
      ],
    ],
    [
      'concurrency: { limit: 1, key: "${{ payload.id }}" }\nrateLimit: { limit: 1, per: 1s }',
      ["TW143", 'write the key of concurrency: "${{ payload.id }}"'],
    ],
    [
      'concurrency: { limit: 1 }\nrateLimit: { limit: 1, per: 1s, key: "${{ payload.id }}" }',
      ["TW143", "delete the key, or give concurrency the same one"],
    ],
  ])("is the same for both limits of a task: %s", (limits, expected) => {
    const found = problems(taskFile(`${PAYLOAD}\n${limits}`));
    expect(found).toHaveLength(expected.length === 0 ? 0 : 1);
    for (const part of expected) expect(found[0]).toContain(part);
  });

  it("finds the column in block text and after escapes, or marks the whole value", () => {
    const block = taskFile("payload: { id: uuid }\nidempotency:\n  key: a-${{ payload.idd }}");
    expect(problems(block)[0]).toContain('6:26 TW131 "idd"');
    const escaped = taskFile('payload: { id: uuid }\nidempotency: { key: "\\u0061${{ payload.idd }}" }');
    expect(problems(escaped)[0]).toContain('5:44 TW131 "idd"');
  });
});
