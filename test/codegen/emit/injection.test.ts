// Text from definitions is data wherever it lands: no name, description, key or value becomes code.
import { describe, expect, test } from "vitest";
import { checkSource, emitStub } from "../../../codegen/emit/index.js";
import { STUB_TEMPLATE } from "../../../codegen/emit/handler-stub.js";
import { identifier, jsdoc, literal, templateText } from "../../../codegen/emit/source-text.js";
import type { EventModel } from "../../../codegen/model/project.js";
import { loadSchemas, statementsOf, syntaxErrors } from "./load-emitted.js";
import { workflowModel } from "./workflow-fixture.js";
import { emit, object, paths, projectModel, schema, string, taskModel } from "./project-fixture.js";

const hostile = [
  "*/ process.exit(1) /*",
  "*\\/ */",
  "// x\n; process.exit(1)",
  "x\r\nprocess.exit(1)",
  "x\u2028process.exit(1)\u2029",
  '"; process.exit(1); "',
  "'; process.exit(1); '",
  "`; process.exit(1); `",
  "${process.exit(1)}",
  "\\",
  "\\u0022; process.exit(1)",
  "{{constructor}}",
  "{{{lookup this 'x'}}}",
  "</script>",
  "<!--",
  "]]>",
  "\u202Egnp.exe",
  "\uFEFFhidden",
  "\u0000\u001B[31m",
  "__proto__",
  "TaskweftNested0",
  "#{x}",
] as const;

describe.each(hostile.map((text) => [JSON.stringify(text), text] as const))("%s", (_shown, text) => {
  const task = taskModel("a:task", {
    description: text,
    owner: text,
    source: { file: `tasks/${text}.yaml`, line: 1, column: 1 },
    payload: schema(
      object({
        [text === "__proto__" ? "proto" : text]: { kind: "string", description: text },
        kind: { kind: "enum", values: [text, "other"], description: text },
        tag: {
          kind: "union",
          exclusive: false,
          branches: [{ kind: "enum", values: [text] }, object({ [`${text} `]: string })],
        },
        match: { kind: "string", pattern: text.replaceAll(/[\\${}()[\]*+?./|^]/g, "") },
        named: { kind: "ref", name: text },
      }),
      { [text]: object({ x: string }) },
    ),
    idempotencyKey: [
      { kind: "text", text },
      { kind: "expression", expression: { kind: "path", root: "payload", segments: [text, 0] } },
      { kind: "expression", expression: { kind: "literal", value: text } },
    ],
    errors: [{ name: "Broken", description: text }],
    definition: { errors: { Broken: { retry: "never" } }, queue: text },
  });

  test("stays data in every file", async () => {
    const plain = taskModel("a:task", { ...task, description: "x" });
    const event = eventModel(text);
    const workflow = workflowModel(text);
    const harmless = JSON.parse(
      JSON.stringify([plain, { ...event, description: "x" }, { ...workflow, description: "x" }]).replaceAll(
        JSON.stringify(text).slice(1, -1),
        "calm",
      ),
    ) as [typeof task, typeof event, typeof workflow];
    const files = await emit({ ...projectModel(task), events: [event], workflows: [workflow] });
    const [calmTask, calmEvent, calmWorkflow] = harmless;
    const reference = await emit({
      ...projectModel(calmTask),
      events: [calmEvent],
      workflows: [calmWorkflow],
    });
    const seen = [...files].map(([path, source]) => ({ path, ...judge(path, source) }));
    const calm = [...reference].map(([path, source]) => ({ path, ...judge(path, source) }));
    // The same number of statements as with harmless texts: nothing has broken out of its place.
    expect(seen).toEqual(calm);
  });

  test("is the same text again when the code runs", async () => {
    const files = await emit(projectModel(task));
    const { payloadStrict } = loadSchemas(files.get("generated/schemas/a.ts") ?? "");
    const value = { kind: text, tag: text, match: text, named: { x: "y" } };
    const issues = payloadStrict().safeParse(value);
    expect(issues.success ? [] : issues.error.issues.map((issue) => issue.path[0])).not.toContain("kind");
  });

  test("stays data in a handler stub", async () => {
    const stub = await emitStub(task, paths);
    expect(() => checkSource("stub.ts", stub)).not.toThrow();
    expect(syntaxErrors(stub)).toEqual([]);
    expect(statementsOf(stub)).toHaveLength(2);
  });

  test("survives as a literal and as a template", () => {
    const evaluate = (source: string): unknown => {
      // oxlint-disable-next-line no-implied-eval -- the printed literal is what is under test
      return new Function(`"use strict"; return (${source});`)() as unknown;
    };
    expect(evaluate(literal(text))).toBe(text);
    expect(evaluate(`\`${templateText(text)}\``)).toBe(text);
    const object_ = evaluate(literal(Object.fromEntries([[text, [text]]])));
    expect(Object.getPrototypeOf(object_)).toBe(Object.prototype);
    expect(Object.entries(object_ as object)).toEqual([[text, [text]]]);
    expect(syntaxErrors(`${jsdoc([text])}export const x = 1;`)).toEqual([]);
    expect(statementsOf(`${jsdoc([text])}export const x = 1;`)).toHaveLength(1);
  });
});

