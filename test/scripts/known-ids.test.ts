// When the job of a known id is enqueued again: by the deploy that made it or a later one, whose definition says something else.
import { describe, expect, test } from "vitest";
import { HOUR_MS, item, type NewJob, type ShardBench, useShards } from "./shard-bench.js";

const setup = useShards();

type Options = NonNullable<NewJob["options"]>;

/** The record of an id that its caller chose, piece by piece as no producer of ours would write it. */
interface Text {
  readonly task?: string;
  readonly queue?: string;
  readonly hash?: string;
  readonly options?: Options;
  readonly optionsText?: string;
  readonly payload?: string;
}

let made = 0;

function text({ task = "a:task", queue = "q", hash = "h1", options, optionsText, payload }: Text): string {
  const own = optionsText ?? JSON.stringify({ at: ++made, ...options });
  return `[1,"${task}","${queue}","${hash}",${own},${payload ?? "{}"}]`;
}

/** What an enqueue of the id `a` finds: `a`, a conflict (`undefined`), or nothing. */
async function put(bench: ShardBench, job: Text, more: Partial<NewJob> = {}): Promise<unknown> {
  const sent = { ...item("a", { ownId: true, queue: job.queue ?? "q", ...more }), record: text(job) };
  const { known } = await bench.send([sent, item("next")], ++made);
  await bench.redis.hdel(bench.keys.jobs, "next");
  await bench.redis.lrem(bench.keys.queue("q").pending, 0, "next");
  return known.length === 0 ? "stored" : known[0]!.existing;
}

async function enqueueTwice(first: Text, again: Text, more?: Partial<NewJob>): Promise<unknown> {
  const bench = setup();
  expect(await put(bench, first)).toBe("stored");
  const before = await bench.redis.hget(bench.keys.jobs, "a");
  const answer = await put(bench, again, more);
  expect(await bench.redis.hget(bench.keys.jobs, "a")).toBe(before);
  // Some of what is stored here could not run.
  await bench.redis.del(bench.keys.jobs, bench.keys.queue("q").pending);
  return answer;
}

describe("the job of a known id is the same", () => {
  const group = { name: "a:task k", limit: 1 };
  test.each<[string, Text, Text, Partial<NewJob>?]>([
    ["of another hash", {}, { hash: "h2" }],
    ["with a time in which it starts", {}, { options: { startWithinMs: 5, startBy: 9 } }],
    ["with another such time", { options: { startWithinMs: 5 } }, { options: { startWithinMs: 6 } }],
    ["of a task that has a limit by now", {}, { options: { group: group.name } }, { group }],
    ["of a task that has none any more", { options: { group: group.name } }, {}],
    ["of a task that has a key by now", {}, { options: { key: "a:task 1", hold: 1 } }, { key: "a:task 1" }],
    ["with another key", { options: { key: "a:task 1" } }, { options: { key: "a:task 2" } }],
    ["with a delay of its batch", { options: { delayMs: 5 } }, { options: { delayMs: 6 } }],
    ["that was to start later", { options: { later: 1 } }, { options: { dueAt: 7 } }],
    ["of a task that has moved to another queue", {}, { queue: "other" }],
    ["without options", { optionsText: "0" }, { hash: "h2" }],
    [
      "with options in another order",
      { optionsText: '{"timeoutMs":9,"maxRetries":1,"at":5}' },
      { options: { maxRetries: 1, timeoutMs: 9 } },
    ],
  ])("%s", async (_name, first, again, more) => {
    expect(await enqueueTwice(first, again, more)).toBe("a");
  });

  test.each([
    ['{"a":1,"b":[{"c":null,"d":"x"},true]}', '{"b":[{"d":"x","c":null},true],"a":1}'],
    ['{"a":[],"b":{},"c":"[] {}"}', '{"c":"[] {}","b":{},"a":[]}'],
    ['{"a":"\\u0000\\"}","b":1e21}', '{"b":1e21,"a":"\\u0000\\"}"}'],
    ['{"a":9007199254740991,"b":-1.5}', '{"b":-1.5,"a":9007199254740991}'],
    ['{"é":"ä","__proto__":0}', '{"__proto__":0,"é":"ä"}'],
  ])("with the fields of its payload in another order: %s", async (payload, other) => {
    expect(await enqueueTwice({ payload }, { payload: other, hash: "h2" })).toBe("a");
  });

  test.each(['"\\ud800"', `${"[".repeat(1200)}${"]".repeat(1200)}`, `"${"x".repeat(2 ** 20)}"`, "1e400"])(
    "with a payload that cannot be compared, if its text is the same (%#)",
    async (payload) => {
      expect(await enqueueTwice({ payload }, { payload, hash: "h2" })).toBe("a");
    },
  );
});

