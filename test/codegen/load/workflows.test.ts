// Workflows: what their checks find, where, and what they make of a right one.
import { readFile } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import { runExpression } from "../../../codegen/load/expressions/run-expression.js";
import { load, problems } from "./load.js";

const TASKS = `version: 1
queues: { default: {}, few: { concurrency: 2 } }
tasks:
  a: { payload: { n: integer }, result: { id: string, note: string? } }
  b: { payload: { n: integer? } }
  limited: { payload: {}, concurrency: { limit: 3 } }
  keyed: { payload: { n: integer }, concurrency: { limit: 3, key: "\${{ payload.n }}" } }
  take: { payload: { text: string, note: string? }, result: { ok: boolean } }
  all: { payload: { ids: [{ type: [object, "null"], properties: { id: { type: string } }, required: [id] }] } }
  sure: { payload: { ids: [{ id: string, note: string? }] } }
workflows:
  w:
    input: { n: integer, list: [{ sku: string }], maybe?: [string], go: boolean }
    steps:
`;
/** The first step stands in line 15. */
const steps = (...lines: string[]): string[] =>
  problems(`${TASKS}${lines.map((line) => `      ${line}\n`).join("")}`);
const A = "one: { task: a, with: { n: 1 } }";

describe("the shape of a step", () => {
  it.each([
    [
      "x: { needs: [] }",
      '15:7 TW200 the step "x" does nothing | give it a task, a workflow, sleep: 1h, or an event to waitFor',
    ],
    [
      "x: { task: b, sleep: 1h }",
      '15:21 TW200 the step "x" has a task, and it waits | make the wait a step of its own',
    ],
    ["x: { sleep: 1h, onFailure: continue }", '15:23 TW200 a step that waits has no "onFailure" | delete it'],
    [
      'x: { sleep: 1h, if: "${{ input.go }}" }',
      '15:23 TW200 a step that waits has no "if" | put the condition on the steps after it',
    ],
    [
      "x: { task: b, maxParallel: 3 }",
      "15:21 TW200 maxParallel says how many items run at a time, and there is no forEach",
    ],
    [
      "Charge-Card: { task: b }",
      '15:7 TW107 "Charge-Card" cannot name a step: expected a lower-case letter, then letters, digits and _ | did you mean "chargeCard"?',
    ],
    [
      "toString: { task: b }",
      '15:7 TW107 the step name "toString" is not usable: it is a property of every JavaScript object | choose another word',
    ],
    ["x: { task: b, queue: defalt }", '15:28 TW108 no queue "defalt" | did you mean "default"?'],
    ["x: { task: bb }", '15:18 TW108 no task "bb" | did you mean "b"?'],
    [
      "x: { task: limited, queue: few }",
      '15:34 TW132 "limited" has a limit, and so has the queue "few"; a job counts in one | name another queue',
    ],
    [
      "x: { task: keyed, with: { n: 1 } }",
      '15:18 TW209 "keyed" has a limit for each key, and steps can keep limits of a whole task only | leave concurrency.key out, or enqueue the job in the handler of a step',
    ],
  ])("%s", (line, problem) => {
    expect(steps(line)).toEqual([problem]);
  });

  it.each(["wait: 1s", "delay: 1s"])("%s is unknown", (entry) => {
    const [key] = entry.split(":");
    expect(steps(`x: { task: b, ${entry} }`)).toEqual([
      expect.stringContaining(`15:21 TW102 unknown key "${key}" in workflows > w > steps > x`),
    ]);
  });

  it("is missing altogether", () => {
    expect(problems("version: 1\nworkflows: { w: { input: {}, steps: {} } }")).toEqual([
      "2:30 TW200 expected 1 to 200 steps, got 0",
    ]);
  });
});

