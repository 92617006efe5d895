import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Redis } from "ioredis";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { CliError } from "../../cli/errors.js";
import { isAlive } from "../../cli/redis/dev-state.js";
import { findDevRedis, openDevRedis, type DevRedis } from "../../cli/redis/index.js";
import { installHint } from "../../cli/redis/install-hint.js";
import { unreachable } from "../../cli/redis/reach.js";
import { parseServerInfo } from "../../cli/redis/server-info.js";
import { startRedis } from "../support/redis.js";

const indexFile = fileURLToPath(new URL("../../cli/redis/index.ts", import.meta.url));
const env = { PATH: process.env["PATH"] };
let root: string;
let opened: DevRedis[];

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "weft-dev-redis-"));
  opened = [];
});

afterEach(async () => {
  for (const redis of opened) await redis.stop();
  // A server that lost its starter a moment ago may still close its files here.
  await rm(root, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 });
});

async function open(): Promise<DevRedis> {
  const redis = await openDevRedis({ root, env });
  opened.push(redis);
  return redis;
}

async function withClient<Result>(url: string, use: (client: Redis) => Promise<Result>): Promise<Result> {
  const client = new Redis(url, { maxRetriesPerRequest: 0 });
  try {
    return await use(client);
  } finally {
    client.disconnect();
  }
}

async function serverPid(): Promise<number> {
  const state = JSON.parse(await readFile(join(root, ".weft", "redis.json"), "utf8")) as { pid: number };
  return state.pid;
}

test("starts a server of the project's own that never evicts and keeps its data", async () => {
  const redis = await open();
  expect(redis.kind).toBe("spawned");
  const settings = await withClient(redis.url, async (client) => {
    await client.set("kept", "yes");
    return [
      await client.config("GET", "maxmemory-policy"),
      await client.config("GET", "appendfsync"),
      await client.config("GET", "bind"),
    ];
  });
  expect(settings).toEqual([
    ["maxmemory-policy", "noeviction"],
    ["appendfsync", "everysec"],
    ["bind", "127.0.0.1"],
  ]);
  const pid = await serverPid();
  await redis.stop();
  expect(isAlive(pid)).toBe(false);
  expect(existsSync(join(root, ".weft", "redis.json"))).toBe(false);

  const again = await open();
  expect(again.kind).toBe("spawned");
  expect(await withClient(again.url, (client) => client.get("kept"))).toBe("yes");
});

test("a second command shares the server, and the last one out stops it", async () => {
  const first = await open();
  const second = await open();
  expect(second.kind).toBe("running");
  expect(second.url).toBe(first.url);
  await first.stop();
  expect(await findDevRedis(root)).toBe(second.url);
  await second.stop();
  expect(await findDevRedis(root)).toBeUndefined();
});

test("commands that start at the same moment end up with one server", async () => {
  const all = await Promise.all([open(), open(), open(), open()]);
  expect(new Set(all.map((redis) => redis.url)).size).toBe(1);
  expect(all.filter((redis) => redis.kind === "spawned")).toHaveLength(1);
});

