import { describe, expect, it } from "vitest";
import { load, problems } from "./load.js";

const TASKS = `tasks:
  otp:cleanup: { payload: { before: date?, max?: { type: integer, minimum: 1 }, kinds?: [{ enum: [sms, email] }] } }
  report:send:
    payload: { to: email, range: Range }
schemas:
  Range: { from: date, days: { type: integer, minimum: 1, maximum: 31 } }
`;

/** A file with the schedule `nightly`; its first line is line 10. */
function schedule(body: string, name = "nightly"): string {
  const lines = body.split("\n").map((line) => `    ${line}`);
  return `version: 1\n${TASKS}schedules:\n  ${name}:\n${lines.join("\n")}\n`;
}

const RIGHT = 'task: otp:cleanup\ncron: "0 3 * * *"\ntimezone: Africa/Lagos';

describe("schedules", () => {
  it("get their defaults, and keep their cron expression as it is written", () => {
    expect(load(schedule(RIGHT)).project?.schedules).toEqual([
      {
        name: "nightly",
        task: "otp:cleanup",
        cron: "0 3 * * *",
        timezone: "Africa/Lagos",
        missed: "latest",
        overlap: "allow",
        jitterMs: 0,
        payload: {},
      },
    ]);
  });

  it("are sorted by name over all files, and a name is declared once", () => {
    const body = "{ task: a:b, cron: '* * * * *', timezone: UTC }";
    const files = {
      "tasks/a.yaml": `version: 1\ntasks: { a:b: { payload: {} } }\nschedules:\n  z: ${body}\n  b: ${body}\n`,
      "tasks/b.yaml": `version: 1\nschedules:\n  m: ${body}\n`,
    };
    expect(load(files).project?.schedules.map(({ name }) => name)).toEqual(["b", "m", "z"]);
    files["tasks/b.yaml"] += `  z: ${body}\n`;
    expect(problems(files)).toEqual([
      '4:3 TW106 the schedule "z" is also declared at tasks/a.yaml:4 | rename or delete one of them',
    ]);
  });

  it.each([
    [
      RIGHT.replace("otp:cleanup", "otp:claenup"),
      '10:11 TW108 no task "otp:claenup" | did you mean "otp:cleanup"?',
    ],
    [RIGHT.replace("0 3 * * *", "0 25 * * *"), '11:14 TW140 expected 0 to 23 in the field hour, got "25"'],
    [
      RIGHT.replace('"0 3 * * *"', "0 3 * * MOM"),
      '11:19 TW140 expected *, numbers from 0 to 7, SUN to SAT, ranges or steps in the field day of week, got "MOM" | L, W, # and ? of other schedulers are not supported',
    ],
    [RIGHT.replace('"0 3 * * *"', "'@daily'"), "11:12 TW140 expected 5 fields, got 1 | write 0 0 * * *"],
    [
      RIGHT.replace("Africa/Lagos", "Lagos"),
      '12:15 TW140 no IANA time zone "Lagos" | did you mean "Africa/Lagos"?',
    ],
    [
      RIGHT.replace("Africa/Lagos", "Afrika/Lagos"),
      '12:15 TW140 no IANA time zone "Afrika/Lagos" | did you mean "Africa/Lagos"?',
    ],
    [
      RIGHT.replace("Africa/Lagos", "+01:00"),
      '12:15 TW140 no IANA time zone "+01:00" | such as Africa/Lagos, Europe/Berlin or UTC',
    ],
    [
      RIGHT.replace("\ntimezone: Africa/Lagos", ""),
      '9:3 TW103 missing "timezone" in schedules > nightly | laptops and servers disagree about the local time: name a zone, such as Africa/Lagos or UTC',
    ],
    [
      `${RIGHT}\noverlap: queue`,
      '13:14 TW104 schedules > nightly > overlap: expected allow, skip or replace, got "queue"',
    ],
    [
      `${RIGHT}\noverlap: skip\nmissed: all`,
      '13:14 TW104 "missed: all" wants every tick to run, "overlap: skip" lets only one wait | write overlap: allow, or missed: latest',
    ],
    [
      `${RIGHT}\noverlap: replace\nmissed: all`,
      '13:14 TW104 "missed: all" wants every tick to run, "overlap: replace" keeps only the last | write overlap: allow, or missed: latest',
    ],
    [
      `${RIGHT.replace("0 3", "*/10 9-17")}\noverlap: replace\njitter: 10m`,
      '14:13 TW104 ticks are 10 min apart, and "overlap: replace" drops a job that is due after the next tick, as with a jitter of 10m | write a shorter jitter, or overlap: skip',
    ],
    [`${RIGHT}\njitter: 2h`, '13:13 TW104 schedules > nightly > jitter: expected at most 1h, got "2h"'],
    [
      `${RIGHT}\nevery: 5m`,
      '13:5 TW102 unknown key "every" in schedules > nightly | known keys: cron, description, input, jitter, missed, overlap, payload, task, timezone, workflow',
    ],
  ])("%j is refused at its place", (body, expected) => {
    expect(problems(schedule(body))).toEqual([expected]);
  });

  it.each([
    ["*/10 9-17", "replace", "599s"],
    ["*/10 9-17", "skip", "10m"],
    ["0 3", "replace", "1h"],
  ])("with ticks of %j, overlap: %s and a jitter of %s are right", (ticks, overlap, jitter) => {
    expect(
      problems(schedule(`${RIGHT.replace("0 3", ticks)}\noverlap: ${overlap}\njitter: ${jitter}`)),
    ).toEqual([]);
  });

  it("have names of at most 100 characters, because the ids of their jobs are made from them", () => {
    expect(problems(schedule(RIGHT, "n".repeat(100)))).toEqual([]);
    expect(problems(schedule(RIGHT, "n".repeat(101)))).toEqual([
      "9:3 TW107 expected a name of at most 100 characters, got 101",
    ]);
    expect(problems(schedule(RIGHT, "Nightly"))[0]).toBe(
      '9:3 TW107 "Nightly" cannot name a schedule: expected one to five segments joined by colons, each a lower-case letter, then lower-case letters, digits, - and _ | did you mean "nightly"?',
    );
  });
});