describe("the graph", () => {
  const wait = (name: string, needs: string, more = ""): string =>
    `${name}: { sleep: 1s, needs: [${needs}]${more} }`;

  it("names steps that are not there, and those that are named twice", () => {
    expect(steps(wait("x", "y, z, z"), wait("z", ""))).toEqual([
      '15:31 TW201 no step "y" in this workflow | did you mean "z"?',
      '15:37 TW201 "z" is needed twice | delete one of them',
    ]);
  });

  it("names each circle as a whole", () => {
    expect(
      steps(wait("a", "c"), wait("b", "a"), wait("c", "b"), wait("x", "y"), wait("y", "x"), wait("s", "s")),
    ).toEqual([
      "15:31 TW202 these steps wait for each other: a -> c -> b -> a | delete one of these needs",
      "18:31 TW202 these steps wait for each other: x -> y -> x | delete one of these needs",
      '20:31 TW202 the step "s" waits for itself | delete one of these needs',
    ]);
  });

  it("has joins that can come about", () => {
    expect(
      steps(
        wait("a", "", ", join: any"),
        wait("b", "a", ", join: any"),
        wait("c", "a, b", ", join: 3"),
        wait("d", "a, b", ", join: 2"),
      ),
    ).toEqual([
      "15:40 TW208 join says how many of needs must have ended, and there are none | delete it",
      "16:41 TW208 with one step in needs there is nothing to join | delete it",
      "17:44 TW208 join waits for 3 steps, and needs names 2 | expected at most 2",
    ]);
  });
});

describe("what is read of steps", () => {
  const take = (more: string, text = "${{ steps.one.result.id }}"): string =>
    `x: { task: take, ${more}, with: { text: "${text}" } }`;

  it.each([
    [
      A,
      take("needs: []"),
      /^16:60 TW203 step "x" reads the step "one", which does not come before it \| add one to needs$/,
    ],
    [
      A,
      take("needs: [one]", "${{ steps.on.result.id }}"),
      /TW203 no step "on" in this workflow \| did you mean "one"\?$/,
    ],
    [
      A,
      take("needs: [one]", "${{ steps.one.id }}"),
      /TW131 "id" does not exist on steps.one \| fields: result, status$/,
    ],
    [
      A,
      take("needs: [one]", "${{ steps.one }}"),
      /TW203 name what of the step "one" is read \| steps.one.result or .status$/,
    ],
    [
      A,
      take("needs: [one]", "${{ steps.one.result.note }}"),
      /TW205 text of take is always needed, and this value may be missing \|/,
    ],
    [
      "one: { task: b }",
      take("needs: [one]"),
      /TW204 the step "one" gives no result: b declares none \| declare result in b$/,
    ],
    ["one: { sleep: 1s }", take("needs: [one]"), /TW204 the step "one" only waits and gives no result$/],
    [
      'one: { task: a, with: { n: 1 }, if: "${{ input.go }}" }',
      take("needs: [one]"),
      /TW205 text of take is always needed, and this value may be missing \(the step one may be skipped\) \|/,
    ],
    [
      "one: { task: a, with: { n: 1 }, onFailure: continue }",
      take("needs: [one]"),
      /this value may be missing \(the step one may fail\) \|/,
    ],
    [
      A,
      "two: { sleep: 1s }\n      " + take("needs: [one, two], join: any"),
      /this value may be missing \(the step one need not have ended by then\) \|/,
    ],
    [
      A,
      take("needs: [one]", "is ${{ item }}"),
      /TW207 there is no item here: only `with` of a step with forEach has one$/,
    ],
    [
      A,
      take("needs: [one]", "${{ event.x }}"),
      /TW131 unknown name "event": step "x" can read input, run, steps only$/,
    ],
  ])("%s, %s", (one, two, problem) => {
    expect(steps(one, two)).toEqual([expect.stringMatching(problem)]);
  });

  it("may be missing where ?? or an optional field takes care of it, through other steps too", () => {
    expect(
      steps(
        'one: { task: a, with: { n: 1 }, if: "${{ input.go }}" }',
        "two: { sleep: 1s, needs: [one] }",
        take("needs: [two]", "${{ steps.one.result.id ?? 'none' }}"),
        `y: { task: take, needs: [two], with: { text: a, note: "\${{ steps.one.result.id }}" } }`,
        `z: { task: take, needs: [one], if: "\${{ steps.one.status == 'skipped' }}", with: { text: a } }`,
      ),
    ).toEqual([]);
  });

  it("is surely there when more ends than a join leaves out", () => {
    const both = "two: { sleep: 1s, needs: [one] }\n      three: { sleep: 1s, needs: [one] }";
    expect(steps(A, both, take("needs: [two, three], join: any"))).toEqual([]);
  });

  it("is a list of a fan-out, in which null stands for items that failed", () => {
    const each = (rule: string): string =>
      `each: { task: a, forEach: "\${{ input.list }}", with: { n: "\${{ index }}" }${rule} }`;
    const all = 'x: { task: all, needs: [each], with: { ids: "${{ steps.each.result }}" } }';
    const sure = 'x: { task: sure, needs: [each], with: { ids: "${{ steps.each.result }}" } }';
    expect(steps(each(""), sure)).toEqual([]);
    expect(steps(each(", onFailure: continue"), all)).toEqual([]);
    expect(steps(each(", onFailure: continue"), sure)).toEqual([
      expect.stringMatching(/^16:57 TW205 ids\[\] of sure takes an object, got null/),
    ]);
  });
});

