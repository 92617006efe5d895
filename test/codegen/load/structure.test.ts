import { describe, expect, it } from "vitest";
import { formatDiagnostics } from "../../../codegen/model/diagnostic-format.js";
import { load, problems, taskFile, taskOf } from "./load.js";

describe("five mistakes in one file", () => {
  const text = [
    "version: 1",
    "queues: { critical: { weight: 6 }, default: {} }",
    "tasks:",
    "  payment:process:",
    "    queue: critcal",
    "    timeout: 30",
    "    retri: { maxRetries: 3 }",
    "    payload: { orderId: uid }",
    "  email:send:",
    "    queue: default",
    "",
  ].join("\n");

  it("prints five positioned messages with frames and hints, and gives no project", () => {
    const { project, diagnostics } = load(text);
    expect(project).toBeUndefined();
    expect(formatDiagnostics(diagnostics, "text")).toBe(
      `tasks/a.yaml:5:12 error TW108: no queue "critcal"
> 5 |     queue: critcal
    |            ^^^^^^^ did you mean "critical"?
tasks/a.yaml:6:14 error TW104: tasks > payment:process > timeout: expected a duration with a unit (ms, s, m, h or d) such as 30s, got 30
> 6 |     timeout: 30
    |              ^^
tasks/a.yaml:7:5 error TW102: unknown key "retri" in tasks > payment:process
> 7 |     retri: { maxRetries: 3 }
    |     ^^^^^ did you mean "retry"?
tasks/a.yaml:8:25 error TW120: unknown type "uid"
> 8 |     payload: { orderId: uid }
    |                         ^^^ did you mean "uuid"?
tasks/a.yaml:9:3 error TW103: missing "payload" in tasks > email:send
> 9 |   email:send:
    |   ^^^^^^^^^^ write "payload: {}" when the job carries nothing
`,
    );
  });

  it("writes workflow commands whose text cannot end the command", () => {
    const [first] = formatDiagnostics(load(text).diagnostics, "github").split("\n");
    expect(first).toBe(
      '::error file=tasks/a.yaml,line=5,col=12,endColumn=19,title=TW108::no queue "critcal" (did you mean "critical"?)',
    );
    const hostile = formatDiagnostics(
      [
        {
          code: "TW101",
          severity: "error",
          message: "a\n::error::b",
          file: "a,b:c",
          line: 1,
          column: 1,
          frame: "",
        },
      ],
      "github",
    );
    expect(hostile).toBe("::error file=a%2Cb%3Ac,line=1,col=1,title=TW101::a%0A::error::b\n");
  });

  it("prints JSON that parses back to the diagnostics", () => {
    const { diagnostics } = load(text);
    expect(JSON.parse(formatDiagnostics(diagnostics, "json"))).toEqual(diagnostics);
  });
});

