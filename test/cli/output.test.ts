// How results look: tables that fit, times, and nothing that a terminal would obey.
import { PassThrough } from "node:stream";
import fc from "fast-check";
import { expect, test } from "vitest";
import { describeError } from "../../cli/error-report.js";
import { CliError } from "../../cli/errors.js";
import { eachLine } from "../../cli/dev/line-prefix.js";
import {
  checkLatency,
  checkMemory,
  checkSkew,
  checkTransport,
  checkSlowCommands,
} from "../../cli/doctor/redis-checks.js";
import { protocolFinding, unservedFindings, versionsFinding } from "../../cli/doctor/system-checks.js";
import { accessFinding, NEEDED_COMMANDS } from "../../cli/doctor/access-checks.js";
import {
  checkFailedSnapshot,
  checkPersistence,
  checkReplication,
} from "../../cli/doctor/durability-checks.js";
import { checkNode } from "../../cli/doctor/project-checks.js";
import { mergePackageJson } from "../../cli/init/package-manifest.js";
import { PACKAGE_SCRIPTS } from "../../cli/init/templates.js";
import { chooseColors } from "../../cli/output/colors.js";
import { jobText } from "../../cli/output/job-text.js";
import { maskUrls } from "../../cli/output/mask.js";
import { formatResult } from "../../cli/output/codegen-result.js";
import { printable, printableJson, printableLines } from "../../cli/output/sanitize.js";
import { scheduleText } from "../../cli/output/schedule-text.js";
import { formatTable, type Column } from "../../cli/output/table.js";
import { relative, roughly, timestamp } from "../../cli/output/times.js";
import { parseServerInfo } from "../../cli/redis/server-info.js";
import { REDIS_URL_EXPECTED } from "../../runtime/config/index.js";
import { toTaskweftError } from "../../runtime/connection/index.js";
import { TaskweftError } from "../../runtime/errors.js";
import type { JobDetails } from "../../runtime/inspect/index.js";

interface Row {
  readonly id: string;
  readonly note: string;
}

const COLUMNS: readonly Column<Row>[] = [
  { header: "ID", value: (row) => row.id },
  { header: "NOTE", value: (row) => row.note, shrinks: true },
];
const PLAIN = chooseColors({ write: () => true }, {}, false);
const ROWS: readonly Row[] = [
  { id: "a-long-id", note: "a note that is much longer than the terminal is wide" },
];

test("a table on a terminal fits its width and never cuts what one needs to copy", () => {
  const table = formatTable(COLUMNS, ROWS, { write: () => true, isTTY: true, columns: 30 }, PLAIN);
  expect(table).toBe("ID         NOTE\na-long-id  a note that is muc…");
});

test("a table in a pipe is whole", () => {
  const table = formatTable(COLUMNS, ROWS, { write: () => true }, PLAIN);
  expect(table.split("\n")[1]).toBe(`a-long-id  ${ROWS[0]!.note}`);
});

test("no line of a table is wider than the terminal, as long as the fixed columns leave room", () => {
  fc.assert(
    fc.property(
      fc.array(fc.string({ maxLength: 60 })),
      fc.integer({ min: 30, max: 120 }),
      (notes, columns) => {
        const rows = notes.map((note) => ({ id: "0123456789", note }));
        const table = formatTable(COLUMNS, rows, { write: () => true, isTTY: true, columns }, PLAIN);
        const lines = table.split("\n");
        expect(lines).toHaveLength(rows.length + 1);
        for (const line of lines) expect(line.length).toBeLessThanOrEqual(columns);
      },
    ),
  );
});

test("whatever the text, nothing printable is a control character", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (text) => {
      expect(printable(text)).not.toMatch(/[\p{Cc}\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/u);
    }),
  );
  expect(printable("a\tb\r\nc\u001b[31m")).toBe(String.raw`a b c\u001b[31m`);
  expect(printable("\u061c\u200b\u2028\ufeff")).toBe(String.raw`\u061c\u200b\u2028\ufeff`);
  expect(printableLines("a\r\nb\u0007")).toBe(String.raw`a
b\u0007`);
});

