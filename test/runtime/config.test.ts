// Settings of a deployment: where each comes from, and what is said about a mistake.
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Ajv } from "ajv";
import { afterAll, describe, expect, test } from "vitest";
import {
  CONFIG_FIELDS,
  CONFIG_PATHS,
  loadConfig,
  parseConfig,
  PROFILES,
  PROFILE_NAMES,
  renderConfigSchema,
} from "../../runtime/config/index.js";
import { workerOptions } from "../../runtime/run-worker.js";
import { resolveWorkerOptions } from "../../runtime/worker/worker-options.js";

const folder = await mkdtemp(join(tmpdir(), "weft-config-"));
afterAll(() => rm(folder, { recursive: true, force: true }));

const QUEUES = ["critical", "default"].map((name) => ({ name, weight: 1 }));
const FILE = `profile: throughput
redis: { prefix: shop }
worker:
  concurrency: 30
  queues: [critical]
  lease: 20s
retention: { completed: 0 }
`;

async function load(text: string, env: NodeJS.ProcessEnv = {}, flags = {}) {
  await writeFile(join(folder, "weft.config.yaml"), text);
  return await loadConfig({ env, folder, flags });
}

describe("a setting comes from", () => {
  test("the first of flag, environment, file, profile and default", async () => {
    const env = {
      TASKWEFT_WORKER_LEASE: "25s",
      TASKWEFT_WORKER_GRACE: "",
      TASKWEFT_REDIS_URL: "redis://env",
    };
    const config = await load(FILE, env, { "redis.url": "redis://flag" });
    const shown = CONFIG_PATHS.map((path) => [path, config.setting(path).value, config.setting(path).source]);
    expect(shown).toEqual([
      ["profile", "throughput", "weft.config.yaml:1"],
      ["redis.url", "redis://flag", "flag"],
      ["redis.prefix", "shop", "weft.config.yaml:2"],
      ["redis.shards", 1, "default"],
      ["worker.concurrency", 30, "weft.config.yaml:4"],
      ["worker.queues", ["critical"], "weft.config.yaml:5"],
      ["worker.grace", "30s", "default"],
      ["worker.lease", "25s", "env TASKWEFT_WORKER_LEASE"],
      ["worker.maxBlock", "60s", "default"],
      ["worker.claimAhead", "20ms", "profile throughput"],
      ["worker.maxResult", 1_048_576, "default"],
      ["retention.completed", 0, "weft.config.yaml:7"],
      ["metrics.port", 0, "default"],
      ["metrics.host", "127.0.0.1", "default"],
      ["log.level", "info", "default"],
      ["log.jobs", "keep", "default"],
    ]);
  });

  test("a file of another name", async () => {
    await writeFile(join(folder, "other.yaml"), "worker: { grace: 5s }");
    const config = await loadConfig({ env: { TASKWEFT_CONFIG: "other.yaml" }, folder });
    expect(config.setting("worker.grace")).toEqual({ value: "5s", source: "other.yaml:1" });
    const missing = loadConfig({ env: { TASKWEFT_CONFIG: "none.yaml" }, folder });
    await expect(missing).rejects.toThrow("TASKWEFT_CONFIG: expected a file at none.yaml, found none");
  });

  test.each(PROFILE_NAMES)("the profile %s, whose values are valid", async (profile) => {
    const config = await load(`profile: ${profile}`);
    for (const [path, value] of Object.entries(PROFILES[profile])) {
      expect(config.setting(path as never)).toEqual({ value, source: `profile ${profile}` });
    }
    expect(() => resolveWorkerOptions(workerOptions(config), QUEUES)).not.toThrow();
  });
});

test("what is shown as a default is what a worker does without one", async () => {
  const none = await load("");
  const said = Object.fromEntries(
    CONFIG_PATHS.filter((path) => none.setting(path).value !== undefined).map((path) => [
      CONFIG_FIELDS[path].env,
      String(none.setting(path).value),
    ]),
  );
  const all = workerOptions(await loadConfig({ env: said, folder }));
  const { logger: _all, connection: _url, ...shown } = resolveWorkerOptions(all, QUEUES);
  const { logger: _none, connection: _default, ...own } = resolveWorkerOptions({}, QUEUES);
  expect(shown).toEqual(own);
});

