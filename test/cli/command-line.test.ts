// The command line as programs and scripts meet it: exit codes, what goes to which stream, help.
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { COMMANDS } from "../../cli/commands.js";
import type { Io } from "../../cli/io.js";
import { run } from "../../cli/run.js";
import { ShardKeys } from "../../runtime/protocol/index.js";
import { startRedis, type TestRedis } from "../support/redis.js";
import { within } from "../support/signal.js";
import { inProcess, startWeft, weft, weftIntoClosedPipe, weftOntoFullDisk } from "./weft.js";

let folder: string;
let redis: TestRedis;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "weft-cli-"));
  redis = await startRedis();
});

afterAll(() => rm(folder, { recursive: true, force: true }));

const call = (args: readonly string[], env: NodeJS.ProcessEnv = {}) => inProcess(args, { cwd: folder, env });

const online = () => ({ TASKWEFT_REDIS_URL: redis.url });

test("the version is the package's, on stdout, alone", async () => {
  expect(await weft(["--version"], { cwd: folder })).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/^\d+\.\d+\.\d+\S*\n$/) as string,
    stderr: "",
  });
});

test("without a command the help is shown, on stderr", async () => {
  const { code, stdout, stderr } = await call([]);
  expect({ code, stdout }).toEqual({ code: 0, stdout: "" });
  for (const name of Object.keys(COMMANDS)) expect(stderr).toContain(name);
});

