// Timeouts of runs, and steps that wait for events: what their checks find, and where.
import { describe, expect, it } from "vitest";
import { problems } from "./load.js";

const TASKS = `version: 1
queues: { default: {}, few: { concurrency: 2 } }
tasks:
  a: { payload: { n: integer }, result: { id: string, note: string? } }
  b: { payload: { n: integer? } }
  limited: { payload: {}, concurrency: { limit: 3 } }
  take: { payload: { text: string, note: string? }, result: { ok: boolean } }
events:
  ok: { payload: { n: integer, run: string?, by: { name: string, note: string? }, kind: { enum: [yes, no] } } }
workflows:
  w:
    input: { n: integer, list: [{ sku: string }], maybe?: [string], go: boolean }
    steps:
`;

describe("the timeout of a run", () => {
  const run = (more: string, step = "task: b"): string[] =>
    problems(
      `${TASKS.replace("workflows:\n  w:\n", `workflows:\n  w:\n    ${more}\n`)}      x: { ${step} }\n`,
    );
  const UNDOES = "task: b, compensate: { task: b }";

  it.each([
    [
      "timeout: 0s",
      "task: b",
      /^12:14 TW104 workflows > w > timeout: expected a duration longer than 0, got "0s"/,
    ],
    [
      "onTimeout: fail",
      "task: b",
      /^12:5 TW211 onTimeout says what becomes of a run whose timeout is over, and there is no timeout \| add timeout: 24h, or delete it$/,
    ],
    [
      "timeout: 1h\n    onTimeout: compensate",
      "task: b",
      /^13:16 TW210 when the run's time is over there is nothing to undo: no step has compensate \| write onTimeout: fail, or give a step a compensate$/,
    ],
    ["timeout: 1h\n    onTimeout: fail", UNDOES, /TW210 only a cancelled run undoes "x"/],
  ])("%s, %s", (more, step, problem) => {
    expect(run(more, step)).toEqual([expect.stringMatching(problem)]);
  });

  it("leads to what undoes", () => {
    expect(run("timeout: 1h", UNDOES)).toEqual([]);
  });
});

