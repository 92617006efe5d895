import { describe, expect, it } from "vitest";
import { problems, taskFile, taskOf } from "./load.js";

const PAYLOAD = "payload: { tenantId: uuid, note: string? }";
const batch = (body: string, more = ""): string => taskFile(`${PAYLOAD}\nbatch: { ${body} }${more}`);

describe("a batch", () => {
  it("has a size and a time, and may have a key", () => {
    const task = taskOf(batch("size: 100, within: 5s, key: '${{ payload.tenantId }}'"));
    expect(task.definition.batch).toEqual({ size: 100, withinMs: 5000 });
    expect(task.batchKey).toEqual([
      { kind: "expression", expression: { kind: "path", root: "payload", segments: ["tenantId"] } },
    ]);
    expect(taskOf(batch("size: 2, within: 10m")).batchKey).toBeUndefined();
  });

  it("changes the hash of its task, and so does its key; a task without one keeps its hash", () => {
    const texts = [
      taskFile(PAYLOAD),
      batch("size: 100, within: 5s"),
      batch("size: 99, within: 5s"),
      batch("size: 100, within: 5s, key: '${{ payload.tenantId }}'"),
    ];
    expect(new Set(texts.map((text) => taskOf(text).definition.hash)).size).toBe(4);
  });

  it.each([
    ["size: 1, within: 5s", /^5:20 TW104 .*size.*2/],
    ["size: 1001, within: 5s", /^5:20 TW104 .*size.*1000/],
    ["size: 10, within: 0", /^5:32 TW104 .*longer than 0/],
    ["size: 10, within: 11m", /^5:32 TW104 .*at most 10m/],
    ["size: 10", /^5:5 TW103 missing "within"/],
    ["size: 10, whithin: 5s", /TW102 unknown key "whithin".*did you mean "within"/],
  ])("is refused as { %s }", (body, problem) => {
    expect(problems(batch(body))).toEqual(expect.arrayContaining([expect.stringMatching(problem)]));
  });

  it("has a key that is checked like the others", () => {
    expect(problems(batch("size: 10, within: 5s, key: '${{ payload.tenant }}'"))).toEqual([
      '5:54 TW131 "tenant" does not exist on payload | did you mean "tenantId"?',
    ]);
    expect(problems(batch("size: 10, within: 5s, key: same"))).toEqual([
      '5:41 TW131 the key is the same for every job, so it divides nothing | name whose jobs share a batch: "${{ payload.tenantId }}", or leave the key out',
    ]);
  });
});

describe("a batch that never comes together", () => {
  const limited = (concurrency: string, key = ""): string[] =>
    problems(batch(`size: 10, within: 5s${key}`, `\nconcurrency: { ${concurrency} }`));
  const key = "key: '${{ payload.tenantId }}'";

  it("because the task's limit is lower, or that of the same key", () => {
    const expected = [
      '5:20 TW160 expected at most 5, because no more jobs of "a:b" run at a time, got 10 | write size: 5, or raise the limit',
    ];
    expect(limited("limit: 5")).toEqual(expected);
    expect(limited(`limit: 5, ${key}`, `, ${key}`)).toEqual(expected);
    expect(limited("limit: 10")).toEqual([]);
    // Jobs of ten tenants can come together.
    expect(limited(`limit: 1, ${key}`)).toEqual([]);
  });

  it("because its queue's limit is lower", () => {
    const text = `${taskFile(`${PAYLOAD}\nbatch: { size: 10, within: 5s }`)}queues: { default: { concurrency: 3 } }\n`;
    expect(problems(text)).toEqual([
      '5:20 TW160 expected at most 3, because no more jobs of the queue "default" run at a time, got 10 | write size: 3, or raise the limit',
    ]);
  });

  it("before its jobs are dead", () => {
    expect(problems(batch("size: 10, within: 5s", "\nstartWithin: 5s"))).toEqual([
      "5:32 TW161 expected less than startWithin (5s), got 5s: a job that waits for others so long is dead before it starts | shorten within, or lengthen startWithin",
    ]);
    expect(problems(batch("size: 10, within: 5s", "\nstartWithin: 6s"))).toEqual([]);
  });
});