test.each(Object.keys(COMMANDS))("%s has help, also by `weft help`", async (name) => {
  const { code, stdout, stderr } = await call([name, "--help"]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  expect(stdout).toContain(`Usage: weft ${name}`);
  expect((await call(["help", name])).stdout).toBe(stdout);
});

test.each([
  ["an unknown command", ["cdegen"], /Did you mean codegen/],
  ["an unknown option", ["codegen", "--chek"], /Did you mean --check/],
  ["a missing argument", ["jobs", "show"], /missing required argument 'id'/],
  ["a wrong choice", ["jobs", "list", "--state", "done"], /Allowed choices are pending/],
  ["a number out of range", ["worker", "--concurrency", "0"], /whole number from 1 to/],
  ["a duration without unit", ["worker", "--grace", "30"], /duration such as 250ms/],
  ["options that exclude each other", ["codegen", "--check", "--watch"], /give one of them/],
  ["a timeout without a wait", ["queues", "drain", "default", "--timeout", "1s"], /add --wait/],
  ["the same of tasks", ["tasks", "drain", "a:b", "--timeout", "1s"], /add --wait/],
  ["the same of an enqueue", ["enqueue", "a:b", "--timeout", "1s"], /add --wait/],
  ["two times", ["enqueue", "a:b", "--at", "2030-01-01", "--delay", "1s"], /--at and --delay/],
  ["a time in words", ["enqueue", "a:b", "--at", "tomorrow 9"], /--at takes a time such as/],
  ["a day that is none", ["enqueue", "a:b", "--at", "2026-02-31T10:00:00Z"], /--at takes a time such as/],
  ["a time in seconds", ["enqueue", "a:b", "--at", "1772366400"], /milliseconds since 1970/],
  ["a payload that is no JSON", ["enqueue", "a:b", "{orderId: 1}"], /not JSON/],
  ["a payload file that is not there", ["enqueue", "a:b", "@nowhere.json"], /nowhere\.json/],
  ["a payload file that is a folder", ["enqueue", "a:b", "@."], /cannot read \.: EISDIR/],
  ["help of an unknown command", ["help", "cdegen"], /Did you mean codegen/],
  ["a bulk command without names", ["jobs", "retry"], /needs ids, or a filter/],
  ["no project", ["dev"], /weft init/],
] as const)("%s is a usage error: exit 2, told on stderr", async (_what, args, text) => {
  const { code, stdout, stderr } = await call(args, online());
  expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
  expect(stderr).toMatch(text);
  const json = await call([...args, "--json"], online());
  expect(json.code).toBe(2);
  const { error } = JSON.parse(json.stdout) as { error: { message: string; fix?: string } };
  expect(`${error.message}\n${error.fix}`).toMatch(text);
});

test("a place where nothing can be written is told without a stack", async () => {
  await writeFile(join(folder, "file"), "");
  const { code, stdout, stderr } = await call(["init", "file/jobs"]);
  expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
  expect(stderr).toMatch(/^error ENOTDIR: not a directory, \w+ '.*'\n {2}name a folder, not a file\n$/);
});

test.each([
  ['{"card": 4242canary}', /not JSON: /],
  ['{"card": "canary', /not JSON: Unterminated string in JSON at position 16/],
  ['{"card": "canary" x}', /not JSON: /],
  ["canary", /not JSON: Unexpected token 'c'\n/],
  ["undefined", /not JSON: /],
])("of a payload that is no JSON only the place is told: %s", async (payload, text) => {
  const { code, stderr } = await call(["enqueue", "a:b", payload], online());
  expect(code).toBe(2);
  expect(stderr).toMatch(text);
  expect(stderr).not.toMatch(/canary|4242|undefined/);
});

test.each([["--json"], ["--format", "json"], ["--format=json"]])(
  "an error of codegen is a document with %s %s",
  async (...format) => {
    const { code, stdout, stderr } = await call(["codegen", "--check", "--watch", ...format]);
    expect({ code, stderr }).toEqual({ code: 2, stderr: "" });
    expect(JSON.parse(stdout)).toMatchObject({ v: 1, error: { code: "OptionsConflict" } });
  },
);

test.each([
  [["jobs", "list"], { jobs: [] }],
  [["events", "list"], { events: [] }],
  [["runs", "list"], { runs: [] }],
  [["queues", "list"], { queues: [] }],
  [["schedules", "list"], { schedules: [] }],
  [["tasks", "list"], { tasks: [] }],
] as const)("%j --json prints one document, also with the option in front", async (args, data) => {
  const { code, stdout, stderr } = await call([...args, "--json"], online());
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  expect(JSON.parse(stdout)).toEqual({ v: 1, data, warnings: [] });
  expect((await call(["--json", ...args], online())).stdout).toBe(stdout);
});

test.each([
  ["a job", ["jobs", "show", "nobody"], "JobNotFound"],
  ["an event", ["events", "show", "order:created", "nobody"], "EventUnknown"],
  ["a run", ["runs", "show", "nobody"], "RunNotFound"],
  ["a queue", ["queues", "show", "nobody"], "QueueUnknown"],
  ["a queue to pause", ["queues", "pause", "nobody"], "QueueUnknown"],
  ["a queue to purge", ["queues", "purge", "nobody", "--yes"], "QueueUnknown"],
  ["a schedule", ["schedules", "show", "nobody"], "ScheduleUnknown"],
  ["a schedule to pause", ["schedules", "pause", "nobody"], "ScheduleUnknown"],
  ["a task", ["tasks", "show", "no body"], "TaskUnknown"],
  ["a task to pause", ["tasks", "pause", "no body"], "TaskUnknown"],
  ["a schedule to run", ["schedules", "run", "nobody"], "ScheduleUnknown"],
] as const)("%s that is not there: exit 4, and with --json an error document", async (_what, args, code) => {
  const plain = await call(args, online());
  expect(plain).toMatchObject({ code: 4, stdout: "" });
  expect(plain.stderr).toMatch(new RegExp(`^error ${code}: `));
  const json = await call([...args, "--json"], online());
  expect(json).toMatchObject({ code: 4, stderr: "" });
  expect(JSON.parse(json.stdout)).toMatchObject({ v: 1, error: { code } });
});

test.each([["jobs", "--task", "mail:send"], ["runs", "--workflow", "a:b"], ["events"]])(
  "a list that has only stopped looking does not say that there is nothing: %s",
  async (what, ...filter) => {
    const [client, keys] = [redis.client(), new ShardKeys("weft")];
    const ids = Array.from({ length: 5500 }, (_unused, n) => `gone-${n}`);
    const scored = ids.flatMap((id) => [8e15, id]);
    await client.rpush(keys.queue("default").pending, ...ids);
    await client.hset(keys.meta, "queue:default", "1");
    await client.zadd(keys.running, ...scored);
    await client.zadd(keys.eventsExpiry, ...scored);
    const none = /none among those that one call looks at; more: add --cursor (\S+)/;
    const { code, stdout, stderr } = await call([what, "list", ...filter], online());
    expect({ code, stdout }).toEqual({ code: 0, stdout: "" });
    expect(stderr).toMatch(none);
    expect(stderr).not.toContain(`no ${what}`);
    const json = await call([what, "list", ...filter, "--json"], online());
    const { data, warnings } = JSON.parse(json.stdout) as { data: { next: string }; warnings: string[] };
    expect(none.exec(warnings[0]!)?.[1]).toBe(data.next);
    const last = await call([what, "list", ...filter, "--cursor", data.next], online());
    expect(last.stderr).toContain(`no ${what}`);
    await client.flushdb();
  },
);

test("tasks and queues are held back, and seen to be", async () => {
  const client = redis.client();
  await client.hset("{weft:0}:meta", "queue:default", "1");
  expect((await call(["tasks", "pause", "mail:send", "mail:sort"], online())).stdout).toBe(
    "mail:send  paused\nmail:sort  paused\n",
  );
  const drained = await call(["tasks", "drain", "mail:send"], online());
  expect(drained.stdout).toBe("mail:send  draining\n");
  // No project is here.
  const unchecked = "not checked whether there are such tasks: no generated code here names any";
  expect(drained.stderr).toBe(`${unchecked}\n`);
  const json = await call(["tasks", "drain", "mail:send", "--json"], online());
  expect(JSON.parse(json.stdout)).toMatchObject({ warnings: [unchecked] });
  const list = await call(["tasks", "list"], online());
  expect(list.stdout).toMatch(/^mail:send +paused, draining\nmail:sort +paused$/m);
  expect((await call(["tasks", "show", "mail:sort"], online())).stdout).toMatch(/^paused +\d.* ago\)$/m);
  expect((await call(["queues", "drain", "default"], online())).stdout).toBe("default  draining\n");
  expect((await call(["queues", "list"], online())).stdout).toMatch(/^default .* draining$/m);
  expect((await call(["queues", "accept", "default"], online())).stdout).toBe("default  accepting\n");
  await call(["tasks", "accept", "mail:send"], online());
  await call(["tasks", "resume", "mail:send", "mail:sort"], online());
  expect(await client.exists("{weft:0}:draining")).toBe(0);
  expect(JSON.parse((await call(["tasks", "list", "--json"], online())).stdout)).toMatchObject({
    data: {
      tasks: [
        { name: "mail:send", parked: 0 },
        { name: "mail:sort", parked: 0 },
      ],
    },
  });
  await client.flushdb();
});

