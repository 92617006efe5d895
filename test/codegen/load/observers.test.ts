// Events and observers in definition files: what they become, and where each mistake is shown.
import { describe, expect, it } from "vitest";
import { load, problems } from "./load.js";

const FILE = `version: 1
queues: { default: {}, low: { weight: 1 }, one: { concurrency: 1 } }
schemas:
  Card: { how: { const: card }, no: string }
  Cash: { how: { const: cash }, no: string }
  Money: { amount: { type: integer, minimum: 1 }, currency: { enum: [EUR, NGN] } }
events:
  order:created:
    payload: { orderId: uuid, code: string, total: number, count: integer, note: string?, money: Money, tags: [string], any: any, kind: { enum: [a, b] }, maybe: { type: [string, "null"] }, closed: { x: string, y: string }, sizes: { type: object, additionalProperties: { type: integer }, properties: { unit: { type: string } } }, by?: { anyOf: [{ $ref: "#/schemas/Card" }, { $ref: "#/schemas/Cash" }] } }
tasks:
  go: { payload: { a: any } }
  task:id: { payload: { v: uuid } }
  task:email: { payload: { v: email } }
  task:text: { payload: { v: string } }
  task:maybe: { payload: { v: string? } }
  task:number: { payload: { v: number } }
  task:integer: { payload: { v: integer } }
  task:short: { payload: { v: { type: string, maxLength: 3 } } }
  task:kind: { payload: { v: { enum: [a, c] } } }
  task:money: { payload: { v: { amount: number, currency: string } } }
  task:tags: { payload: { v: [string] } }
  task:open: { payload: { v: object } }
  task:x: { payload: { v: { x: string } } }
  task:nested: { payload: { to: { email: email, name: string? }, lines: { type: array, items: { sku: string }, minItems: 1 } } }
  task:choice: { payload: { v: { oneOf: [{ type: string }, { type: number }] } } }
  task:paused: { payload: { v: string }, dedupe: { key: "\${{ payload.v }}", mode: debounce, wait: 5s } }
  task:limited: { payload: { v: string }, concurrency: { limit: 1 } }
observers:
  o:
`;
const FIRST_LINE = FILE.split("\n").length;

/** An observer whose body is given; problems begin with the column, or line and column below the first. */
function observer(body: string): string[] {
  const lines = body.split("\n").map((line) => `    ${line}`);
  return problems(`${FILE}${lines.join("\n")}\n`).map((problem) => {
    const [, line = "", rest = ""] = /^(\d+):(.*)$/s.exec(problem) ?? [];
    const below = Number(line) - FIRST_LINE;
    return below === 0 ? rest : `${below + 1}:${rest}`;
  });
}

const action = (task: string, value: string): string[] =>
  observer(`on: order:created\ndo: [{ task: ${task}, with: { v: ${value} } }]`);

