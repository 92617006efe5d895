// A workflow of one task, with the same text wherever a definition may have one.
import type { Expression } from "../../../codegen/model/expression.js";
import type { WorkflowModel } from "../../../codegen/model/project.js";
import { object, schema, string } from "./project-fixture.js";

export function workflowModel(text: string, task = "a:task"): WorkflowModel {
  const path: Expression = { kind: "path", root: "steps", segments: ["one", "result", text] };
  const input: Expression = { kind: "path", root: "input", segments: [text] };
  const job = {
    task,
    queue: text,
    hash: "00000000",
    payload: [
      "object",
      {
        [text]: [
          "text",
          [
            ["value", text],
            ["path", "input", text, 0],
          ],
        ],
      },
    ],
    limit: { name: `${text} `, limit: 1 },
  } as const;
  return {
    definition: {
      name: "a:flow",
      hash: "00000000",
      queue: text,
      steps: [
        {
          name: "one",
          needs: [],
          job,
          if: ["==", ["path", "input", text], ["value", text]],
          compensate: job,
        },
        { name: "two", needs: ["one"], job, forEach: ["path", "input", text], maxParallel: 3 },
        {
          name: "three",
          needs: [],
          waitFor: {
            event: "a:event",
            field: [text],
            equals: ["path", "input", text],
            match: ["==", ["path", "event", text], ["value", text]],
            timeoutMs: 1000,
          },
        },
      ],
      output: ["object", { [text]: ["path", "steps", "one", "result", text] }],
      keepMs: 1000,
    },
    identifier: "AFlow",
    description: text,
    owner: text,
    source: { file: `tasks/${text}.yaml`, line: 1, column: 1 },
    input: schema(object({ kind: { kind: "enum", values: [text], description: text } })),
    output: schema(object({ [text === "__proto__" ? "proto" : text]: string })),
    idempotency: {
      key: [
        { kind: "text", text },
        { kind: "expression", expression: input },
      ],
      ttlMs: 1000,
    },
    mappings: [
      {
        step: "one",
        part: "if",
        value: {
          kind: "expression",
          expression: {
            kind: "compare",
            operator: "==",
            left: input,
            right: { kind: "literal", value: text },
          },
          isComposite: false,
        },
        reads: [],
      },
      {
        step: "two",
        part: "with",
        task,
        item: schema(object({ item: { kind: "enum", values: [text], description: text } })),
        value: {
          kind: "object",
          fields: [
            { name: text, value: { kind: "value", value: text }, optional: false },
            { name: "y", value: { kind: "expression", expression: path, isComposite: true }, optional: true },
            {
              name: "z",
              value: {
                kind: "expression",
                expression: { kind: "path", root: "item", segments: [text] },
                isComposite: false,
              },
              optional: false,
            },
          ],
        },
        reads: [{ step: "one", statuses: [text], optional: false, ended: true }],
      },
      {
        part: "output",
        value: {
          kind: "object",
          fields: [
            {
              name: text,
              value: { kind: "expression", expression: path, isComposite: false },
              optional: false,
            },
          ],
        },
        reads: [{ step: "one", task, list: { mayHoldNull: true }, optional: true, ended: false }],
      },
    ],
  };
}
