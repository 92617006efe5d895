// Definitions that are odd or hostile: each is refused at its place, or generates what it says, in bounded time.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { generate } from "../../../codegen/index.js";
import { problems, taskFile } from "./load.js";

function cpuMs(work: () => void): number {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}

describe("sensitive values", () => {
  const observer = (card: string, value: string): string[] =>
    problems(`version: 1
schemas:
  Card: { number: string, tags: { type: object, additionalProperties: { type: string } } }
events:
  paid: { payload: { card: ${card}, id: string } }
tasks:
  show: { payload: { v: string } }
observers:
  o: { on: paid, do: [{ task: show, with: { v: ${JSON.stringify(value)} } }] }
`);
  it.each([
    [
      "a field of a marked object",
      "{ type: object, required: [number], properties: { number: { type: string } }, x-sensitive: true }",
      "${{ event.card.number }}",
    ],
    ["a field behind a marked reference", "{ type: Card, x-sensitive: true }", "${{ event.card.number }}"],
    ["the same in a text", "{ type: Card, x-sensitive: true }", "no. ${{ event.card.number }}"],
    ["a field of a map in it", "{ type: Card, x-sensitive: true }", "${{ event.card.tags.a ?? 'x' }}"],
    [
      "an item of a marked list",
      "{ type: array, items: string, x-sensitive: true }",
      "${{ event.card[0] ?? 'x' }}",
    ],
    ["what may be null", "{ type: [string, 'null'], x-sensitive: true }", "${{ event.card ?? 'x' }}"],
  ])("are reported where they would be shown: %s", (_name, card, value) => {
    expect(observer(card, value)).toEqual([expect.stringContaining("TW182 v of show would show")]);
  });

  it("are reported where an item of a marked list would be shown", () => {
    expect(
      problems(`version: 1
tasks:
  show: { payload: { v: string } }
workflows:
  w:
    input: { cards: { type: array, items: string, x-sensitive: true } }
    steps:
      s: { task: show, forEach: "\${{ input.cards }}", with: { v: "\${{ item }}" } }
`),
    ).toEqual([expect.stringContaining("TW182 v of show would show")]);
  });
});

describe("what costs more than reading it", () => {
  it("a line with many braces and a syntax error", () => {
    const text = `version: 1\nx: "${"{".repeat(200_000)}" oops: [\n`;
    expect(cpuMs(() => void problems(text))).toBeLessThan(5000);
  });

  it("choices that double", () => {
    const chain = Array.from(
      { length: 24 },
      (_, i) => `  S${i}: { anyOf: [{ $ref: "#/schemas/S${i + 1}" }, { $ref: "#/schemas/S${i + 1}" }] }\n`,
    ).join("");
    const text = `version: 1
schemas:
${chain}  S24: string
tasks:
  a:b: { payload: { f: S0 }, idempotency: { key: "\${{ payload.f }}" } }
`;
    expect(cpuMs(() => void problems(text))).toBeLessThan(5000);
  });

  it("a literal for a field with a pattern that is quadratic, which maxLength makes harmless", () => {
    const text = `version: 1
tasks:
  a:b: { payload: { v: { type: string, maxLength: 100, pattern: "^\\\\s*a*a*$" } } }
schedules:
  s: { task: a:b, cron: "0 * * * *", timezone: UTC, payload: { v: ${"a".repeat(300_000)}! } }
`;
    expect(cpuMs(() => void problems(text))).toBeLessThan(5000);
  });
});

describe("long chains", () => {
  const many = (count: number, one: (i: number) => string): string =>
    Array.from({ length: count }, (_, i) => one(i)).join("");

  it("of follow-ups", () => {
    const text = `version: 1\ntasks:\n${many(4000, (i) => `  t${i}: { payload: {}, onExhausted: t${i + 1} }\n`)}  t4000: { payload: {} }\n`;
    expect(cpuMs(() => void problems(text))).toBeLessThan(5000);
  });

  it("of workflows", () => {
    const text = `version: 1\nworkflows:\n${many(15_000, (i) => `  w${i}: { input: {}, steps: { a: { workflow: w${i + 1} } } }\n`)}  w15000: { input: {}, steps: { a: { sleep: 1h } } }\n`;
    expect(problems(text).join("\n")).toContain("TW217");
  });
});

describe("what is accepted and wrong", () => {
  it("an empty list of types", () => {
    expect(problems(taskFile("payload: { a: { type: [] } }"))).toEqual([
      expect.stringContaining("4:27 TW120 type: expected"),
    ]);
  });

  it.each([
    "{ type: integer, exclusiveMinimum: 5, exclusiveMaximum: 6 }",
    "{ type: number, exclusiveMinimum: 5, maximum: 5 }",
    "{ type: number, minimum: 5, exclusiveMaximum: 5 }",
    "{ type: integer, minimum: 1.2, maximum: 1.8 }",
  ])("bounds that no number fits: %s", (bounds) => {
    expect(problems(taskFile(`payload: { a: ${bounds} }`))).toEqual([
      expect.stringMatching(/no (whole )?number fits/),
    ]);
  });

  it("an expression in the payload of a schedule, which is no template", () => {
    const text = `version: 1
tasks:
  a:b: { payload: { day: string } }
schedules:
  s: { task: a:b, cron: "0 * * * *", timezone: UTC, payload: { day: "\${{ schedule.tick }}" } }
`;
    expect(problems(text)).toEqual([expect.stringContaining("TW141")]);
  });

  it("a follow-up that does not take every text or payload", () => {
    const file = (payload: string): string => `version: 1
tasks:
  pay: { payload: { orderId: uuid }, onExhausted: alert }
  alert: { payload: ${payload} }
`;
    expect(problems(file("{ jobId: { type: string, pattern: '^x+$' } }"))).toEqual([
      expect.stringContaining("TW142"),
    ]);
    expect(problems(file("{ message: { type: string, pattern: '^[a-z]*$' } }"))).toEqual([
      expect.stringContaining("TW142"),
    ]);
    expect(
      problems(file("{ payload: { type: object, properties: { orderId: { type: integer } } } }")),
    ).toEqual([expect.stringContaining("TW142")]);
  });

  it("a key of two lines, with which every enqueue is refused", () => {
    const text = taskFile("payload: { id: string }\nidempotency:\n  key: |\n    ${{ payload.id }}");
    expect(problems(text)).toEqual([expect.stringContaining("6:12 TW131")]);
  });

  it("half of a character, which no file can hold", () => {
    expect(problems(taskFile('description: "a\\ud800b"\npayload: {}'))).toEqual([
      expect.stringContaining("4:"),
    ]);
  });
});