describe("structure", () => {
  it.each([
    ["", ['1:1 TW104 expected a map that begins with "version: 1", got nothing']],
    ["tasks: {}", ['1:1 TW103 missing "version" | begin the file with "version: 1"']],
    ["version: 2", ["1:10 TW104 version: expected 1, got 2"]],
    ['version: "1"', ['1:10 TW104 version: expected 1, got "1" | write 1 without quotes']],
    [
      "version: 1\ntasks: { a: { payload: {}, owner: 'team {{ x' } }",
      [
        '2:35 TW104 tasks > a > owner: expected the name of a team or person, got a text with "{{", which Prometheus would take for a template',
      ],
    ],
    ["version: 1\ntasks: []", ["2:8 TW104 tasks: expected a map, got a list"]],
    [
      "version: 1\nobservations: {}",
      [
        '2:1 TW102 unknown key "observations" | known keys: defaults, events, observers, queues, retryPolicies, schedules, schemas, tasks, version, workflows',
      ],
    ],
    [
      "version: 1\nqueues: { a: { observers: 5 } }",
      ['2:16 TW102 unknown key "observers" in queues > a | it belongs at the top level of the file'],
    ],
    [
      "version: 1\nqueues: { a: { concurrency: 0 } }",
      ["2:29 TW104 queues > a > concurrency: expected at least 1, got 0"],
    ],
    [
      "version: 1\nqueues: { a: { weight: 1001 } }",
      ["2:24 TW104 queues > a > weight: expected at most 1000, got 1001"],
    ],
    [
      "version: 1\nqueues: { a: { weight: 1.5 } }",
      ["2:24 TW104 queues > a > weight: expected a whole number, got 1.5"],
    ],
    [
      "version: 1\nretryPolicies: { p: { backoff: { type: exponental } } }",
      [
        '2:40 TW104 retryPolicies > p > backoff > type: expected exponential, fixed, linear, list or polynomial, got "exponental" | did you mean "exponential"?',
      ],
    ],
    [
      "version: 1\nretryPolicies: { p: { backoff: { type: fixed, delay: 1s, factor: 2 } } }",
      ['2:58 TW102 unknown key "factor" in retryPolicies > p > backoff | known keys: delay, jitter, type'],
    ],
    [
      "version: 1\nretryPolicies: { p: { backoff: { type: list, delays: [] } } }",
      ["2:54 TW104 retryPolicies > p > backoff > delays: expected at least 1 entry, got 0"],
    ],
  ])("%j", (text, expected) => {
    expect(problems(text)).toEqual(expected);
  });

  it.each([
    ["payload: {}\nretry: 5", "5:12 TW104 tasks > a:b > retry: expected text or a map, got 5"],
    ["payload: {}\nretry: nope", '5:12 TW108 no retry policy "nope" | declare it in retryPolicies'],
    [
      "payload: {}\nretry: { max_retries: 1 }",
      '5:14 TW102 unknown key "max_retries" in tasks > a:b > retry | did you mean "maxRetries"?',
    ],
    [
      "payload: {}\ntimeout: 0s",
      '5:14 TW104 tasks > a:b > timeout: expected a duration longer than 0, got "0s"',
    ],
    ["payload: {}\ntimeout: 9999d", '5:14 TW104 tasks > a:b > timeout: expected at most 3650d, got "9999d"'],
    [
      "payload: {}\ntimeout:",
      "5:5 TW104 tasks > a:b > timeout: expected a duration with a unit (ms, s, m, h or d) such as 30s, got nothing",
    ],
    [
      "payload: {}\nerrors: { Declined: { retry: nevr } }",
      '5:34 TW104 tasks > a:b > errors > Declined > retry: expected never or policy, got "nevr" | did you mean "never"?',
    ],
    [
      "payload: {}\nerrors: { declined: {} }",
      '5:15 TW107 "declined" cannot name an error: expected a capital letter, then letters and digits | did you mean "Declined"?',
    ],
    [
      "payload: {}\nerrors: { TypeError: {} }",
      '5:15 TW107 the error name "TypeError" is not usable: it would hide a class of that name | choose another word',
    ],
    ["payload: {}\nconcurrency: {}", '5:5 TW103 missing "limit" in tasks > a:b > concurrency'],
    ["payload: {}\nidempotency: {}", '5:5 TW103 missing "key" in tasks > a:b > idempotency'],
    [
      "payload: {}\nobservers: {}",
      '5:5 TW102 unknown key "observers" in tasks > a:b | it belongs at the top level of the file',
    ],
    [
      "payload: 5",
      "4:14 TW120 expected a type, got 5 | types: any, boolean, date, date-time, email, integer, number, object, string, url, uuid",
    ],
  ])("in a task: %j", (body, expected) => {
    expect(problems(taskFile(body))).toEqual([expected]);
  });
});

describe("names", () => {
  const task = (name: string): string[] =>
    problems(`version: 1\ntasks:\n  ${JSON.stringify(name)}: { payload: {} }\n`);

  it.each([
    "payment:process",
    "savings:process_contribution",
    "a:b:c:d:e",
    "otp-cleanup",
    "eval:run",
    "otel:export",
    "email:delete",
    "default",
  ])("%s is fine", (name) => {
    expect(task(name)).toEqual([]);
  });

  it.each([
    'payment:process"; process.exit(1)//',
    "../../etc/cron",
    "Payment:Process",
    "a::b",
    "a:b:c:d:e:f",
    "p\u0430yment",
    "x".repeat(300),
    "${x}",
    "a b",
    "1a:b",
    "",
    "email:con",
    "nul",
    "constructor",
    "a:prototype",
    "define",
  ])("%j is refused", (name) => {
    expect(task(name)).toEqual([expect.stringMatching(/^3:3 TW107 /u)]);
  });

  it("two tasks of one identifier name both lines", () => {
    const text =
      "version: 1\ntasks:\n  payment:process: { payload: {} }\n  payment-process: { payload: {} }\n";
    expect(problems(text)).toEqual([
      '4:3 TW106 the task "payment-process" gives the identifier PaymentProcess, as "payment:process" at tasks/a.yaml:3 does | rename one of them',
    ]);
  });

  it("two tasks whose identifiers differ in case only collide, for disks that ignore case", () => {
    const text = "version: 1\ntasks:\n  a:bc: { payload: {} }\n  ab:c: { payload: {} }\n";
    expect(problems(text)).toEqual([expect.stringContaining('4:3 TW106 the task "ab:c"')]);
  });

  it("a name in two files is an error naming the other place", () => {
    const one = "version: 1\nqueues: { default: {} }\ntasks: { a: { payload: {} } }\n";
    const two = "version: 1\nqueues: { default: {} }\ndefaults: {}\n";
    expect(problems({ "tasks/1.yaml": one, "tasks/2.yaml": two })).toEqual([
      '2:11 TW106 the queue "default" is also declared at tasks/1.yaml:2 | rename or delete one of them',
    ]);
    expect(
      problems({ "tasks/1.yaml": two.replace("queues: { default: {} }\n", ""), "tasks/2.yaml": two }),
    ).toEqual([expect.stringContaining("3:1 TW106 defaults are also declared at tasks/1.yaml:2")]);
  });
});