/** An event with an observer of the task above, and the text wherever a definition may have one. */
function eventModel(text: string): EventModel {
  const path = { kind: "path", root: "event", segments: [text, 0, text] } as const;
  const literalText = { kind: "literal", value: text } as const;
  return {
    name: "a:event",
    identifier: "AEvent",
    description: text,
    source: { file: `tasks/${text}.yaml`, line: 1, column: 1 },
    payload: schema(object({ kind: { kind: "enum", values: [text] } })),
    observers: [
      {
        name: "o",
        source: { file: "tasks/a.yaml", line: 1, column: 1 },
        when: {
          kind: "any",
          operands: [
            { kind: "compare", operator: "==", left: path, right: literalText },
            { kind: "not", operand: path },
          ],
        },
        actions: [
          {
            task: "a:task",
            queue: text,
            payload: {
              kind: "object",
              fields: [
                { name: text, value: { kind: "value", value: text }, optional: false },
                {
                  name: "x",
                  value: {
                    kind: "text",
                    parts: [
                      { kind: "text", text },
                      { kind: "expression", expression: path },
                    ],
                  },
                  optional: true,
                },
                {
                  name: "y",
                  value: { kind: "expression", expression: path, isComposite: true },
                  optional: true,
                },
              ],
            },
          },
        ],
      },
    ],
  };
}

/** What must be the same whatever the texts say. */
function judge(path: string, source: string): object {
  checkSource(path, source);
  if (path.endsWith(".json") || path.endsWith(".yaml")) return {};
  return {
    errors: syntaxErrors(source),
    statements: statementsOf(source).length,
    hidden: ["\u2028", "\u2029", "\u202E", "\uFEFF", "\u0000", "\u001B"].filter((character) =>
      source.includes(character),
    ),
  };
}

test.each(["", "1a", "a-b", "a b", "class", "await", "a\u2028", "x;y"])(
  "%j is refused as a name, not repaired",
  (text) => {
    expect(() => identifier(text)).toThrow("expected an identifier");
  },
);

test("numbers that JSON cannot hold are refused", () => {
  expect(() => literal(Number.NaN)).toThrow("expected a finite number");
  expect(literal(-0)).toBe("-0");
});

test("the stub template sees nothing but values that helpers made safe", () => {
  const mustaches = [...STUB_TEMPLATE.matchAll(/\{\{+[^}]*\}\}+/g)].map((match) => match[0]);
  expect(new Set(mustaches)).toEqual(
    new Set(["{{comment}}", "{{define}}", "{{indexModule}}", "{{jobs}}", "{{taskName}}"]),
  );
});
