import { describe, expect, it } from "vitest";
import { load, problems } from "./load.js";

/** `pay:charge` stands in line 4, its `onExhausted` in line 3. */
function file(payload: string, more = ""): string {
  return `version: 1
tasks:
  pay:charge: { payload: {}, onExhausted: ops:alert }
  ops:alert: { payload: ${payload}${more} }
  ops:page: { payload: {} }
`;
}

describe("onExhausted", () => {
  it("passes on what the named task declares of what is known", () => {
    const { project, diagnostics } = load(
      file("{ jobId: string, message?: string, team?: string, payload: object }"),
    );
    expect(diagnostics).toEqual([]);
    const charge = project?.tasks.find((task) => task.definition.name === "pay:charge");
    expect(charge?.definition.onExhausted).toEqual({
      task: "ops:alert",
      fields: ["jobId", "message", "payload"],
    });
  });

  it("changes the hash of the task that has it, and of no other", () => {
    const hash = (text: string, name: string): string | undefined =>
      load(text).project?.tasks.find((task) => task.definition.name === name)?.definition.hash;
    const without = file("{}").replace(", onExhausted: ops:alert", "");
    expect(hash(file("{}"), "pay:charge")).not.toBe(hash(without, "pay:charge"));
    expect(hash(file("{}"), "ops:alert")).toBe(hash(without, "ops:alert"));
  });

  it("names a task that there is", () => {
    expect(problems(file("{}").replace("onExhausted: ops:alert", "onExhausted: ops:alrt"))).toEqual([
      '3:43 TW108 no task "ops:alrt" | did you mean "ops:alert"?',
    ]);
  });

  it("names a task that takes what it is told", () => {
    const told =
      "it is told attempts, error, jobId, message, payload, queue, task; leave others out, or make them optional";
    expect(problems(file("{ jobId: string, team: string }"))).toEqual([
      `3:43 TW142 ops:alert needs "team", which it is not told | ${told}`,
    ]);
    expect(problems(file("{ attempts: string, jobId: uuid, task: { enum: [pay:refund] } }"))).toEqual([
      expect.stringMatching(/^3:43 TW142 ops:alert does not take every attempts: .*expected string/),
      expect.stringMatching(/^3:43 TW142 ops:alert does not take every jobId: Invalid UUID/),
      expect.stringMatching(/^3:43 TW142 ops:alert does not take every task: .*pay:refund/),
    ]);
    expect(
      problems(file("{ message: { type: string, maxLength: 100 }, payload: { orderId: string } }")),
    ).toEqual([
      expect.stringMatching(/does not take every payload: .*received undefined/),
      expect.stringMatching(/does not take every message: Too big/),
      expect.stringMatching(/does not take every payload: Unrecognized key/),
    ]);
    expect(problems(file("{ oneOf: [{ type: object, properties: {} }] }"))).toEqual([]);
    const union =
      "{ anyOf: [{ type: object, properties: { a: { type: string } } }, { type: object, properties: {} }] }";
    expect(problems(file(union))).toEqual([
      "3:43 TW142 ops:alert must have a payload of plain fields to be told what has happened",
    ]);
  });

  it("is warned of where tools would show what is sensitive in the job that died", () => {
    const charge = "{ lines: [{ card: { type: string, x-sensitive: true } }] }";
    const warned = (alert: string): string[] =>
      problems(file(alert).replace("pay:charge: { payload: {}", `pay:charge: { payload: ${charge}`));
    const hint = "mark the field of the task x-sensitive too, or leave it out";
    const shows = (field: string) =>
      `3:${43 - 2 + charge.length} TW182 ${field} of ops:alert would show what is x-sensitive in pay:charge | ${hint}`;
    expect(warned("{ error: string, jobId: string, message?: string, payload: object }")).toEqual(
      ["error", "message", "payload.lines[].card"].map(shows),
    );
    const hidden = "{ type: string, x-sensitive: true }";
    expect(
      warned(`{ error: ${hidden}, message: ${hidden}, payload: { type: object, x-sensitive: true } }`),
    ).toEqual([]);
    expect(warned("{ jobId: string, queue: string }")).toEqual([]);
  });

  it("does not lead back to where it came from", () => {
    expect(problems(file("{}").replace("onExhausted: ops:alert", "onExhausted: pay:charge"))).toEqual([
      "3:43 TW142 onExhausted leads back to pay:charge, so one dead job would make jobs for ever | name a task outside of this circle",
    ]);
    expect(problems(file("{}", ", onExhausted: pay:charge"))).toHaveLength(2);
    expect(problems(file("{}", ", onExhausted: ops:page"))).toEqual([]);
  });
});