describe("resolution", () => {
  it("fills in everything that is left out", () => {
    expect(taskOf(taskFile("payload: {}")).definition).toEqual({
      name: "a:b",
      queue: "default",
      timeoutMs: 60_000,
      retry: {
        maxRetries: 3,
        backoff: { type: "exponential", initialMs: 1000, factor: 2, maxMs: 300_000, jitter: "full" },
      },
      retention: { completedMs: 1_800_000, deadMs: 7_776_000_000 },
      errors: {},
      hash: expect.stringMatching(/^[0-9a-f]{8}$/u) as string,
    });
    expect(load(taskFile("payload: {}")).project?.queues).toEqual([{ name: "default", weight: 1 }]);
  });

  it("takes defaults, named policies and overrides", () => {
    const head = [
      "version: 1",
      "defaults: { queue: low, timeout: 2m, retry: squares, retention: { dead: 1d } }",
      "queues: { low: { weight: 2, description: Slow. }, default: {} }",
      "retryPolicies:",
      "  squares: { maxRetries: 4, backoff: { type: polynomial, initial: 1m } }",
      "  listed: { backoff: { type: list, delays: [10s, 1m], jitter: equal } }",
      "tasks:",
      "  plain: { payload: {} }",
      "  more: { payload: {}, retry: { maxRetries: 9 } }",
      "  named: { payload: {}, retry: { use: listed, maxRetries: 1 }, retention: { completed: 0 } }",
      "  inline: { payload: {}, retry: { backoff: { type: linear, initial: 5s } }, errors: { Busy: { retry: { after: 30s, countsAttempt: false } }, Gone: { retry: never } } }",
    ].join("\n");
    const project = load(head).project;
    const byName = Object.fromEntries(
      (project?.tasks ?? []).map(({ definition }) => [definition.name, definition]),
    );
    const squares = { type: "polynomial", initialMs: 60_000, exponent: 2, maxMs: 86_400_000, jitter: "none" };
    expect(byName["plain"]).toMatchObject({
      queue: "low",
      timeoutMs: 120_000,
      retry: { maxRetries: 4, backoff: squares },
    });
    expect(byName["plain"]?.retention).toEqual({ completedMs: 1_800_000, deadMs: 86_400_000 });
    expect(byName["more"]?.retry).toEqual({ maxRetries: 9, backoff: squares });
    expect(byName["named"]?.retry).toEqual({
      maxRetries: 1,
      backoff: { type: "list", delaysMs: [10_000, 60_000], jitter: "equal" },
    });
    expect(byName["named"]?.retention.completedMs).toBe(0);
    expect(byName["inline"]?.retry.backoff).toEqual({
      type: "linear",
      initialMs: 5000,
      stepMs: 5000,
      maxMs: 86_400_000,
      jitter: "none",
    });
    expect(byName["inline"]?.errors).toEqual({
      Busy: { retry: "after", afterMs: 30_000, countsAttempt: false },
      Gone: { retry: "never" },
    });
    expect(project?.queues.map(({ name, weight }) => [name, weight])).toEqual([
      ["default", 1],
      ["low", 2],
    ]);
  });

  it("asks for a queue when queues are declared and none is the default", () => {
    const text = "version: 1\nqueues: { high: {} }\ntasks:\n  a: { payload: {} }\n";
    expect(problems(text)).toEqual([
      '4:3 TW103 missing "queue" in tasks > a: there is no queue "default" | add queue: high, or say so once in defaults',
    ]);
  });

  it("does not call a queue unknown that a broken file may declare", () => {
    const broken = "version: 1\nqueues: { high: { \n";
    const found = problems({
      "tasks/1.yaml": broken,
      "tasks/2.yaml": taskFile("payload: { m: Money }\nqueue: high"),
    });
    expect(found).toHaveLength(1);
    expect(found[0]).toContain("TW101");
  });
});

