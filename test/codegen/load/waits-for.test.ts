// `waitsFor` of a task: events and fields by which an emit can find the jobs that wait.
import { describe, expect, it } from "vitest";
import { load, problems, taskFile, taskOf } from "./load.js";

const EVENTS = `version: 1
events:
  ok: { payload: { id: uuid, n: integer, done: boolean, kind: { enum: [yes, no] }, note: string?, list: [string], by: { name: string } } }`;
/** The task's body begins in line 6. */
const waits = (body: string, more = ""): string => taskFile(`payload: {}\nwaitsFor: ${body}${more}`, EVENTS);

describe("waitsFor", () => {
  it("names events and the fields that say which is meant, in one order", () => {
    const { definition } = taskOf(waits("{ ok: [n, id, done, kind] }"));
    expect(definition.waitsFor).toEqual({ ok: ["done", "id", "kind", "n"] });
    expect(taskOf(taskFile("payload: {}", EVENTS)).definition.waitsFor).toBeUndefined();
  });

  it("changes the hash of its task, the order of fields does not; a task without it keeps its hash", () => {
    const hashes = [
      taskFile("payload: {}", EVENTS),
      waits("{ ok: [id] }"),
      waits("{ ok: [id, n] }"),
      waits("{ ok: [n, id] }"),
    ].map((text) => taskOf(text).definition.hash);
    expect(hashes[3]).toBe(hashes[2]);
    expect(new Set(hashes).size).toBe(3);
  });

  it.each([
    ["{ okk: [id] }", /^7:17 TW108 no event "okk" \| did you mean "ok"\?$/],
    ["{ ok: [idd] }", /^7:22 TW220 ok has no field "idd" \| did you mean "id"\?$/],
    ["{ ok: [what] }", /^7:22 TW220 ok has no field "what" \| fields: id, n, done, kind, note, list, by$/],
    ["{ ok: [id, id] }", /^7:26 TW220 "id" stands there twice \| delete one of them$/],
    ["{ ok: [note] }", /^7:22 TW220 "note" of ok may be missing, and such an event would be found by nobody/],
    ["{ ok: [list] }", /^7:22 TW220 "list" of ok is no text, number, boolean or choice/],
    ["{ ok: [by] }", /^7:22 TW220 "by" of ok is no text, number, boolean or choice/],
    ["{ ok: [] }", /^7:21 TW104 /],
    ["{ ok: id }", /^7:21 TW104 /],
    ["[ok]", /^7:15 TW104 /],
  ])("is refused as %s", (body, problem) => {
    expect(problems(waits(body))).toEqual([expect.stringMatching(problem)]);
  });

  it("is of handlers of one job", () => {
    expect(problems(waits("{ ok: [id] }", "\nbatch: { size: 10, within: 5s }"))).toEqual([
      expect.stringMatching(
        /^7:5 TW221 expected no waitsFor beside batch: "a:b" is handled many jobs at a time/,
      ),
    ]);
  });

  it("takes no choice that may be null, for which ctx.waitFor takes no value", () => {
    const events = EVENTS.replace("id: uuid", "id: { enum: [a, null] }");
    expect(problems(taskFile("payload: {}\nwaitsFor: { ok: [id] }", events))).toEqual([
      expect.stringMatching(/TW220 "id" of ok is no text, number, boolean or choice, or may be null,/),
    ]);
  });

  it("takes fields of schemas with a name", () => {
    const schemas = `${EVENTS.replace("id: uuid", "id: Id")}\nschemas: { Id: { type: string, minLength: 3 } }`;
    const file = taskFile("payload: {}\nwaitsFor: { ok: [id] }", schemas);
    expect(load(file).diagnostics).toEqual([]);
  });
});