test("a worker gets what the file says", async () => {
  const options = resolveWorkerOptions(workerOptions(await load(FILE)), QUEUES);
  expect(options).toMatchObject({
    prefix: "shop",
    concurrency: 30,
    queues: [{ name: "critical" }],
    leaseMs: 20_000,
    claimAheadMs: 20,
    retentionCompletedMs: 0,
  });
});

describe("a mistake in the file", () => {
  const mistakes: [text: string, message: string][] = [
    [
      "worker:\n  concurency: 5",
      'c.yaml:2:3 unknown key "concurency" in worker; did you mean "concurrency"?',
    ],
    ["wroker: {}", 'c.yaml:1:1 unknown key "wroker"; did you mean "worker"?'],
    [
      "profile: lateny",
      'c.yaml:1:10 profile: expected constrained, latency, reliability, throughput, got "lateny"; did you mean "latency"?',
    ],
    [
      "worker: { lease: 30 }",
      "c.yaml:1:18 worker.lease: expected a duration such as 30s, at least 1000ms, got 30",
    ],
    ["worker: { lease: 10ms }", 'at least 1000ms, got "10ms"'],
    ["worker: { claimAhead: 2s }", 'a duration such as 5ms, at most 1000ms, or 0, got "2s"'],
    ["worker: { concurrency: 0 }", "expected a whole number from 1 to 10000, got 0"],
    ["worker: { queues: [a, 5] }", "worker.queues: expected names of queues, got 5"],
    ["worker: 5", "c.yaml:1:9 worker: expected a map, got a number"],
    ["- a", "c.yaml:1:1 expected a map"],
    ['redis: "redis://:secret@host:6379"', "c.yaml:1:8 redis: expected a map, got a text"],
    ["a: [", "c.yaml:1:5 "],
    [
      "redis: { url: http://:secret@host }",
      "redis.url: expected redis://user:password@host:port, redis+sentinel://",
    ],
    [
      "redis: { url: redis://:secret@host:abc }",
      "c.yaml:1:15 redis.url: expected redis://user:password@host:port, redis+sentinel://",
    ],
    ["log: { level: info }\nlog: {}", "c.yaml:2:1 "],
  ];
  test.each(mistakes)("%j", async (text, message) => {
    const error: unknown = await parseConfig("c.yaml", text).then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    expect(String(error)).toContain(message);
    expect(String(error)).not.toContain("secret");
  });

  test("does not hide another one", async () => {
    await expect(parseConfig("c.yaml", "wroker: 1\nworker:\n  grace: soon\n  leas: 1s")).rejects.toThrow(
      /c\.yaml:1:1 unknown key "wroker".*\n.*c\.yaml:3:10 worker\.grace: .*\n.*c\.yaml:4:3 unknown key "leas"/,
    );
  });
});

test("a mistake in the environment names the variable", async () => {
  await expect(load("", { TASKWEFT_WORKER_GRACE: "soon" })).rejects.toThrow(
    'TASKWEFT_WORKER_GRACE: expected a duration such as 30s, or 0, got "soon"',
  );
});

describe("weft.config.schema.json", () => {
  test("is what the fields say", async () => {
    const written = await readFile(new URL("../../weft.config.schema.json", import.meta.url), "utf8");
    // Stale? Write renderConfigSchema() to the file.
    expect(written).toBe(renderConfigSchema());
  });

  test("accepts and refuses what the loader does", () => {
    const validate = new Ajv({ strict: false }).compile(JSON.parse(renderConfigSchema()) as object);
    expect(validate({ profile: "latency", worker: { lease: "15s", maxBlock: 0, queues: ["a"] } })).toBe(true);
    expect(validate({ worker: { leas: "15s" } })).toBe(false);
    expect(validate({ worker: { lease: 15 } })).toBe(false);
  });
});

test("every setting stands in docs/configuration.md", async () => {
  const page = await readFile(new URL("../../docs/configuration.md", import.meta.url), "utf8");
  for (const path of CONFIG_PATHS) {
    expect(page).toContain(`\`${path}\``);
    expect(page).toContain(`\`${CONFIG_FIELDS[path].env}\``);
  }
});