describe("hash", () => {
  const hash = (body: string): string => taskOf(taskFile(body)).definition.hash;
  const base = "payload: { a: string, b: integer }";

  it("ignores the order of fields and documentation", () => {
    expect(
      hash("payload: { b: integer, a: { type: string, description: Text. } }\ndescription: x\nowner: y"),
    ).toBe(hash(base));
  });

  it("changes with the payload, the key and every setting", () => {
    const others = [
      "payload: { a: string, b: number }",
      "payload: { a: string?, b: integer }",
      `${base}\nresult: { c: string }`,
      `${base}\ntimeout: 61s`,
      `${base}\nretry: { maxRetries: 4 }`,
      `${base}\nretention: { dead: 1d }`,
      `${base}\nerrors: { Gone: { retry: never } }`,
      `${base}\nidempotency: { key: "\${{ payload.a }}" }`,
      `${base}\nidempotency: { key: "\${{ payload.b }}" }`,
      `${base}\nisolate: thread`,
      `${base}\nisolate: { in: thread, memory: 1GiB }`,
      `${base}\nconcurrency: { limit: 1 }`,
      `${base}\nconcurrency: { limit: 2 }`,
      `${base}\nconcurrency: { limit: 2, key: "\${{ payload.a }}" }`,
    ].map(hash);
    expect(new Set([hash(base), ...others]).size).toBe(others.length + 1);
  });
});

describe("limits", () => {
  const QUEUE = "version: 1\nqueues: { default: {}, slow: { concurrency: 2 } }";
  const LIMIT = "concurrency: { limit: 1 }";

  it("are those of a task or of its queue, not both", () => {
    const both = taskFile(`payload: {}\nqueue: slow\n${LIMIT}`, QUEUE);
    expect(problems(both)).toEqual([
      '7:5 TW132 "a:b" has a limit, and so has its queue "slow"; a job counts in one | delete one of them, or give the task another queue',
    ]);
    expect(problems(taskFile(`payload: {}\n${LIMIT}`, `${QUEUE}\ndefaults: { queue: slow }`))[0]).toContain(
      "TW132",
    );
    expect(problems(taskFile(`payload: {}\n${LIMIT}`, QUEUE))).toEqual([]);
    expect(problems(taskFile("payload: {}\nqueue: slow", QUEUE))).toEqual([]);
    const rate = "rateLimit: { limit: 1, per: 1s }";
    expect(problems(taskFile(`payload: {}\nqueue: slow\n${rate}`, QUEUE))[0]).toContain("7:5 TW132");
    const slow = `version: 1\nqueues: { slow: { ${rate} } }`;
    expect(problems(taskFile(`payload: {}\nqueue: slow\n${LIMIT}`, slow))[0]).toContain("7:5 TW132");
    expect(problems(taskFile("payload: {}\nqueue: slow", slow))).toEqual([]);
  });

  it("of rate need a number of starts and a window", () => {
    const rate = (text: string) => problems(taskFile(`payload: {}\nrateLimit: ${text}`));
    expect(rate("{ limit: 5 }")[0]).toContain('TW103 missing "per"');
    expect(rate("{ limit: 0, per: 1s }")[0]).toContain("TW104");
    expect(rate("{ limit: 5, per: 0 }")[0]).toContain("expected a duration longer than 0");
    expect(rate("{ limit: 5, per: 60 }")[0]).toContain("expected a duration with a unit");
    expect(rate("{ limit: 5, pr: 1s }").join()).toContain('did you mean "per"?');
  });
});

describe("cache", () => {
  it("gives the same result and diagnostics from a second run", async () => {
    const { loadSources } = await import("../../../codegen/load/index.js");
    const cache = new Map();
    const run = (text: string) =>
      loadSources(new Map([["tasks/a.yaml", text]]), () => ({ problem: "none" }), cache);
    const bad = taskFile("payload: {}\nretri: 1");
    expect(run(bad).diagnostics).toHaveLength(1);
    expect(run(bad)).toEqual(run(bad));
    expect(run(taskFile("payload: {}")).project?.tasks).toHaveLength(1);
  });
});