describe("fan-outs", () => {
  it.each([
    ["${{ input.n }}", "15:35 TW206 forEach takes a list, and this is a whole number"],
    ["${{ input.maybe }}", "15:35 TW206 forEach takes a list, and this may be missing or null"],
    ["${{ input.lst }}", '15:41 TW131 "lst" does not exist on input | did you mean "list"?'],
    ["items", '15:30 TW130 expected one ${{ }} expression and nothing beside it | write "${{ items }}"'],
    ["${{ item }}", "15:35 TW207 there is no item here: only `with` of a step with forEach has one"],
  ])("over %s", (forEach, problem) => {
    expect(steps(`x: { task: b, forEach: "${forEach}" }`)).toEqual([problem]);
  });

  it("give `with` their items, of the list's type", () => {
    expect(steps('x: { task: a, forEach: "${{ input.list }}", with: { n: "${{ item.sku }}" } }')).toEqual([
      "15:67 TW205 n of a takes a whole number, got text",
    ]);
  });
});

describe("compensation", () => {
  const undo = (text: string): string => `compensate: { task: take, with: { text: "${text}" } }`;
  const failing = "z: { task: b, onFailure: compensate, needs: [x] }";

  it("reads its own result, also of a step that may be skipped, and what came before", () => {
    const x = `x: { task: a, needs: [one], if: "\${{ input.go }}", with: { n: 1 }, ${undo("${{ steps.x.result.id }} ${{ steps.one.result.id }}")} }`;
    expect(steps(A, x, failing)).toEqual([]);
  });

  it("reads nothing else", () => {
    expect(steps(A, `x: { task: b, ${undo("${{ steps.one.result.id }}")} }`, failing)).toEqual([
      expect.stringContaining(
        'TW203 the compensation of step "x" reads the step "one", which does not come before it',
      ),
    ]);
  });

  it("is warned of beside a fan-out that fails with its first item: what has completed of it stays", () => {
    const fan = (more: string): string =>
      `x: { task: a, forEach: "\${{ input.list }}", with: { n: 1 }, ${more}${undo("a")} }`;
    expect(steps(fan(""), failing)).toEqual([
      expect.stringContaining(
        'TW210 when an item of "x" fails, the items that have completed are not undone',
      ),
    ]);
    expect(steps(fan("onFailure: continue, "), failing)).toEqual([]);
  });

  it("is asked for where there is something to undo, and the other way round", () => {
    expect(steps("x: { task: b, onFailure: compensate }")).toEqual([
      '15:32 TW210 when "x" fails there is nothing to undo: no step that can be over by then has compensate | write onFailure: fail, or give a step before it a compensate',
    ]);
    expect(steps(`x: { task: b, ${undo("a")} }`)).toEqual([
      '15:21 TW210 only a cancelled run undoes "x": no step that can fail after it has onFailure: compensate | add onFailure: compensate to the steps after it',
    ]);
  });
});

it("takes the example of docs/workflows.md", async () => {
  const page = await readFile(new URL("../../../docs/workflows.md", import.meta.url), "utf8");
  const [, example = ""] = /```yaml\n([\s\S]*?)```/u.exec(page) ?? [];
  const tasks = `version: 1
tasks:
  email:send: { payload: { to: email, subject: string } }
  inventory:release: { payload: { reservationId: string } }
  inventory:reserve: { payload: { orderId: uuid }, result: { reservationId: string } }
  payment:process: { payload: { orderId: uuid, amount: integer }, result: { receiptId: string } }
  warehouse:pack: { payload: { sku: string } }
events: { order:approved: { payload: { orderId: uuid, by: string } } }
`;
  expect(problems(tasks + example)).toEqual([]);
});