it("has no two constants of one name", async () => {
  const root = mkdtempSync(path.join(tmpdir(), "taskweft-odd-"));
  mkdirSync(path.join(root, "tasks"));
  writeFileSync(
    path.join(root, "tasks/a.yaml"),
    `version: 1
schemas: { StartX: { a: string } }
tasks: { t: { payload: {} } }
workflows:
  x:strict: { input: { s: StartX }, steps: { a: { task: t } } }
`,
  );
  const { diagnostics } = await generate({ root });
  const text = readFileSync(path.join(root, "generated/workflows.ts"), "utf8");
  rmSync(root, { recursive: true });
  expect(diagnostics).toEqual([]);
  expect(text.match(/const startXStrict\b/g)).toHaveLength(1);
});

it("takes a handler once that both sides of a conflict have", async () => {
  const root = mkdtempSync(path.join(tmpdir(), "taskweft-odd-"));
  mkdirSync(path.join(root, "tasks/handlers"), { recursive: true });
  writeFileSync(path.join(root, "tasks/a.yaml"), "version: 1\ntasks: { t: { payload: {} } }\n");
  const side = 'export default defineHandler("t", async () => {});\n';
  writeFileSync(
    path.join(root, "tasks/handlers/t.ts"),
    `<<<<<<< ours\n${side}=======\n${side}>>>>>>> theirs\n`,
  );
  const { diagnostics } = await generate({ root });
  rmSync(root, { recursive: true });
  expect(diagnostics.map(({ code }) => code)).toEqual(["TW312"]);
});

it("a value without a type for its fields cannot have a field that every object has", () => {
  expect(
    problems(`version: 1
events:
  paid: { payload: { id: string } }
tasks:
  note: { payload: { v: any, tags: { type: object, additionalProperties: { type: string } } } }
observers:
  o: { on: paid, do: [{ task: note, with: { v: { constructor: 1 }, tags: { toString: "x" } } }] }
workflows:
  w:
    input: { id: string }
    steps:
      s: { task: note, with: { v: [{ valueOf: "\${{ input.id }}" }], tags: {} } }
    output: { hasOwnProperty: "\${{ input.id }}" }
`).map((problem) => problem.replace(/ expected.*got| \|.*/g, "")),
  ).toEqual([
    '7:50 TW302 "constructor"',
    '7:76 TW302 "toString"',
    '12:38 TW302 "valueOf"',
    '13:15 TW302 "hasOwnProperty"',
  ]);
});

it("an operand of a key that is never used is reported, as TypeScript would reject it", () => {
  expect(
    problems(`version: 1
tasks:
  pay:
    payload:
      by: { oneOf: [{ $ref: "#/schemas/Card" }, { $ref: "#/schemas/Iban" }] }
      way: string
    idempotency: { key: "\${{ payload.by.kind ?? payload.by.kind ?? payload.way }}" }
schemas:
  Card: { kind: { const: card } }
  Iban: { kind: { const: iban } }
`),
  ).toEqual([expect.stringContaining("TW131 payload.by.kind is never used")]);
});

describe("an allOf", () => {
  const combined = (branch: string): string[] =>
    problems(`version: 1
schemas:
  Part: { on: boolean, way: { enum: [a, b] }, deep: { x: string }, next?: { $ref: "#/schemas/Part" } }
events:
  e: { payload: { v: { allOf: [{ $ref: "#/schemas/Part" }, ${branch}] } } }
`);

  it.each([
    ["{ type: string }", "the value is an object in one and text in another"],
    ["{ type: object, properties: { on: { type: string } } }", '"on" is a boolean in one and text'],
    ["{ type: object, properties: { way: { const: c } } }", '"way" is one of "a", "b" in one and "c"'],
    [
      "{ type: object, properties: { deep: { type: object, properties: { x: { type: [integer, 'null'] } } } } }",
      '"deep.x" is text in one and a whole number or null in another',
    ],
  ])("whose branches contradict each other is refused: %s", (branch, message) => {
    expect(combined(branch)).toEqual([expect.stringMatching(/^5:24 TW120 no value fits all branches: /)]);
    expect(combined(branch)[0]).toContain(message);
  });

  it.each([
    "{ type: object, properties: { on: { const: true }, way: { type: string }, deep: true } }",
    "{ type: object, properties: { way: { enum: [b, c] }, deep: { oneOf: [{ type: string }, { type: object }] } } }",
  ])("whose branches say more about one value is fine: %s", (branch) => {
    expect(combined(branch)).toEqual([]);
  });
});