test.each([
  ["queues", "pause", "default", "low", "typo"],
  ["queues", "drain", "default", "typo"],
  ["tasks", "pause", "mail:send", "no body"],
  ["tasks", "drain", "mail:send", "no body"],
])("with a name that nobody knows nothing is changed: %s %s", async (...args) => {
  const client = redis.client();
  await client.hset("{weft:0}:meta", { "queue:default": "1", "queue:low": "1" });
  expect(await call(args, online())).toMatchObject({ code: 4, stdout: "" });
  expect(await client.exists("{weft:0}:paused", "{weft:0}:draining")).toBe(0);
  await client.flushdb();
});

test("a queue is purged once that is confirmed, and what has to stay is told", async () => {
  const client = redis.client();
  await client.hset("{weft:0}:meta", "queue:default", "1");
  const record = (options: string) => `[1,"mail:send","default","00000000",${options},{}]`;
  const texts = { a: record("0"), step: record('{"run":"r"}'), b: record("0") };
  await client.hset("{weft:0}:jobs", texts);
  await client.rpush("{weft:0}:pending:default", ...Object.keys(texts));
  const asked = await call(["queues", "purge", "default"], online());
  expect(asked).toMatchObject({ code: 2, stdout: "" });
  expect(asked.stderr).toContain("this would remove 3 pending jobs from the queue default");
  const dead = await call(["queues", "purge", "default", "--state", "dead", "--yes"], online());
  expect(dead).toEqual({ code: 0, stdout: "default  0 dead jobs removed\n", stderr: "" });
  const purged = await call(["queues", "purge", "default", "--yes"], online());
  expect(purged).toMatchObject({ code: 5, stderr: "" });
  expect(purged.stdout).toMatch(
    /^default {2}2 pending jobs removed; 1 left, which are steps of workflow runs/,
  );
  const json = await call(["queues", "purge", "default", "--task", "mail:send", "--yes", "--json"], online());
  const data = { queue: "default", state: "pending", task: "mail:send", removed: 0, steps: 1 };
  expect(JSON.parse(json.stdout)).toMatchObject({ data });
  await client.flushdb();
});