describe("an observer", () => {
  it("becomes part of its event", () => {
    const { project, diagnostics } = load(
      `${FILE}    on: order:created
    when: "\${{ event.total > 5 }}"
    do: [{ task: task:text, with: { v: "x-\${{ event.code }}" }, queue: low, delay: 2s }]
`,
    );
    expect(diagnostics).toEqual([]);
    expect(project?.events).toMatchObject([{ name: "order:created", identifier: "OrderCreated" }]);
    expect(project?.events[0]?.observers).toMatchObject([
      {
        name: "o",
        when: { kind: "compare", operator: ">" },
        actions: [{ task: "task:text", queue: "low", delayMs: 2000 }],
      },
    ]);
  });

  it.each([
    ["task:id", '"${{ event.orderId }}"'],
    // Text may turn out to be an id: that is for the run to tell.
    ["task:id", '"${{ event.code }}"'],
    ["task:text", '"${{ event.orderId }}"'],
    ["task:text", '"${{ event.kind }}"'],
    ["task:text", '"order ${{ event.orderId }} of ${{ event.count }}"'],
    ["task:text", '"${{ event.note ?? event.code }}"'],
    ["task:text", "\"${{ event.maybe ?? 'none' }}\""],
    ["task:maybe", '"${{ event.note }}"'],
    ["task:number", '"${{ event.count }}"'],
    ["task:number", "5"],
    ["task:kind", "a"],
    ["task:money", '"${{ event.money }}"'],
    ["task:money", '{ amount: 5, currency: "${{ event.money.currency }}" }'],
    ["task:tags", '"${{ event.tags }}"'],
    ["task:tags", '[x, "${{ event.code }}"]'],
    ["task:open", '"${{ event }}"'],
    ["task:open", '{ a: 1, b: "${{ event.code }}" }'],
    ["task:choice", '"${{ event.total }}"'],
    ["task:choice", '"${{ event.code }}"'],
    ["task:choice", '"${{ event.sizes.shoe ?? 0 }}"'],
    ["task:text", "\"${{ event.by.no ?? event.by.how ?? 'none' }}\""],
    ["task:text", "\"${{ event.by.how ?? event.code ?? 'none' }}\""],
  ])("%s takes %s", (task, value) => {
    expect(action(task, value)).toEqual([]);
  });

  const FIRST = 'do: [{ task: task:text, with: { v: "'.length;
  it.each([
    ["task:id", '"${{ event.total }}"', "2:43 TW181 v of task:id takes text (uuid), got a number"],
    ["task:id", "no", '2:38 TW181 v of task:id takes text (uuid) that fits (Invalid UUID), got "no"'],
    ["task:email", '"${{ event.orderId }}"', "TW181 v of task:email takes text (email), got text (uuid)"],
    ["task:text", '"${{ event.total }}"', "TW181 v of task:text takes text, got a number"],
    ["task:text", "5", "2:40 TW181 v of task:text takes text, got 5"],
    [
      "task:text",
      '"${{ event.note }}"',
      "TW181 v of task:text is always needed, and this value may be missing | add ?? and a value",
    ],
    ["task:text", '"${{ event.maybe }}"', "TW181 v of task:text takes text, got null | add ?? and a value"],
    ["task:text", '"${{ event.any }}"', "TW181 v of task:text takes text, got anything"],
    [
      "task:text",
      '"${{ event.cod }}"',
      `2:${FIRST + 5 + 10} TW131 "cod" does not exist on event | did you mean "code"?`,
    ],
    ["task:text", '"${{ order.code }}"', `TW131 unknown name "order": an observer can read event only`],
    ["task:text", '"a ${{ event.note }}"', "TW131 a part of a text must always have a value"],
    ["task:text", '"a ${{ event.tags }}"', "TW131 a text is made of text, numbers and booleans"],
    ["task:text", '"${{ event.code"', "TW130 expected ?? or }}, got the end of the text"],
    ["task:text", '"${{ event.code == 1 }}"', 'TW130 operator "==" is not supported'],
    ["task:text", "", "TW181 v of task:text takes text, got null"],
    ["task:number", '"${{ event.code }}"', "TW181 v of task:number takes a number, got text"],
    [
      "task:text",
      "\"${{ event.by.how ?? event.by.no ?? 'none' }}\"",
      "TW131 event.by.no is never used: wherever it has a value, event.by.how has one | leave it out",
    ],
    ["task:text", '"${{ event.by ?? event.by.no }}"', "TW131 event.by.no is never used: wherever it has"],
    // To the user's compiler a key that is not declared may be one that is.
    [
      "task:integer",
      '"${{ event.sizes.shoe ?? 0 }}"',
      "TW181 v of task:integer takes a whole number, got text",
    ],
    ["task:integer", '"${{ event.total }}"', "TW181 v of task:integer takes a whole number, got a number"],
    [
      "task:short",
      "long",
      'TW181 v of task:short takes text that fits (Too big: expected string to have <=3 characters), got "long"',
    ],
    ["task:kind", '"${{ event.kind }}"', 'TW181 v of task:kind takes one of "a", "c", got "b"'],
    ["task:kind", '"${{ event.code }}"', 'TW181 v of task:kind takes one of "a", "c", got text'],
    ["task:money", "{ amount: 5 }", '2:38 TW181 task:money needs "v.currency"'],
    ["task:money", "{ amount: 5, currency: 6 }", "TW181 v.currency of task:money takes text, got 6"],
    ["task:x", '"${{ event.closed }}"', "TW181 v.y of task:x takes no field of that name, got one"],
    [
      "task:x",
      '"${{ event.money }}"',
      "TW181 v.x of task:x takes a field that is always there, got not there",
    ],
    ["task:tags", '["${{ event.total }}"]', "TW181 v[] of task:tags takes text, got a number"],
    ["task:choice", '"${{ event.tags }}"', "TW181 v of task:choice takes text or a number, got a list"],
  ])("%s does not take %s", (task, value, expected) => {
    expect(action(task, value)).toEqual([expect.stringContaining(expected)]);
  });

  it("is told of fields that its task lacks or needs, at any depth", () => {
    const body = `on: order:created
do:
  - task: task:nested
    with:
      to: { emial: a@b.de }
      lines: []
      more: 1
  - task: task:text`;
    expect(observer(body)).toEqual([
      '5:11 TW181 task:nested needs "to.email"',
      '5:17 TW181 task:nested has no "to.emial" | did you mean "email"?',
      "6:18 TW181 lines: expected at least 1 entries, got 0",
      '7:11 TW181 task:nested has no "more" | fields: to, lines',
      '8:9 TW181 task:text needs "v"',
    ]);
  });

  it("says when a job of a task that debounces is to run", () => {
    const paused = (delay: string): string => `on: order:created
do: [{ task: task:paused, with: { v: x }${delay} }]`;
    expect(observer(paused(""))).toEqual([]);
    expect(observer(paused(", delay: 2s"))).toEqual([
      '2:47 TW153 "task:paused" debounces: its definition says when it runs | leave delay out',
    ]);
  });

  it("shows every mistake of a file in one run", () => {
    const body = `on: order:creatd
when: "\${{ event.total }}"
do:
  - { task: task:txt, with: { v: 1 } }
  - { task: task:text, with: { v: 1, w: 2 }, queue: lwo }
  - { task: task:limited, with: { v: x }, queue: one }
  - { task: go, with: { a: "\${{ event.x + 1 }}" }, dealy: 2s }
  - { task: go, with: { a: 1 }, delay: 2 }`;
    expect(observer(body)).toEqual([
      '9 TW108 no event "order:creatd" | did you mean "order:created"?',
      '4:17 TW108 no task "task:txt" | did you mean "task:text"?',
      "5:39 TW181 v of task:text takes text, got 1",
      '5:42 TW181 task:text has no "w" | did you mean "v"?',
      '5:57 TW108 no queue "lwo" | did you mean "low"?',
      '6:54 TW132 "task:limited" has a limit, and so has the queue "one"; a job counts in one | name another queue',
      '7:45 TW130 operator "+" is not supported; only paths, literals and ?? are',
      '7:56 TW102 unknown key "dealy" in observers > o > do > 3 | did you mean "delay"?',
      "8:44 TW104 observers > o > do > 4 > delay: expected a duration with a unit (ms, s, m, h or d) such as 30s, got 2",
    ]);
  });

  it.each([
    [
      "event.total > 5",
      '11 TW130 expected one ${{ }} expression and nothing beside it | write "${{ event.total > 5 }}"',
    ],
    [
      "${{ event.total > 5 }} x",
      "11 TW130 expected one ${{ }} expression and nothing beside it | put all of it",
    ],
    ["${{ event.total }}", "16 TW180 when takes true or false, and this is a number | compare it"],
    ["${{ event.totl > 5 }}", '22 TW131 "totl" does not exist on event | did you mean "total"?'],
    ["${{ event.kind == 'c' }}", '30 TW180 event.kind is one of "a", "b", never "c" | did you mean "a"?'],
    ["${{ event.total = 5 }}", '28 TW130 operator "=" is not supported'],
  ])("when: %s", (when, expected) => {
    const found = observer(
      `on: order:created\nwhen: ${JSON.stringify(when)}\ndo: [{ task: go, with: { a: 1 } }]`,
    );
    expect(found).toEqual([expect.stringContaining(`2:${expected}`)]);
  });
});