describe("a workflow", () => {
  it("has an idempotency key of its input, and an output of what its steps give", () => {
    const text = `${TASKS}      ${A}
    idempotency: { key: "\${{ input.list }}" }
    output: { id: "\${{ steps.one.result.idd }}" }
  W2: { input: string, steps: { x: { task: b } } }
`;
    expect(problems(text)).toEqual([
      "16:30 TW131 a key is made of text, numbers and booleans, but this is a list | name one of its fields",
      '17:41 TW131 "idd" does not exist on steps.one.result | did you mean "id"?',
      expect.stringMatching(/^18:3 TW107 "W2" cannot name a workflow/),
      "18:16 TW120 expected an input with fields (an object) | write input: { value: ... }",
    ]);
  });

  it("has an output of whose lists each entry has a value, which is told at its place", () => {
    const text = `${TASKS}      ${A}
    output: { notes: [x, "\${{ steps.one.result.note }}"], deep: { all: [["\${{ input.maybe }}"]] } }
`;
    expect(problems(text)).toEqual([
      "16:31 TW205 notes[] of the output is always needed, and this value may be missing | add ?? and a value: ${{ ... ?? 'none' }}",
      "16:79 TW205 deep.all[][] of the output is always needed, and this value may be missing | add ?? and a value: ${{ ... ?? 'none' }}",
    ]);
  });

  it("has the same hash whatever the order of its steps and keys in the file, and another for every change that counts", () => {
    const hash = (...lines: string[]): string | undefined =>
      load(`${TASKS}${lines.map((line) => `      ${line}\n`).join("")}`).project?.workflows[0]?.definition
        .hash;
    const two = "two: { task: b, needs: [one], with: { n: 2 } }";
    const same = hash(A, two);
    expect(same).toMatch(/^[0-9a-f]{8}$/);
    expect(hash("two: { needs: [one], with: { n: 2 }, task: b, description: x }", A)).toBe(same);
    const others = [
      hash(A, "two: { task: b, with: { n: 2 } }"),
      hash(A, "two: { task: b, needs: [one], with: { n: 3 } }"),
      hash(A, "two: { task: b, needs: [one], with: { n: 2 }, onFailure: continue }"),
      hash(A, "two: { task: b, needs: [one], with: { n: 2 }, timeout: 5s }"),
      hash(A, "three: { task: b, needs: [one], with: { n: 2 } }"),
      hash(A.replace("n: 1", "n: 2"), two),
    ];
    expect(new Set([same, ...others]).size).toBe(others.length + 1);
  });

  it("has another hash for another schema of its input, by which inputs of runs that are steps are judged", () => {
    const hash = (input: string): string | undefined =>
      load(`${TASKS.replace("input: { n: integer,", `input: { ${input},`)}      ${A}\n`).project?.workflows[0]
        ?.definition.hash;
    const bounded = "n: { type: integer, maximum: 30 }";
    expect(hash(bounded)).toMatch(/^[0-9a-f]{8}$/);
    expect(hash(bounded)).not.toBe(hash("n: integer"));
    expect(hash("n: { type: integer, description: x }")).toBe(hash("n: integer"));
  });

  it("hands the runtime limits, queues and retries of each job", () => {
    const text = `${TASKS}      ${A}
      two: { task: limited, needs: [one] }
      three: { task: b, needs: [one], queue: few, retry: { maxRetries: 0 }, timeout: 5s }
`;
    const found = load(text).project?.workflows[0]?.definition;
    expect(found?.steps.map(({ name, job }) => [name, job?.queue, job?.limit])).toEqual([
      ["one", "default", undefined],
      ["three", "few", { name: "@few ", limit: 2 }],
      ["two", "default", { name: "limited ", limit: 3 }],
    ]);
    expect(found?.steps[1]?.job).toMatchObject({ maxRetries: 0, timeoutMs: 5000 });
  });
});

it("nests a long condition only a few levels deep, or TypeScript would refuse to compile it", () => {
  const operand = { kind: "literal", value: true } as const;
  const depth = (value: unknown): number => (Array.isArray(value) ? 1 + Math.max(0, ...value.map(depth)) : 0);
  expect(depth(runExpression({ kind: "any", operands: Array.from({ length: 500 }, () => operand) }))).toBe(
    10,
  );
});