test("no part of a password survives, however it is written", () => {
  const secret = fc.stringMatching(/^[A-Za-z0-9!$%&*+,;=:@/?#[\]-]{8,30}$/);
  fc.assert(
    fc.property(secret, (password) => {
      const shown = maskUrls(`cannot reach redis://user:${password}@host:6379/0, is it up?`);
      expect(shown).toBe("cannot reach redis://***@host:6379/0, is it up?");
    }),
  );
  expect(maskUrls("redis://host:6379/0 is up")).toBe("redis://host:6379/0 is up");
  const forms = "redis+sentinel://host:port,host:port/name or redis+cluster://host:port,host:port";
  expect(maskUrls(`expected ${REDIS_URL_EXPECTED}, got redis://u:canary`)).toContain(forms);
  expect(maskUrls(`expected ${REDIS_URL_EXPECTED}, got redis://u:canary`)).not.toContain("canary");
  const ofReplica = toTaskweftError(
    new Error("READONLY You can't write against a read only replica."),
    "cancel",
  );
  expect(describeError(ofReplica).message).toContain("or redis+sentinel://host:port/name, which finds");
  expect(maskUrls("at redis+sentinel://host:port/name@h:1")).toBe("at redis+sentinel://***@h:1");
  const late = new TaskweftError("TimedOut", "not yet", { jobId: "job-1" });
  expect(describeError(late)).toMatchObject({ code: "TimedOut", jobId: "job-1" });
  expect(maskUrls("redis://[::1]:6379 and redis+cluster://a:1,b:2: up")).toBe(
    "redis://[::1]:6379 and redis+cluster://a:1,b:2: up",
  );
  expect(maskUrls("got redis://user:canary, and redis+cluster://a:1,:canary")).toBe(
    "got redis://user:*** and redis+cluster://a:1,:***",
  );
  expect(maskUrls("at redis://user:with space@host: no")).toBe("at redis://***@host: no");
  expect(maskUrls("(https://u:p@ss@host) u:p@host")).toBe("***@host) ***@host");
  expect(maskUrls("got https://u:p@ss@host")).toBe("got https://***@host");
});

test("long texts are masked at once, and one @ does not swallow them", () => {
  const long = "x".repeat(100_000);
  const texts = [
    long,
    "redis://".repeat(12_500),
    "redis://a,".repeat(10_000),
    "redis+".repeat(16_000),
    "?".repeat(100_000),
    "@".repeat(100_000),
    `?${"password".repeat(12_500)}`,
  ];
  const start = performance.now();
  for (const text of texts) maskUrls(text);
  expect(performance.now() - start).toBeLessThan(5000);
  expect(maskUrls(`${long}:user:secret@host`).length).toBeGreaterThan(99_000);
  expect(maskUrls(`${long}:secret@${long}:secret@host`)).not.toContain("secret");
  expect(maskUrls(`redis://host:6379 is up; ${"word ".repeat(1000)}ada@host`)).toContain("is up; word");
});

test("JSON means the same, and moves no terminal", () => {
  const value = { "key\u009b": "\u009b31m \u202e \u2028 \u001b \n \u{1F600}", list: [1] };
  const text = printableJson(value, 2);
  expect(JSON.parse(text)).toEqual(value);
  expect(text).toContain('\n  "list"');
  expect(text.replaceAll("\n", "")).not.toMatch(/[\p{Cc}\u2028\u202e]/u);
});

test("what differs in a stale file moves no terminal", () => {
  const nothing = {
    diagnostics: [],
    written: [],
    deleted: [],
    stubs: [],
    unchanged: [],
    tasks: 0,
    elapsedMs: 0,
  };
  const pending = [{ path: "generated/a\u001b.ts", kind: "stale", diff: "- \u001b]0;x\u0007\n+ b" }] as const;
  expect(formatResult({ ...nothing, status: "stale", pending }, "text", PLAIN)).toContain(
    "stale      generated/a\\u001b.ts\n      - \\u001b]0;x\\u0007\n      + b\n",
  );
});

test("advice shows how a password is written, and files that are folders get some", () => {
  const advice = new CliError("X", "redis://u:p@h", { exitCode: 1, fix: "write redis://user:password@host" });
  expect(describeError(advice)).toMatchObject({
    message: "redis://***@h",
    fix: "write redis://user:password@host",
  });
  const system = Object.assign(new Error("EISDIR: illegal operation, read"), { code: "EISDIR" });
  expect(describeError(system)).toMatchObject({
    code: "EISDIR",
    message: "illegal operation, read",
    fix: "name a file, not a folder",
  });
});

test.each([
  [0, "<1s"],
  [999, "<1s"],
  [59_999, "59s"],
  [60_000, "1m"],
  [7_200_000, "2h"],
  [86_400_000 * 40, "40d"],
])("%i ms is about %s", (ms, text) => {
  expect(roughly(ms)).toBe(text);
});

test("moments before and after now", () => {
  expect(relative(61_000, 1000)).toBe("in 1m");
  expect(relative(1000, 61_000)).toBe("1m ago");
  expect(timestamp(0)).toBe("1970-01-01 00:00:00.000Z");
  expect(timestamp(Number.MAX_VALUE)).toBe("1.7976931348623157e+308");
});

test("lines come whole, whatever the chunks", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.stringMatching(/^[a-zé\n]{0,8}$/)), async (chunks) => {
      const stream = new PassThrough();
      const lines: string[] = [];
      eachLine(stream, (line) => lines.push(line));
      for (const chunk of chunks) stream.write(chunk);
      stream.end();
      await new Promise((resolve) => stream.on("close", resolve));
      const text = chunks.join("");
      const expected = text.split("\n");
      expect(lines).toEqual(expected.at(-1) === "" ? expected.slice(0, -1) : expected);
    }),
  );
});

