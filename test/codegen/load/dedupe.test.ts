import { describe, expect, it } from "vitest";
import { problems, taskFile, taskOf } from "./load.js";

function task(dedupe: string, more = ""): string {
  return taskFile(`payload: { user: uuid, tenant: string, note: string? }\ndedupe: ${dedupe}${more}`);
}

const KEY = 'key: "${{ payload.user }}"';

describe("dedupe", () => {
  it.each(["unfinished", "waiting", "replace"])("has the mode %s", (mode) => {
    const { definition, dedupeKey } = taskOf(task(`{ ${KEY}, mode: ${mode} }`));
    expect(definition.dedupe).toEqual({ mode });
    expect(dedupeKey).toHaveLength(1);
  });

  it("debounces with a wait, and at most ten of it unless it says otherwise", () => {
    const rule = (text: string): unknown =>
      taskOf(task(`{ ${KEY}, mode: debounce, ${text} }`)).definition.dedupe;
    expect(rule("wait: 5s")).toEqual({ mode: "debounce", waitMs: 5000, maxWaitMs: 50_000 });
    expect(rule("wait: 5s, maxWait: 1m")).toEqual({ mode: "debounce", waitMs: 5000, maxWaitMs: 60_000 });
    expect(rule("wait: 5s, maxWait: 5s")).toEqual({ mode: "debounce", waitMs: 5000, maxWaitMs: 5000 });
  });

  it("throttles for a time", () => {
    const { definition } = taskOf(task(`{ ${KEY}, mode: throttle, per: 10s }`));
    expect(definition.dedupe).toEqual({ mode: "throttle", perMs: 10_000 });
  });

  it("changes the hash of its task", () => {
    const hash = (text: string): string => taskOf(task(text)).definition.hash;
    const texts = [
      `{ ${KEY}, mode: waiting }`,
      `{ ${KEY}, mode: replace }`,
      `{ key: "\${{ payload.tenant }}", mode: waiting }`,
      `{ ${KEY}, mode: debounce, wait: 1s }`,
      `{ ${KEY}, mode: throttle, per: 1s }`,
    ];
    expect(new Set(texts.map(hash)).size).toBe(texts.length);
  });

  it.each([
    [
      `{ ${KEY}, mode: waitng }`,
      [
        expect.stringMatching(
          /^5:\d+ TW104 .* > mode: expected .* got "waitng" \| did you mean "waiting"\?$/,
        ),
      ],
    ],
    [
      `{ ${KEY} }`,
      [
        expect.stringMatching(
          /^5:\d+ TW103 missing "mode" .* \| one of debounce, replace, throttle, unfinished, waiting$/,
        ),
      ],
    ],
    [`{ mode: waiting }`, [expect.stringMatching(/^5:\d+ TW103 missing "key"/)]],
    [`{ ${KEY}, mode: debounce }`, [expect.stringMatching(/^5:\d+ TW103 missing "wait" .* such as 5s$/)]],
    [
      `{ ${KEY}, mode: waiting, wait: 5s }`,
      [expect.stringMatching(/TW102 unknown key "wait" .*known keys: key, mode$/)],
    ],
    [
      `{ ${KEY}, mode: debounce, wait: 5s, maxwait: 9s }`,
      [expect.stringMatching(/TW102 .*did you mean "maxWait"\?$/)],
    ],
    [`{ ${KEY}, mode: throttle }`, [expect.stringMatching(/^5:\d+ TW103 missing "per" .* such as 10s$/)]],
    [`{ ${KEY}, mode: throttle, per: 0 }`, [expect.stringMatching(/TW104 .*longer than 0/)]],
    [
      `{ ${KEY}, mode: throttle, wait: 5s }`,
      [
        expect.stringMatching(/TW103 missing "per"/),
        expect.stringMatching(/TW102 unknown key "wait" .*known keys: key, mode, per$/),
      ],
    ],
    [`{ ${KEY}, mode: debounce, wait: 0 }`, [expect.stringMatching(/TW104 .*longer than 0/)]],
    [
      `{ ${KEY}, mode: debounce, wait: 5s, maxWait: 4s }`,
      [
        expect.stringMatching(
          /TW152 a job that waits 5s cannot be due after 4s at the latest \| give maxWait 5s or more/,
        ),
      ],
    ],
    [
      `{ key: "\${{ payload.usr }}", mode: waiting }`,
      [expect.stringMatching(/TW131 .*did you mean "user"\?$/)],
    ],
    [
      `{ key: "\${{ payload.note }}", mode: waiting }`,
      [expect.stringMatching(/TW131 the value may be missing/)],
    ],
    [
      `{ key: all, mode: waiting }`,
      [expect.stringMatching(/TW131 the key is the same for every job, so there is one/)],
    ],
  ])("reports %s", (text, expected) => {
    expect(problems(task(text))).toEqual(expected);
  });

  it("goes with batch", () => {
    const batch = "\nbatch: { size: 10, within: 1s }";
    expect(problems(task(`{ ${KEY}, mode: debounce, wait: 5s }`, batch))).toEqual([]);
  });

  it("does not go with idempotency: a job has one key", () => {
    expect(problems(task(`{ ${KEY}, mode: waiting }`, `\nidempotency: { ${KEY} }`))).toEqual([
      expect.stringMatching(
        /^5:5 TW150 "a:b" has idempotency and dedupe; a job has one key \| .*: keep one$/,
      ),
    ]);
  });

  it.each([
    ["concurrency", "limit: 1"],
    ["rateLimit", "limit: 1, per: 1m"],
    ["fairness", ""],
  ])("goes with %s whose group a replaced job does not leave", (name, rule) => {
    const limit = (key: string): string =>
      `\n${name}: { ${rule === "" ? "" : `${rule}, `}key: "\${{ payload.${key} }}" }`;
    const replace = `{ ${KEY}, mode: replace }`;
    const ofAll = rule === "" ? "" : `\n${name}: { ${rule} }`;
    expect(problems(task(replace, ofAll))).toEqual([]);
    expect(problems(task(replace, limit("user")))).toEqual([]);
    expect(problems(task(`{ ${KEY}, mode: waiting }`, limit("tenant")))).toEqual([]);
    expect(problems(task(replace, limit("tenant")))).toEqual([
      expect.stringMatching(
        new RegExp(
          String.raw`^6:\d+ TW151 ${name}.key is made of something .* \| use the same key for both$`,
        ),
      ),
    ]);
  });
});