describe("another job of a known id is a conflict", () => {
  test.each<[string, Text, Text]>([
    ["another task", {}, { task: "b:task" }],
    ["other retries", {}, { options: { maxRetries: 5 } }],
    ["other retries than were asked for", { options: { maxRetries: 5 } }, { options: { maxRetries: 6 } }],
    ["another timeout", {}, { options: { timeoutMs: 5 } }],
    ["another retention", {}, { options: { keepCompletedMs: 0 } }],
    ["another retention of the dead", { options: { keepDeadMs: 1 } }, { options: { keepDeadMs: 2 } }],
    ["a step of a run", { options: { run: "r", step: "a" } }, {}],
    // Only its fields would tell how many retries were asked for.
    [
      "options that cannot be read",
      { optionsText: '{"maxRetries":1,"key":"\\ud800"}' },
      { optionsText: '{"maxRetries":2,"key":"\\ud800"}' },
    ],
    ["options without an end", { optionsText: '{"key":"' }, {}],
  ])("%s", async (_name, first, again) => {
    expect(await enqueueTwice(first, { hash: "h2", ...again })).toBe(undefined);
  });

  test.each([
    ['{"a":1}', '{"a":2}'],
    ['{"a":1}', '{"a":1.0}'],
    ['{"a":[]}', '{"a":{}}'],
    ['{"a":[],"b":{}}', '{"a":{},"b":[]}'],
    ['{"a":[1,2]}', '{"a":[2,1]}'],
    ['{"a":null}', '{"b":null}'],
    ['{"a":null}', '{"a":true}'],
    ['{"a":"1"}', '{"a":111}'],
    ['{"1":1,"2":2}', '{"1":2,"2":1}'],
    ['{"at":1}', '{"at":2}'],
    ['[{"at":1}]', '[{"at":2}]'],
    // Nothing compares them, so they are not the same.
    ['{"a":"\\ud800","b":1}', '{"b":1,"a":"\\ud800"}'],
    ['{"a":1e400,"b":[]}', '{"b":[],"a":1e400}'],
    [
      `{"b":1,"a":${"[".repeat(1200)}${"]".repeat(1200)}}`,
      `{"a":${"[".repeat(1200)}${"]".repeat(1200)},"b":1}`,
    ],
    [`{"a":1,"b":"${"x".repeat(2 ** 20)}"}`, `{"b":"${"x".repeat(2 ** 20)}","a":1}`],
  ])("another payload (%#)", async (payload, other) => {
    expect(await enqueueTwice({ payload }, { payload: other, hash: "h2" })).toBe(undefined);
    expect(await enqueueTwice({ payload, optionsText: "0" }, { payload: other, optionsText: "0" })).toBe(
      undefined,
    );
  });

  test("what Redis holds may be anything", async () => {
    const bench = setup();
    for (const spoiled of [
      "[0]",
      "",
      "no record",
      '[1,"a:task","q","h1",{"at":1}',
      '[2,"a:task","q","h1",0,{}]',
    ]) {
      await bench.redis.hset(bench.keys.jobs, "a", spoiled);
      expect(await put(bench, {})).toBe(undefined);
    }
    await bench.redis.hdel(bench.keys.jobs, "a");
  });
});

describe("the job of a known id whose record was replaced", () => {
  const of = (queue: string, n: number, more: Partial<NewJob> = {}): NewJob => ({
    key: `!a:task@${queue} k`,
    keyTtlMs: HOUR_MS,
    dedupe: { mode: "replace", keepCancelledMs: HOUR_MS },
    queue,
    payload: { n },
    ...more,
  });

  test.each<[string, NewJob]>([
    ["moved to another queue", of("other", 1, { ownId: true })],
    ["got a limit", of("q", 1, { ownId: true, key: "!a:task@q k\na:task" })],
    [
      "only keeps the first by now",
      of("q", 1, { ownId: true, key: "!a:task k", dedupe: { mode: "unfinished", keepCancelledMs: 0 } }),
    ],
    ["has an idempotency key by now", { ownId: true, key: "a:task k", keyTtlMs: HOUR_MS, payload: { n: 1 } }],
    ["has no key any more", { ownId: true, payload: { n: 1 }, options: { at: 1 } }],
  ])("is given back after its task has %s", async (_name, again) => {
    const bench = setup();
    await bench.put({ own: of("q", 1, { ownId: true }) });
    await bench.put({ b: of("q", 2) });
    const { known } = await bench.put({ own: again });
    expect(known.map(({ existing, replaced }) => [existing, replaced])).toEqual([["own", false]]);
    expect((await bench.shard()).jobs["own"]).toContain('{"n":2}');
  });

  test.each<[string, NewJob]>([
    ["another key", of("q", 1, { ownId: true, key: "!a:task@q k 2" })],
    ["another task", { ...of("q", 1, { ownId: true, key: "!b:task@q k" }), task: "b:task" }],
  ])("is a conflict with %s", async (_name, again) => {
    const bench = setup();
    await bench.put({ own: of("q", 1, { ownId: true }) });
    await bench.put({ b: of("q", 2) });
    expect((await bench.put({ own: again })).known.map(({ existing }) => existing)).toEqual([undefined]);
  });
});
