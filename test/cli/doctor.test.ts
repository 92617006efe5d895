// `weft doctor` before a real server: what it asks of it, and what a user without all rights is told.
import { mkdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { createClient, createEnqueueFunction, createWorker } from "taskweft/generated-v1";
import { expect, test } from "vitest";
import { NEEDED_COMMANDS } from "../../cli/doctor/access-checks.js";
import { readSources } from "../layout/source-files.js";
import { defineTask, RecordingLogger } from "../support/project.js";
import { startRedis } from "../support/redis.js";
import { until } from "../support/signal.js";
import { inProcess } from "./weft.js";

const redis = await startRedis({ persist: true });
const admin = redis.client();

interface Finding {
  readonly code: string;
  readonly level: string;
  readonly message: string;
  readonly fix?: string;
}

async function doctor(url: string, env: NodeJS.ProcessEnv = {}): Promise<ReadonlyMap<string, Finding>> {
  const { stdout } = await inProcess(["doctor", "--json", "--redis-url", url], { cwd: tmpdir(), env });
  const { data } = JSON.parse(stdout) as { data: { findings: readonly Finding[] } };
  return new Map(data.findings.map((finding) => [finding.code, finding]));
}

test("tells what a crash would cost, and that all is well", async () => {
  const findings = await doctor(redis.url);
  expect(findings.get("TW-D22")?.message).toMatch(
    /append-only file is on with appendfsync always: a crash loses nothing/,
  );
  for (const code of ["TW-D28", "TW-D29", "TW-D30", "TW-D31", "TW-D32"]) {
    expect(findings.get(code)).toMatchObject({ code, level: "ok" });
  }
});

test("a server that refuses writes is an error", async () => {
  const server = await startRedis({ args: ["--save", "3600 1"] });
  const client = server.client();
  const [, folder = ""] = (await client.config("GET", "dir")) as string[];
  // The snapshot cannot take the place of a folder.
  await mkdir(path.join(folder, "dump.rdb/full"), { recursive: true });
  await client.bgsave();
  await until("the snapshot to fail", async () =>
    (await client.info("persistence")).includes("rdb_last_bgsave_status:err"),
  );
  await expect(client.set("key", "1")).rejects.toThrow("MISCONF");
  await client.config("SET", "maxmemory", "1");
  const { stdout, code } = await inProcess(["doctor", "--redis-url", server.url], { cwd: tmpdir() });
  expect(code).toBe(1);
  expect(stdout).toMatch(/TW-D22.* the server refuses every write: the last snapshot failed \(err\)/);
  expect(stdout).toMatch(/TW-D23.* the memory is full: /);
  await client.config("SET", "stop-writes-on-bgsave-error", "no");
  const { stdout: after } = await inProcess(["doctor", "--redis-url", server.url], { cwd: tmpdir() });
  expect(after).not.toContain("refuses every write");
});

test("tells of a queue with jobs that no worker serves, with the command that helps", async () => {
  const prefix = "left";
  const task = defineTask("some:work", { queue: "parcels", concurrency: { limit: 1 } } as never);
  const client = createClient({ url: redis.url, prefix });
  const enqueue = createEnqueueFunction(task as never, [{ name: "parcels", weight: 1 }]);
  await enqueue.many([{}, {}, {}] as never, { client });
  await enqueue({} as never, { client, delay: "1h" });
  const registry = { contracts: [task] as never, queues: [{ name: "default", weight: 1 }], handlers: {} };
  const logger = new RecordingLogger();
  const worker = await createWorker(registry, { url: redis.url, prefix, logger, grace: 0 }).start();
  try {
    expect((await doctor(redis.url, { TASKWEFT_PREFIX: prefix })).get("TW-D34")).toMatchObject({
      level: "warning",
      message: "no worker serves the queue parcels: 1 pending, 1 due later or again, 2 waiting for a limit",
      fix: "run: weft worker --queues parcels, until nothing comes there any more",
    });
  } finally {
    await worker.stop();
    await client.close();
  }
});

test("names the commands that the user may not use, and the line that allows them", async () => {
  await admin.acl("SETUSER", "half", "on", ">word", "~{weft:0}:*", "&*", "+@all", "-zadd", "-blpop");
  const url = redis.url.replace("redis://", "redis://half:word@");
  const finding = (await doctor(url)).get("TW-D28");
  expect(finding).toMatchObject({
    level: "error",
    message: "the user half may not use BLPOP, ZADD on {weft:0}",
    fix: "run: redis-cli ACL SETUSER half '~{weft:0}:*' '&{weft:0}:finished:*' +blpop +zadd",
  });
  await admin.acl("SETUSER", "half", "+@all", "resetkeys", "~other:*");
  expect((await doctor(url)).get("TW-D28")?.message).toContain("may not use BLPOP, ");
});

test("a user who may not ask for rights is not accused", async () => {
  await admin.acl("SETUSER", "plain", "on", ">word", "~*", "&*", "+@all", "-acl", "-config", "-slowlog");
  const findings = await doctor(redis.url.replace("redis://", "redis://plain:word@"));
  expect(findings.get("TW-D28")).toMatchObject({ level: "ok" });
  expect(findings.get("TW-D22")).toMatchObject({ level: "ok", message: "the append-only file is on" });
});

test("a mistake in the configuration is a finding at its line", async () => {
  const env = { TASKWEFT_WORKER_GRACE: "soon" };
  const { stdout, code } = await inProcess(["doctor"], { cwd: tmpdir(), env });
  expect([code, stdout]).toEqual([
    1,
    expect.stringContaining("TW-D04  TASKWEFT_WORKER_GRACE: expected a duration"),
  ]);
  expect(stdout).not.toContain("TW-D20");
});

test("a variable that no setting has is told, because nothing else would tell", async () => {
  const env = { TASKWEFT_WORKER_CONCURENCY: "50", TASKWEFT_CONFIG: "", TASKWEFT_WORKER_PROCESSES: "2" };
  expect((await doctor(redis.url, env)).get("TW-D04")).toMatchObject({
    level: "warning",
    message: "no setting has the variable TASKWEFT_WORKER_CONCURENCY",
    fix: "did you mean TASKWEFT_WORKER_CONCURRENCY?",
  });
  expect((await doctor(redis.url, { TASKWEFT_FOO: "1" })).get("TW-D04")).toMatchObject({
    fix: "docs/configuration.md has every variable",
  });
});

test("an address of a replica is an error", async () => {
  const replica = await startRedis({ args: ["--replicaof", "127.0.0.1", String(redis.port)] });
  expect((await doctor(replica.url)).get("TW-D30")).toMatchObject({ level: "error" });
});

test("every command of the scripts and of the runtime is asked for", async () => {
  const inLua = (await readSources(["runtime/scripts"], [".lua"])).flatMap(({ text }) => [
    ...text.matchAll(/redis\.call\('(\w+)'/g),
  ]);
  const inCode = (await readSources(["runtime"], [".ts"])).flatMap(({ text }) => [
    ...text.matchAll(/\bredis\.(\w+)\(/g),
  ]);
  const known = new Set(
    ((await admin.call("COMMAND", "LIST")) as string[]).map((name) => name.toUpperCase()),
  );
  const used = new Set([...inLua, ...inCode].map((match) => match[1]!.toUpperCase()));
  const asked = new Set(NEEDED_COMMANDS.map(([command]) => command));
  // CONFIG is tried, and done without; CLUSTER is called where there is one.
  const optional = new Set(["CLUSTER", "CONFIG"]);
  const missing = [...used].filter((name) => known.has(name) && !asked.has(name) && !optional.has(name));
  expect([missing, used.has("LTRIM"), used.has("ZREVRANGEBYSCORE")]).toEqual([[], true, true]);
});