/** Opens the project's Redis in a process of its own, which then waits for a signal. */
async function openInChild(afterwards: string) {
  const script = `const { openDevRedis } = await import(${JSON.stringify(indexFile)});
    const redis = await openDevRedis({ root: ${JSON.stringify(root)}, env: { PATH: process.env.PATH } });
    process.stdout.write(redis.url + "\\n");
    ${afterwards}`;
  const child = spawn(process.execPath, ["--import", "tsx", "--input-type=module", "-e", script], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [line] = (await once(child.stdout, "data")) as [Buffer];
  return { child, url: line.toString().trim() };
}

test("a command that was killed hard leaves a server that the next one takes over and stops", async () => {
  const { child, url } = await openInChild("setInterval(() => {}, 1000);");
  const pid = await serverPid();
  child.kill("SIGKILL");
  await once(child, "exit");
  expect(isAlive(pid)).toBe(true);

  const next = await open();
  expect(next).toMatchObject({ kind: "running", url });
  await next.stop();
  expect(isAlive(pid)).toBe(false);
});

test("a command that fails with an uncaught error takes its server with it", async () => {
  const { child } = await openInChild("process.stdin.destroy(); setImmediate(() => process.exit(3));");
  const [code] = (await once(child, "exit")) as [number];
  expect(code).toBe(3);
  expect(await findDevRedis(root)).toBeUndefined();
  expect(existsSync(join(root, ".weft", "redis.json"))).toBe(false);
});

test("a state file whose process id now belongs to someone else is not believed", async () => {
  const redis = await open();
  const file = join(root, ".weft", "redis.json");
  const state = JSON.parse(await readFile(file, "utf8")) as object;
  await writeFile(file, JSON.stringify({ ...state, pid: process.pid }));
  expect(await findDevRedis(root)).toBeUndefined();
  await writeFile(file, JSON.stringify(state));
  expect(await findDevRedis(root)).toBe(redis.url);
});

test("a server that the user named is used as it is and never stopped", async () => {
  const server = await startRedis();
  const redis = await openDevRedis({ root, env: { ...env, TASKWEFT_REDIS_URL: server.url } });
  expect(redis).toMatchObject({ kind: "url", url: server.url });
  await redis.stop();
  expect(isAlive(server.pid)).toBe(true);
});

test.each([
  ["nobody listens", "redis://user:s3cr3t@127.0.0.1:1/0", "RedisUnavailable", 6],
  ["unescaped password", "redis://user:s3c/r3t@r3t@127.0.0.1:1/0", "RedisUrlInvalid", 2],
  ["not an address", "s3cr3t@localhost:6379", "RedisUrlInvalid", 2],
] as const)(
  "%s at the named server: an error, never another store, and no password in it",
  async (...row) => {
    const [, url, code, exitCode] = row;
    const error: unknown = await openDevRedis({ root, url, env }).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code, exitCode });
    const shown = `${(error as CliError).message} ${(error as CliError).fix}`;
    expect(shown).not.toMatch(/s3c|r3t/);
    expect(existsSync(join(root, ".weft"))).toBe(false);
  },
);

test.each([
  ["redis://h:6379", "read ECONNRESET", "ECONNRESET", "begins with rediss://"],
  ["redis://h:6379", "Connection is closed.", undefined, "begins with rediss://"],
  ["rediss://h:6379", "connect ETIMEDOUT", "ETIMEDOUT", "begins with redis://"],
  ["redis://h:8080", 'Unknown RESP type 72 "H". Please report this.', undefined, "something else than Redis"],
  ["rediss://h:6379", "self-signed certificate", "DEPTH_ZERO_SELF_SIGNED_CERT", "NODE_EXTRA_CA_CERTS"],
])("what to look at when %s says %s", (address, message, code, advice) => {
  const error = unreachable(address, Object.assign(new Error(message), code === undefined ? {} : { code }));
  expect(error.fix).toContain(advice);
});

test("without any Redis the error names the line that installs one", async () => {
  await expect(openDevRedis({ root, env: { PATH: "" } })).rejects.toMatchObject({
    code: "RedisNotFound",
    exitCode: 6,
    fix: expect.stringContaining(installHint()) as string,
  });
});

test.each([
  ["linux", "ID=debian\n", "sudo apt-get install redis-server"],
  ["linux", 'ID=pop\nID_LIKE="ubuntu debian"\n', "sudo apt-get install redis-server"],
  ["linux", "ID=fedora\n", "sudo dnf install valkey"],
  ["darwin", "", "brew install valkey"],
] as const)("install line on %s %s", (platform, release, expected) => {
  expect(installHint(platform, release)).toBe(expected);
});

test.each([
  ["redis_version:7.0.15\r\n", "Redis", "7.0.15", true],
  ["redis_version:6.2.14\r\n", "Redis", "6.2.14", false],
  ["redis_version:10.0.0\r\n", "Redis", "10.0.0", true],
  ["redis_version:7.2.4\r\nvalkey_version:8.1.0\r\n", "Valkey", "8.1.0", true],
] as const)("server version %j", (reply, product, version, supported) => {
  expect(parseServerInfo(reply)).toMatchObject({ product, version, supported });
});