describe("what is sensitive", () => {
  const warnings = (value: string): string[] =>
    problems(`version: 1
schemas:
  Card: { number: { type: string, x-sensitive: true }, holder: string }
events:
  paid: { payload: { pin: { type: string, x-sensitive: true }, card: Card, note: string } }
tasks:
  hide: { payload: { v: { type: string, x-sensitive: true } } }
  card: { payload: { v: Card } }
  show: { payload: { v: any } }
observers:
  o: { on: paid, do: [{ ${value} }] }
`);
  it.each([
    'task: hide, with: { v: "${{ event.pin }}" }',
    'task: hide, with: { v: "x${{ event.pin }}" }',
    'task: card, with: { v: "${{ event.card }}" }',
    'task: card, with: { v: { number: "${{ event.pin }}", holder: x } }',
    'task: show, with: { v: "${{ event.note }} ${{ event.card.holder }}" }',
  ])("%s keeps it hidden", (value) => {
    expect(warnings(value)).toEqual([]);
  });

  it.each([
    ['task: show, with: { v: "${{ event.pin }}" }', "v of show"],
    ['task: show, with: { v: "x${{ event.pin }}" }', "v of show"],
    ['task: show, with: { v: "${{ event.card }}" }', "v.number of show"],
    ['task: show, with: { v: "${{ event }}" }', "v.pin of show"],
    ['task: show, with: { v: { a: "${{ event.pin }}" } }', "v.a of show"],
    ['task: show, with: { v: ["${{ event.pin }}"] }', "v[] of show"],
  ])("%s is warned of", (value, field) => {
    expect(warnings(value)).toEqual([
      expect.stringContaining(
        `TW182 ${field} would show what is x-sensitive where it comes from | mark the field`,
      ),
    ]);
  });

  const observed = (schemas: string, event: string, target: string): string[] =>
    problems(`version: 1
schemas:
${schemas}
events:
  e: { payload: { v: ${event} } }
tasks:
  t: { payload: { v: ${target} } }
observers:
  o: { on: e, do: [{ task: t, with: { v: "\${{ event.v }}" } }] }
`);

  it("finds what stands deeper in a schema that contains itself", () => {
    const found = observed(
      `  Rec: { s: { type: string, x-sensitive: true }, kids: [Rec] }
  Plain: { s: string, kids: [Plain] }
  Target: { s: { type: string, x-sensitive: true }, kids: [Plain] }`,
      "Rec",
      "Target",
    );
    expect(found).toEqual([expect.stringContaining("TW182 v.kids[].s of t would show")]);
  });

  it("finds what any other key of a map holds", () => {
    const map = "{ type: object, additionalProperties: { type: string, x-sensitive: true } }";
    const other = "{ type: object, additionalProperties: { type: string } }";
    for (const target of ["any", other])
      expect(observed("  Unused: { n: string }", map, target)).toEqual([
        expect.stringContaining("TW182 v.* of t would show"),
      ]);
    expect(observed("  Unused: { n: string }", map, map)).toEqual([]);
    const declared =
      "{ type: object, properties: { a: { type: string } }, additionalProperties: { type: string, x-sensitive: true } }";
    expect(observed("  Unused: { n: string }", map, declared)).toEqual([
      expect.stringContaining("TW182 v.a of t would show"),
    ]);
  });

  it("names the field where one branch of a choice was meant", () => {
    const target = "{ oneOf: [{ type: string }, { type: object, properties: { n: { type: integer } } }] }";
    const found = observed("  Wrong: { n: string }", "Wrong", target);
    expect(found).toEqual([expect.stringContaining("v.n of t takes a whole number, got text")]);
  });

  it("is not held up by schemas that name each other in many ways", () => {
    const chain = Array.from(
      { length: 20 },
      (_, index) => `  S${index}: { a: S${index + 1}, b: S${index + 1}, c: [S${index + 1}] }`,
    );
    const schemas = [...chain, "  S20: { n: string }"].join("\n");
    expect(observed(schemas, "S0", "S0")).toEqual([]);
    expect(observed(schemas, "S0", "any")).toEqual([]);
  });
});

describe("names", () => {
  it.each([
    [
      "events:\n  a:b: { payload: {} }\n  a-b: { payload: {} }",
      'TW106 the event "a-b" gives the identifier AB',
    ],
    ["events:\n  A: { payload: {} }", 'TW107 "A" cannot name an event'],
    ["observers:\n  A: { on: x, do: [] }", 'TW107 "A" cannot name an observer'],
    [`events:\n  a: { payload: string }`, "TW120"],
    [
      `observers:\n  ${"o".repeat(81)}: { on: x, do: [] }`,
      "TW107 expected a name of at most 80 characters, got 81",
    ],
    [
      "observers:\n  o: { on: a, do: [] }\nevents: { a: { payload: {} } }",
      "TW104 observers > o > do: expected at least 1 entry, got 0",
    ],
  ])("%j", (text, expected) => {
    expect(problems(`version: 1\n${text}\n`)).toContainEqual(expect.stringContaining(expected));
  });
});