describe("the payload of a schedule", () => {
  const report = (payload: string): string[] =>
    problems(schedule(`task: report:send\ncron: "0 3 * * *"\ntimezone: UTC\n${payload}`));

  it("may be left out where the task needs nothing, and may not where it does", () => {
    expect(problems(schedule(RIGHT))).toEqual([]);
    expect(report("")).toEqual([
      '9:3 TW141 the payload of report:send needs "to"',
      '9:3 TW141 the payload of report:send needs "range"',
    ]);
  });

  it.each([
    ["payload: { to: a@b.cd, range: { from: 2026-01-01, days: 7 } }", []],
    [
      "payload: { to: a@b.cd, range: { from: 2026-01-01, days: 40 } }",
      ["13:61 TW141 payload.range.days: Too big: expected number to be <=31"],
    ],
    [
      "payload:\n  to: nobody\n  range:\n    from: yesterday\n    days: '7'",
      [
        "14:11 TW141 payload.to: Invalid email address",
        "16:15 TW141 payload.range.from: Invalid ISO date",
        "17:15 TW141 payload.range.days: Invalid input: expected number, received string",
      ],
    ],
    [
      "payload:\n  to: a@b.cd\n  range: { from: 2026-01-01 }",
      ['15:7 TW141 the payload of report:send needs "days" in payload.range'],
    ],
    [
      "payload:\n  to: a@b.cd\n  range: { from: 2026-01-01, days: 1, dayz: 2 }\n  tO: x",
      [
        '15:43 TW141 the payload of report:send has no "dayz" in payload.range | did you mean "days"?',
        '16:7 TW141 the payload of report:send has no "tO" | did you mean "to"?',
      ],
    ],
    ["payload: []", ["13:14 TW104 schedules > nightly > payload: expected a map, got a list"]],
  ])("%j is checked field by field", (payload, expected) => {
    expect(report(payload)).toEqual(expected);
  });

  it("is checked in lists and choices too", () => {
    const body = `${RIGHT}\npayload:\n  kinds: [sms, fax]\n  max: 0`;
    expect(problems(schedule(body))).toEqual([
      '14:20 TW141 payload.kinds[1]: Invalid option: expected one of "sms"|"email"',
      "15:12 TW141 payload.max: Too small: expected number to be >=1",
    ]);
  });
});

describe("a schedule of a workflow", () => {
  const WORKFLOWS = `workflows:
  report:weekly:
    input: { to: email, days: { type: integer, minimum: 1 } }
    steps: { clean: { task: otp:cleanup } }
`;
  const RUNS = 'workflow: report:weekly\ncron: "0 3 * * *"\ntimezone: UTC\ninput: { to: a@b.cd, days: 7 }';
  const runs = (body: string, name?: string): string => schedule(body, name) + WORKFLOWS;

  it("carries the input of its runs", () => {
    expect(load(runs(RUNS)).project?.schedules).toEqual([
      {
        name: "nightly",
        workflow: "report:weekly",
        cron: "0 3 * * *",
        timezone: "UTC",
        missed: "latest",
        overlap: "allow",
        jitterMs: 0,
        input: { to: "a@b.cd", days: 7 },
      },
    ]);
  });

  it.each(["allow", "skip", "replace"])("may say overlap: %s", (overlap) => {
    expect(load(runs(`${RUNS}\noverlap: ${overlap}`)).project?.schedules).toMatchObject([{ overlap }]);
  });

  it.each([
    [
      RUNS.replace("report:weekly", "report:wekly"),
      '10:15 TW108 no workflow "report:wekly" | did you mean "report:weekly"?',
    ],
    [
      RUNS.replace("workflow: report:weekly\n", ""),
      "9:3 TW214 a schedule makes jobs or starts runs | give it a task, or a workflow",
    ],
    [
      `${RUNS}\ntask: otp:cleanup`,
      "10:5 TW214 a schedule makes jobs or starts runs, not both | make it two schedules",
    ],
    [RUNS.replace("input:", "payload:"), "13:5 TW214 a schedule of a workflow has no payload | write input"],
    [`${RIGHT}\ninput: {}`, "13:5 TW214 a schedule of a task has no input | write payload"],
    [RUNS.replace("days: 7", "days: 0"), "13:32 TW141 input.days: Too small: expected number to be >=1"],
    [
      RUNS.replace("days: 7", "day: 7"),
      '13:26 TW141 the input of report:weekly has no "day" | did you mean "days"?',
    ],
    [
      RUNS.replace("\ninput: { to: a@b.cd, days: 7 }", "\ninput: { days: 7 }"),
      '13:5 TW141 the input of report:weekly needs "to"',
    ],
  ])("%j is refused at its place", (body, expected) => {
    expect(problems(runs(body))).toContain(expected);
  });

  it("has a name of at most 60 characters, because the ids of its runs are made from it", () => {
    expect(problems(runs(RUNS, "n".repeat(60)))).toEqual([]);
    expect(problems(runs(RUNS, "n".repeat(61)))).toEqual([
      "9:3 TW107 expected a name of at most 60 characters for a schedule of a workflow, got 61",
    ]);
  });
});