test("a new package.json has all that a project needs; the scripts and versions of the user win", () => {
  const versions = { taskweft: "^1.0.0", typescript: "^7.0.0", nodeTypes: ">=20" };
  expect(mergePackageJson(undefined, "jobs", versions)).toEqual({
    name: "jobs",
    version: "0.0.0",
    private: true,
    type: "module",
    scripts: PACKAGE_SCRIPTS,
    dependencies: { taskweft: "^1.0.0" },
    devDependencies: { "@types/node": ">=20", typescript: "^7.0.0" },
  });
  const own = { scripts: { dev: "mine" }, devDependencies: { taskweft: "file:x" } };
  const merged = mergePackageJson(own, "jobs", versions) as { scripts: object; dependencies: object };
  expect(merged.scripts).toMatchObject({ dev: "mine" });
  expect(merged.dependencies).toEqual({});
});

const worker = (version: string, alive = true) => ({
  name: version,
  alive,
  leaseEndsAt: 0,
  active: 0,
  about: { version },
});
const info = (fields: string) => parseServerInfo(`redis_version:7.0.0\r\n${fields}`);

test("a queue without a worker is told of with its numbers and the command; one that the next worker serves is not", () => {
  const left = { name: "parcels", pending: 3, due: 1, atGate: 2 };
  const alive = [worker("1.0.0")];
  expect(unservedFindings(alive, [left], ["default"])).toEqual([
    {
      code: "TW-D34",
      level: "warning",
      message: "no worker serves the queue parcels: 3 pending, 1 due later or again, 2 waiting for a limit",
      why: expect.stringContaining("wait for ever"),
      fix: "run: weft worker --queues parcels, until nothing comes there any more",
    },
  ]);
  expect(unservedFindings(alive, [], ["default"])).toMatchObject([{ code: "TW-D34", level: "ok" }]);
  const nobody = [worker("1.0.0", false)];
  expect(unservedFindings(nobody, [left, { ...left, name: "default" }], ["default"])).toMatchObject([
    { message: expect.stringContaining("the queue parcels") },
  ]);
  expect(unservedFindings(nobody, [left], undefined)).toEqual([]);
});

