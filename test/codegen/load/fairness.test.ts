import { describe, expect, it } from "vitest";
import { problems, taskFile, taskOf } from "./load.js";

const PAYLOAD = "payload: { tenantId: uuid, region: string, note: string? }";
const KEY = "key: '${{ payload.tenantId }}'";
const fair = (more = "", key = KEY): string => taskFile(`${PAYLOAD}\nfairness: { ${key} }${more}`);

describe("fairness", () => {
  it("has a key, which changes the hash of its task", () => {
    const task = taskOf(fair());
    expect(task.fairnessKey).toEqual([
      { kind: "expression", expression: { kind: "path", root: "payload", segments: ["tenantId"] } },
    ]);
    const texts = [taskFile(PAYLOAD), fair(), fair("", "key: '${{ payload.region }}'")];
    expect(new Set(texts.map((text) => taskOf(text).definition.hash)).size).toBe(3);
  });

  it.each([
    ["", /^5:5 TW103 missing "key"/],
    ["kez: x", /TW102 unknown key "kez".*did you mean "key"/],
    ["key: '${{ payload.tenant }}'", /TW131 "tenant" does not exist on payload | did you mean "tenantId"/],
    ["key: '${{ payload.note }}'", /TW131 the value may be missing/],
    ["key: same", /TW131 the key is the same for every job, so there are no turns to take | name whose jobs/],
  ])("is refused as { %s }", (body, problem) => {
    expect(problems(fair("", body))).toEqual(expect.arrayContaining([expect.stringMatching(problem)]));
  });
});

describe("turns beside a limit", () => {
  const limited = (rule: string): string[] => problems(fair(`\n${rule}`));

  it("have the key of the limit", () => {
    expect(limited(`concurrency: { limit: 2, ${KEY} }`)).toEqual([]);
    expect(limited(`rateLimit: { limit: 2, per: 1m, key: '\${{payload.tenantId}}' }`)).toEqual([]);
    expect(limited(`concurrency: { limit: 2, ${KEY} }\nrateLimit: { limit: 2, per: 1m, ${KEY} }`)).toEqual(
      [],
    );
  });

  it("are refused where the limit is of the whole task or of another key", () => {
    const hint = (rule: string): string =>
      `write key: "\${{ payload.tenantId }}" here too, so that each key has the limit for itself, or leave ${rule} or fairness out`;
    const why = "expected the key of fairness, because a job waits for its turn and its limit in one place";
    expect(limited("concurrency: { limit: 2 }")).toEqual([
      `6:5 TW164 ${why}, got a limit of the whole task | ${hint("concurrency")}`,
    ]);
    expect(limited("rateLimit: { limit: 2, per: 1m, key: '${{ payload.region }}' }")).toEqual([
      `6:42 TW164 ${why}, got another one | ${hint("rateLimit")}`,
    ]);
  });

  it("are refused in a queue with a limit", () => {
    const queued = (queue: string): string[] => problems(`${fair()}queues: { default: { ${queue} } }\n`);
    expect(queued("weight: 2")).toEqual([]);
    const expected = [
      '5:5 TW164 "a:b" takes turns between keys, and its queue "default" has a limit; a job waits for one of them | give the task another queue, or leave fairness or the limit of the queue out',
    ];
    expect(queued("concurrency: 3")).toEqual(expected);
    expect(queued("rateLimit: { limit: 3, per: 1s }")).toEqual(expected);
  });

  it("are refused by an observer that names a queue with a limit", () => {
    const text = (queue: string): string =>
      [
        fair().trimEnd(),
        `queues: { default: {}, narrow: { ${queue} } }`,
        "events: { x:y: { payload: { tenantId: uuid, region: string } } }",
        "observers:",
        "  all:",
        "    on: x:y",
        "    do:",
        "      - task: a:b",
        "        queue: narrow",
        "        with: { tenantId: '${{ event.tenantId }}', region: '${{ event.region }}' }",
        "",
      ].join("\n");
    expect(problems(text("weight: 2"))).toEqual([]);
    expect(problems(text("rateLimit: { limit: 3, per: 1s }"))).toEqual([
      '13:16 TW164 "a:b" takes turns between keys, and the queue "narrow" has a limit; a job waits for one of them | name another queue',
    ]);
  });

  it("are refused to the steps of a workflow", () => {
    const text = [
      taskFile(`payload: { tenantId: uuid }\nfairness: { ${KEY} }`).trimEnd(),
      "workflows:",
      "  w:",
      "    input: { tenantId: uuid }",
      "    steps:",
      "      x: { task: a:b, with: { tenantId: '${{ input.tenantId }}' } }",
      "",
    ].join("\n");
    expect(problems(text)).toEqual([
      '10:18 TW209 "a:b" takes turns between keys, and steps cannot | leave fairness out, or enqueue the job in the handler of a step',
    ]);
  });
});