test("a purge says on a terminal how far it is, and leaves no trace of it", async () => {
  const client = redis.client();
  await client.hset("{weft:0}:meta", "queue:default", "1");
  await client.hset("{weft:0}:jobs", "a", '[1,"mail:send","default","00000000",0,{}]');
  await client.rpush("{weft:0}:pending:default", "a");
  const output = { stdout: "", stderr: "" };
  const io: Io = {
    cwd: folder,
    env: online(),
    stdin: (async function* () {})(),
    stdout: { write: (text) => (output.stdout += text) },
    stderr: { isTTY: true, write: (text) => (output.stderr += text) },
    interrupted: () => new AbortController().signal,
  };
  expect(await run(["queues", "purge", "default", "--yes"], io)).toBe(0);
  expect(output).toEqual({
    stdout: "default  1 pending jobs removed\n",
    stderr: "\rpurging default: 1 jobs removed\r\u001b[K",
  });
  await client.flushdb();
});

const CANARY = "s3cr3t-canary";

test.each([["jobs", "list"], ["queues", "list"], ["doctor"], ["jobs", "show", "x", "--json"]])(
  "no part of a password is shown by: %s %s",
  async (...args) => {
    const dead = await call(args, { TASKWEFT_REDIS_URL: `redis://user:${CANARY}@127.0.0.1:1` });
    expect(dead.code).toBe(args[0] === "doctor" ? 1 : 6);
    const refused = await call([...args, "--redis-url", `redis://user:${CANARY}@127.0.0.1:${redis.port}`]);
    expect(refused.code).toBe(args[0] === "doctor" ? 1 : 6);
    for (const result of [dead, refused]) expect(`${result.stdout}${result.stderr}`).not.toContain("s3cr");
  },
);

test("where no Redis listens, the command ends with its message", async () => {
  const program = startWeft(["jobs", "list"], {
    cwd: folder,
    env: { TASKWEFT_REDIS_URL: "redis://127.0.0.1:1" },
  });
  await program.printed(/RedisUnavailable/);
  expect(await within(1500, "the end", program.ended)).toEqual({ code: 6, signal: null });
});

test("control characters from Redis reach no terminal", async () => {
  const client = redis.client();
  await client.hset(
    "{weft:0}:jobs",
    "evil",
    String.raw`[1,"t\u001b]0;owned\u0007","default","00000000",0,{"a":"\u202e\u001b[2J"}]`,
  );
  await client.hset("{weft:0}:meta", "queue:default", "1");
  await client.rpush("{weft:0}:pending:default", "evil");
  const list = await call(["jobs", "list"], online());
  expect(list).toMatchObject({ code: 0 });
  expect(list.stdout).toContain(String.raw`t\u001b]0;owned\u0007`);
  const show = await call(["jobs", "show", "evil"], online());
  expect(show.stdout.replaceAll("\n", "")).not.toMatch(/[\p{Cc}\u202e]/u);
});

test("a reader that goes away before the answer is no error", async () => {
  expect(await weftIntoClosedPipe(["jobs", "list", "--json"], { cwd: folder, env: online() })).toEqual({
    code: 0,
    stderr: "",
  });
});

test("a failure is one also when nobody reads of it", async () => {
  const args = ["jobs", "show", "nobody", "--json"];
  expect(await weftIntoClosedPipe(args, { cwd: folder, env: online() })).toEqual({ code: 4, stderr: "" });
});

test("a command that would go on ends when nobody reads it", async () => {
  await mkdir(join(folder, "watched/tasks"), { recursive: true });
  await writeFile(join(folder, "watched/package.json"), "{}");
  const { code } = await weftIntoClosedPipe(["codegen", "--watch"], { cwd: join(folder, "watched") });
  expect(code).toBe(141);
});

test.skipIf(!existsSync("/dev/full"))("output that cannot be written is told in one line", async () => {
  const { code, stderr } = await weftOntoFullDisk(["queues", "list"], { cwd: folder, env: online() });
  expect(code).toBe(1);
  expect(stderr).toMatch(/^weft: the output cannot be written: ENOSPC[^\n]*\n$/);
});

test("colours only where they are wanted", async () => {
  const escape = "\u001b[";
  expect((await call(["jobs", "show", "x"], online())).stderr).not.toContain(escape);
  expect((await call(["jobs", "show", "x"], { ...online(), FORCE_COLOR: "1" })).stderr).toContain(escape);
  expect(
    (await call(["jobs", "show", "x"], { ...online(), FORCE_COLOR: "1", NO_COLOR: "1" })).stderr,
  ).not.toContain(escape);
});