test.each([
  [checkNode("v20.18.3"), "error"],
  [checkNode("v20.19.0"), "ok"],
  [checkNode("v24.0.0"), "ok"],
  [checkPersistence(info("aof_enabled:0")), "warning"],
  [checkPersistence(info("aof_enabled:1\r\naof_last_write_status:err")), "error"],
  [checkPersistence(info("aof_enabled:1\r\naof_last_write_status:ok")), "ok"],
  [checkPersistence(info("aof_enabled:1\r\naof_last_write_status:ok"), "everysec"), "ok"],
  [checkPersistence(info("aof_enabled:1\r\naof_last_write_status:ok"), "no"), "warning"],
  [checkReplication(info("role:master\r\nconnected_slaves:0")), "ok"],
  [checkReplication(info("role:master\r\nslave0:ip=h,port=1,state=online,offset=1,lag=0")), "ok"],
  [checkReplication(info("role:master\r\nslave0:ip=h,port=1,state=online,offset=1,lag=60")), "warning"],
  [checkReplication(info("role:master\r\nslave0:ip=h,port=1,state=wait_bgsave,offset=0,lag=0")), "warning"],
  [checkReplication(info("role:slave\r\nmaster_link_status:up")), "error"],
  [checkSlowCommands([[1, 1000, 99_000, ["HGET"]]], 1_000_000), "ok"],
  [checkSlowCommands([[1, 1000, 100_000, ["KEYS", "secret"]]], 1_000_000), "warning"],
  [checkSlowCommands([[1, 1000, 100_000, ["KEYS"]]], 10_000_000), "ok"],
  [protocolFinding({ stored: 1, known: 1 }), "ok"],
  [protocolFinding({ stored: 2, known: 1 }), "error"],
  [versionsFinding([], "1.0.0"), "ok"],
  [versionsFinding([worker("1.0.0"), worker("0.9.0", false)], "1.0.0"), "ok"],
  [versionsFinding([worker("1.0.0"), worker("0.9.0")], "1.0.0"), "warning"],
  [
    accessFinding(
      "jobs",
      "{weft:0}",
      NEEDED_COMMANDS.map(() => "OK"),
    ),
    "ok",
  ],
  [accessFinding("jobs", "{weft:0}", ["User jobs has no permissions"]), "error"],
  [checkFailedSnapshot(info("rdb_last_bgsave_status:err"), "3600 1", "yes")[0]!, "error"],
  [checkMemory(info("used_memory:90\r\nmaxmemory:100")), "warning"],
  [checkMemory(info("used_memory:100\r\nmaxmemory:100")), "error"],
  [checkMemory(info("used_memory:110\r\nmaxmemory:100\r\nmem_not_counted_for_evict:20")), "warning"],
  [checkMemory(info("used_memory:80\r\nmaxmemory:100")), "ok"],
  [checkMemory(info("used_memory:80\r\nmaxmemory:0")), "ok"],
  [checkTransport("redis://10.0.0.1:6379"), "warning"],
  [checkTransport("rediss://10.0.0.1:6379"), "ok"],
  [checkTransport("redis://127.0.0.1:6379"), "ok"],
  [checkLatency(11), "warning"],
  [checkLatency(1), "ok"],
  [checkSkew(1500), "warning"],
  [checkSkew(20), "ok"],
] as const)("doctor: %o", (finding, level) => {
  expect(finding.level).toBe(level);
  // A finding that is not well says why it matters and what to do.
  expect(finding.why === undefined).toBe(level === "ok");
  expect(finding.fix === undefined).toBe(level === "ok");
});

test("a job's text has its progress and the steps that are done, and nothing of them when there are none", () => {
  const job: JobDetails = {
    id: "j",
    task: "a:task",
    queue: "q",
    state: "dead",
    attempts: 1,
    crashes: 0,
    payload: {},
    hidden: false,
    hash: "h1",
    options: {},
    timeline: [],
  };
  const steps = [
    { name: "charge", bytes: 11 },
    { name: "evil\u001b[2J", bytes: 0 },
  ];
  const text = jobText({ ...job, progress: 40, steps }, 0, PLAIN);
  expect(text).toContain("\nprogress   40 %\n");
  expect(text).toContain("\nsteps done\n  charge (11 bytes)\n  evil\\u001b[2J\n\ntimeline");
  expect(jobText({ ...job, progress: { rows: 3 } }, 0, PLAIN)).toContain('\nprogress   {"rows":3}\n');
  expect(jobText(job, 0, PLAIN)).not.toMatch(/progress|steps|waits/);
  const listensTo = [
    { name: "approval", event: "order:approved", fields: ["kind", "orderId"], until: 60_000 },
  ];
  expect(
    jobText({ ...job, listensTo, timeline: [{ at: 0, kind: "waited", wakeAt: 60_000 }] }, 0, PLAIN),
  ).toMatch(
    /\nwaits for events\n {2}approval: order:approved by kind, orderId, until 1970-\S+ \S+ \(in 1m\)\n\ntimeline\n.* waited {4}for an event, until 1970/,
  );
});

test("a schedule says which tick waits for which run", () => {
  const colors = chooseColors(new PassThrough(), {}, false);
  const cron = {
    cron: "0 3 * * *",
    timezone: "UTC",
    missed: "latest",
    overlap: "replace",
    jitterMs: 0,
  } as const;
  const schedule = { name: "nightly", workflow: "report:nightly", queue: "default", ...cron, next: [] };
  const waits = { lastTickAt: 0, lastJob: "cron:nightly:0", waitingTickAt: 86_400_000 };
  expect(scheduleText({ ...schedule, ...waits }, 86_405_000, colors)).toContain(
    "waits      1970-01-02 00:00:00.000Z (5s ago), for the run cron:nightly:0, which it replaces, to end",
  );
  expect(scheduleText(schedule, 0, colors)).not.toContain("waits");
});