describe("a step that waits for an event", () => {
  /** The first step stands in line 14. */
  const waits = (...lines: string[]): string[] =>
    problems(`${TASKS}${lines.map((line) => `      ${line}\n`).join("")}`);
  const wait = (match: string, more = ""): string =>
    `x: { waitFor: ok, timeout: 1h, match: "\${{ ${match} }}"${more} }`;

  it.each([
    ["event.n == input.n", /^$/],
    ["input.n == event.n && event.kind == 'yes'", /^$/],
    ["event.by.name == run.id", /^$/],
    ["event.kind != 'no' && (event.n > 3 && event.by.name == run.id)", /^$/],
    ["event.n == 3 || event.n == input.n", /^14:45 TW212 match has no equality/],
  ])("%s", (match, problem) => {
    expect(waits(wait(match)).join("\n")).toMatch(problem);
  });

  it.each([
    [
      'x: { waitFor: ok, match: "${{ event.n == input.n }}" }',
      '14:12 TW211 the step "x" could wait for ever | add timeout: 24h, and onFailure if the run is to go on then',
    ],
    [
      "x: { waitFor: ok, timeout: 1h }",
      '14:12 TW212 the step "x" does not say which event is for its run | add match: "${{ event.orderId == input.orderId }}"',
    ],
    [wait("event.n == input.n").replace("ok", "okay"), '14:21 TW108 no event "okay" | events: ok'],
    [
      wait("event.n == input.n", ", task: b"),
      '14:12 TW200 the step "x" has a task, and it waits | make the wait a step of its own',
    ],
    [
      wait("event.n == input.n", ", sleep: 1h"),
      '14:74 TW200 the step "x" sleeps, and it waits for an event | make one of them a step of its own',
    ],
    [wait("event.n == input.n", ", queue: few"), '14:74 TW200 a step that waits has no "queue" | delete it'],
    [
      'x: { task: b, match: "${{ event.n == input.n }}" }',
      "14:21 TW200 match says which event a step waits for, and there is no waitFor",
    ],
    [
      wait("event.kind == 'yes'"),
      "14:45 TW212 match has no equality of a field of the event with something that the run knows from its start | add one such as event.orderId == input.orderId, or event.runId == run.id",
    ],
    [
      wait("event.n > input.n"),
      "14:45 TW212 match has no equality of a field of the event with something that the run knows from its start | add one such as event.orderId == input.orderId, or event.runId == run.id",
    ],
    [wait("event.m == input.n"), '14:56 TW131 "m" does not exist on event | did you mean "n"?'],
    [wait("event.n == input.go"), "14:61 TW180 event.n is a whole number, never a boolean, as input.go is"],
    [
      wait("event.run == run.id"),
      "14:50 TW180 event.run may be missing or null | add ?? and a value: (event.run ?? ...)",
    ],
    [
      wait("event.n == input.n").replace("event.n", "evnt.n"),
      '14:50 TW131 unknown name "evnt": step "x" can read input, run, steps, event only | did you mean "event"?',
    ],
    [wait("event.n == run.no"), '14:65 TW131 "no" does not exist on run | fields: id'],
  ])("%s", (line, problem) => {
    expect(waits(line)).toEqual([problem]);
  });

  it("says that results of steps come too late", () => {
    const match = "event.by.name == steps.one.result.id";
    expect(waits("one: { task: a, with: { n: 1 } }", wait(match, ", needs: [one]"))).toEqual([
      "15:45 TW212 match has no equality of a field of the event with something that the run knows from its start | results of steps come too late, an event may be earlier: compare a field with something of input or with run.id, such as event.runId == run.id",
    ]);
  });

  it("gives the payload of the event, where it did not wait in vain", () => {
    const ok = wait("event.n == input.n");
    const read = (path: string): string => `y: { task: take, needs: [x], with: { text: "\${{ ${path} }}" } }`;
    expect(waits(ok, read("steps.x.result.by.name"))).toEqual([]);
    expect(waits(ok, read("steps.x.result.by.nam"))).toEqual([
      expect.stringContaining('"nam" does not exist on steps.x.result.by | did you mean "name"?'),
    ]);
    const lenient = wait("event.n == input.n", ", onFailure: continue");
    expect(waits(lenient, read("steps.x.result.by.name"))).toEqual([
      expect.stringContaining("this value may be missing (the step x may wait in vain)"),
    ]);
    expect(waits(lenient, read("steps.x.result.by.name ?? 'nobody'"))).toEqual([]);
    expect(waits(lenient, read("steps.x.status"))).toEqual([]);
  });
});

describe("an observer that starts a run", () => {
  /** The action stands in line 19. */
  const action = (text: string): string[] =>
    problems(
      `${TASKS}      one: { task: b }
observers:
  o:
    on: ok
    do:
      - ${text}
`,
    );
  const START = 'workflow: w, with: { n: "${{ event.n }}", list: [], go: true }';

  it.each([
    [`{ ${START} }`, ""],
    ["{ workflow: ww }", '19:21 TW108 no workflow "ww" | did you mean "w"?'],
    ["{ delay: 1s }", "19:9 TW213 an action makes a job or starts a run | give it a task, or a workflow"],
    [
      "{ task: b, workflow: w, with: {} }",
      "19:20 TW213 an action makes a job or starts a run, not both | make it two actions",
    ],
    [
      `{ delay: 1s, ${START} }`,
      "19:11 TW213 an action that starts a run has no delay | let the workflow begin with a sleep",
    ],
    [
      `{ queue: few, ${START} }`,
      "19:11 TW213 an action that starts a run has no queue | a workflow says its queue",
    ],
    [
      '{ workflow: w, with: { n: "${{ event.by.name }}", list: [], go: true } }',
      "19:40 TW181 n of w takes a whole number, got text",
    ],
    ["{ workflow: w, with: { list: [], go: true } }", /^19:24 TW181 .*"n"/],
  ])("%s", (text, problem) => {
    expect(action(text).join("\n")).toMatch(typeof problem === "string" ? exactly(problem) : problem);
  });
});

function exactly(text: string): RegExp {
  return new RegExp(`^${text.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&")}$`);
}
