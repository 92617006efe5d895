// A project from nothing: init, codegen, dev, enqueue, as a person would do it, with real processes.
import { existsSync } from "node:fs";
import { appendFile, chmod, mkdir, mkdtemp, readFile, realpath, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { isAlive } from "../../cli/redis/dev-state.js";
import { startRedis } from "../support/redis.js";
import { inProcess, installInto, startWeft, weft, type WeftResult } from "./weft.js";

const DEV_TIMEOUT_MS = 60_000;
let folder: string;

beforeEach(async () => {
  folder = await realpath(await mkdtemp(join(tmpdir(), "weft-project-")));
});

afterEach(() => rm(folder, { recursive: true, force: true }));

const call = (...args: string[]): Promise<WeftResult> => inProcess(args, { cwd: folder });
const callProcess = (...args: string[]): Promise<WeftResult> => weft(args, { cwd: folder });
const read = (name: string): Promise<string> => readFile(join(folder, name), "utf8");
const write = async (name: string, text: string): Promise<void> => {
  await mkdir(dirname(join(folder, name)), { recursive: true });
  await writeFile(join(folder, name), text);
};

async function newProject(): Promise<void> {
  expect(await call("init")).toMatchObject({ code: 0, stderr: "" });
  await installInto(folder);
  expect(await call("codegen")).toMatchObject({ code: 0 });
}

test("init keeps what stands in package.json, and says what comes next", async () => {
  const before = {
    name: "mine",
    version: "3.1.4",
    scripts: { dev: "my dev", test: 'echo "Error: no test specified" && exit 1' },
    dependencies: { taskweft: "file:taskweft-0.1.0.tgz" },
    devDependencies: { typescript: "~5.9.3" },
    custom: { kept: true },
  };
  await write("package.json", JSON.stringify(before));
  const { code, stdout } = await call("init");
  expect(code).toBe(0);
  expect(stdout).toMatch(/next:\n {2}npm install.*\n {2}npm run codegen\n {2}npm run dev\n$/);
  const after = JSON.parse(await read("package.json")) as Record<string, Record<string, string>>;
  expect(after).toMatchObject({
    name: "mine",
    version: "3.1.4",
    type: "module",
    custom: { kept: true },
    dependencies: { taskweft: "file:taskweft-0.1.0.tgz" },
  });
  expect(after["devDependencies"]!["typescript"]).toBe("~5.9.3");
  expect(after["scripts"]).toMatchObject({ dev: "my dev", codegen: "weft codegen" });
  expect(after["scripts"]).not.toHaveProperty("test");
});

test("init writes nothing at all where one file of its own would be overwritten", async () => {
  await write("tsconfig.json", "{}");
  const { code, stderr } = await call("init");
  expect(code).toBe(5);
  expect(stderr).toContain("tsconfig.json");
  expect(existsSync(join(folder, "tasks"))).toBe(false);
  expect(await call("init", "--force")).toMatchObject({ code: 0 });
  expect(await read("tsconfig.json")).toContain("verbatimModuleSyntax");
});

test.each([
  ['{"type":"commonjs"}', undefined],
  ['{"name":"mine"}', "index.js"],
  ['{"name":"mine"}', "src/server/index.js"],
  ['{"name":"mine"}', "bin/tool.ts"],
])("init leaves %s to its owner, and says what to change", async (manifest, source) => {
  await write("package.json", manifest);
  if (source !== undefined) await write(source, "");
  for (const force of [[], ["--force"]]) {
    const { code, stderr } = await call("init", ...force);
    expect([code, stderr]).toEqual([5, expect.stringContaining("npm pkg set type=module")]);
    expect(stderr).toContain(source ?? '"commonjs"');
  }
  expect(await read("package.json")).toBe(manifest);
  await write("package.json", '{"type":"module"}');
  expect(await call("init")).toMatchObject({ code: 0 });
});

test("init takes what npm init has written for nobody's choice, unless there are sources", async () => {
  const scripts = { test: 'echo "Error: no test specified" && exit 1' };
  const manifest = JSON.stringify({ name: "mine", main: "index.js", scripts, type: "commonjs" });
  await write("package.json", manifest);
  await write("index.js", "");
  expect(await call("init")).toMatchObject({
    code: 5,
    stderr: expect.stringContaining("index.js") as string,
  });
  expect(await read("package.json")).toBe(manifest);
  await rm(join(folder, "index.js"));
  expect(await call("init")).toMatchObject({ code: 0, stderr: "" });
  expect(JSON.parse(await read("package.json"))).toMatchObject({ name: "mine", type: "module" });
});

/** As somebody whom rights bind: the superuser may read everything. */
async function withoutRights<Result>(act: () => Promise<Result>): Promise<Result> {
  if (process.geteuid?.() !== 0) return await act();
  await chmod(folder, 0o777);
  process.seteuid?.("nobody");
  try {
    return await act();
  } finally {
    process.seteuid?.(0);
  }
}

test("init passes over a folder that it may not read", async () => {
  await write("data/pg/index.js", "");
  await chmod(join(folder, "data/pg"), 0);
  const result = await withoutRights(() => call("init"));
  // For those who remove the folder without being the superuser.
  await chmod(join(folder, "data/pg"), 0o700);
  expect(result).toMatchObject({ code: 0, stderr: "" });
});

test("init keeps the lines of .gitignore", async () => {
  await write(".gitignore", "/node_modules\n*.bak");
  expect(await call("init")).toMatchObject({ code: 0 });
  expect(await read(".gitignore")).toBe("/node_modules\n*.bak\n.weft/\n");
});

test("init makes a new folder and can be repeated", async () => {
  expect((await call("init", "jobs")).stdout).toContain("cd jobs");
  expect(await call("init", "jobs")).toMatchObject({ code: 0 });
});

test("codegen: 0 when fresh, 1 with errors, 3 when stale, and nothing is written in the last two", async () => {
  await newProject();
  expect(await call("codegen", "--check")).toMatchObject({ code: 0 });
  const definitions = await read("tasks/hello.yaml");

  await write(
    "tasks/hello.yaml",
    definitions.replace("name: string, language", "nickname: string, language"),
  );
  const stale = await call("codegen", "--check");
  expect(stale.code).toBe(3);
  expect(stale.stdout).toContain("generated/types.ts");
  expect(stale.stdout).toContain("run: weft codegen");

  await write("tasks/hello.yaml", definitions.replace("maxRetries: 5", "maxRetires: 5"));
  const types = await read("generated/types.ts");
  const invalid = await call("codegen");
  expect(invalid.code).toBe(1);
  expect(invalid.stdout).toMatch(/^tasks\/hello\.yaml:6:\d+ error TW102: .*maxRetires/);
  expect(await read("generated/types.ts")).toBe(types);

  const github = await call("codegen", "--format", "github");
  expect(github.stdout).toMatch(/^::error file=tasks\/hello\.yaml,line=6,/);
  const json = JSON.parse((await call("codegen", "--format", "json")).stdout) as {
    data: { diagnostics: unknown };
  };
  expect(json.data.diagnostics).toMatchObject([{ code: "TW102", file: "tasks/hello.yaml", line: 6 }]);
});

test(
  "dev: a job runs, a save restarts the worker, an error keeps the last good code, Ctrl-C leaves nothing behind",
  async () => {
    await newProject();
    const dev = startWeft(["dev", "--run", "src/enqueue-hello.ts"], { cwd: folder });
    await dev.printed(/hello:greet completed: Hello, Ada!/);
    await dev.printed(/hello:flaky completed after 3 attempts/);
    const { pid } = JSON.parse(await read(".weft/redis.json")) as { pid: number };

    // Another terminal finds the dev server by itself.
    const waited = await callProcess("enqueue", "hello:greet", '{"name":"Grace"}', "--wait", "--json");
    expect(JSON.parse(waited.stdout)).toMatchObject({ data: { result: { greeting: "Hello, Grace!" } } });

    await write("tasks/broken.yaml", "version: 1\ntasks: { a: { quue: default } }\n");
    await dev.printed(/the worker goes on with the last good code/);
    expect(await callProcess("enqueue", "hello:greet", '{"name":"Alan"}', "--wait")).toMatchObject({
      code: 0,
    });
    await rm(join(folder, "tasks/broken.yaml"));

    const handler = await read("tasks/handlers/hello/greet.ts");
    await write("tasks/handlers/hello/greet.ts", handler.replace('"Hello"', '"Good day"'));
    await dev.printed(/worker stopped[^]*worker started/);
    expect((await callProcess("enqueue", "hello:greet", '{"name":"Bob"}', "--wait")).stdout).toContain(
      "Good day, Bob!",
    );

    await appendFile(
      join(folder, "tasks/hello.yaml"),
      "  hello:later:\n    description: Added while it runs.\n    payload: { at: date }\n",
    );
    await dev.printed(/new handler: tasks\/handlers\/hello\/later\.ts/);

    dev.signal("SIGINT");
    expect(await dev.ended).toEqual({ code: 0, signal: null });
    expect(isAlive(pid)).toBe(false);
    expect(existsSync(join(folder, ".weft/redis.json"))).toBe(false);
  },
  DEV_TIMEOUT_MS,
);

test(
  "dev: the program that it runs enqueues where its worker looks, under the prefix and shards of the file",
  async () => {
    await newProject();
    await write("weft.config.yaml", "redis: { prefix: shop, shards: 2 }\n");
    const { url } = await startRedis();
    const dev = startWeft(["dev", "--run", "src/enqueue-hello.ts", "--redis-url", url], { cwd: folder });
    await dev.printed(/enqueued hello:greet/);
    await dev.printed(/hello:greet completed: Hello, Ada!/);
    dev.signal("SIGINT");
    expect(await dev.ended).toEqual({ code: 0, signal: null });
  },
  DEV_TIMEOUT_MS,
);

test(
  "dev that is killed hard takes its worker with it",
  async () => {
    await newProject();
    const server = await startRedis();
    const dev = startWeft(["dev", "--redis-url", server.url], { cwd: folder });
    await dev.printed(/worker started/);
    const listed = await inProcess(["doctor", "--json", "--redis-url", server.url], { cwd: folder });
    expect(listed.stdout).toContain("1 worker is alive");
    process.kill(dev.pid, "SIGKILL");
    // The pipes of dev stay open as long as its worker lives, so this is the worker's end too.
    await dev.ended;
    await expect
      .poll(async () => server.client().hlen("{weft:0}:workers"), { timeout: DEV_TIMEOUT_MS / 2 })
      .toBe(0);
  },
  DEV_TIMEOUT_MS,
);

test(
  "enqueue checks the payload before Redis is touched, and suggests names",
  async () => {
    await newProject();
    const server = await startRedis();
    const env = { TASKWEFT_REDIS_URL: server.url };
    const wrong = await weft(["enqueue", "hello:greet", '{"nam":"Ada"}'], { cwd: folder, env });
    expect(wrong.code).toBe(2);
    expect(wrong.stderr).toMatch(/PayloadInvalid: [^]*name: /);
    const unknown = await weft(["enqueue", "hello:gret"], { cwd: folder, env });
    expect(unknown).toMatchObject({
      code: 4,
      stderr: expect.stringContaining("did you mean hello:greet?") as string,
    });
    expect(await server.client().hlen("{weft:0}:jobs")).toBe(0);

    const args = ["enqueue", "hello:greet", "-", "--id", "mine", "--delay", "1h"];
    const first = await weft(args, { cwd: folder, env, input: '{"name":"Zoé"}' });
    expect(first).toMatchObject({ code: 0, stdout: "mine\n" });
    const again = await weft(args, { cwd: folder, env, input: '{"name":"Zoé"}' });
    expect(again).toMatchObject({
      code: 0,
      stdout: "mine\n",
      stderr: expect.stringContaining("already there") as string,
    });
    const other = await weft(args, { cwd: folder, env, input: '{"name":"Joe"}' });
    expect(other.code).toBe(5);

    const shown = await inProcess(["jobs", "show", "mine", "--json"], { cwd: folder, env });
    expect(JSON.parse(shown.stdout)).toMatchObject({
      data: { state: "scheduled", payload: { name: "Zoé" } },
    });
    // Kept as long as the task says, not as long as the default.
    const definitions = await read("tasks/hello.yaml");
    await write(
      "tasks/hello.yaml",
      definitions.replace("tasks:", "defaults: { retention: { dead: 0 } }\ntasks:"),
    );
    expect(await call("codegen")).toMatchObject({ code: 0 });
    expect(await inProcess(["jobs", "cancel", "mine"], { cwd: folder, env })).toMatchObject({ code: 0 });
    expect(await inProcess(["jobs", "show", "mine"], { cwd: folder, env })).toMatchObject({ code: 4 });
    expect(
      await weft(["enqueue", "hello:greet", '{"name":"X"}', "--wait", "--timeout", "50ms"], {
        cwd: folder,
        env,
      }),
    ).toMatchObject({ code: 7 });
    expect(await inProcess(["jobs", "delete", "--task", "hello:greet"], { cwd: folder, env })).toMatchObject({
      code: 2,
    });
    expect(
      await inProcess(["jobs", "delete", "--task", "hello:greet", "--yes"], { cwd: folder, env }),
    ).toMatchObject({ code: 0 });
    expect((await inProcess(["jobs", "list"], { cwd: folder, env })).stdout).toBe("");
  },
  DEV_TIMEOUT_MS,
);

test(
  "worker: a second process, options from the command line, an orderly end",
  async () => {
    await newProject();
    const server = await startRedis();
    const env = { TASKWEFT_REDIS_URL: server.url };
    const worker = startWeft(["worker", "--concurrency", "3", "--queues", "default", "--grace", "1s"], {
      cwd: folder,
      env,
    });
    await worker.printed(/worker started .*concurrency=3 queues=default/);
    expect(
      await weft(["enqueue", "hello:greet", '{"name":"Ada"}', "--wait"], { cwd: folder, env }),
    ).toMatchObject({ code: 0 });
    worker.signal("SIGTERM");
    expect(await worker.ended).toEqual({ code: 0, signal: null });
    const refused = async (): Promise<string> => {
      const { code, stderr } = await weft(["worker"], { cwd: folder, env });
      expect(code).toBe(1);
      expect(stderr).not.toMatch(/^ +at /m);
      return stderr;
    };
    await write("tasks/handlers/hello/flaky.ts", "export default (;\n");
    expect(await refused()).toMatch(
      /^error SourceInvalid: \/.*hello.flaky\.ts:1:16: ERROR: Unexpected ";"\n/,
    );
    await write("tasks/handlers/hello/flaky.ts", 'import "not-installed";\n');
    expect(await refused()).toMatch(
      /^error ImportMissing: \/.*hello.flaky\.ts imports not-installed, which is not there\n.*npm install/,
    );
    await rm(join(folder, "tasks/handlers/hello/flaky.ts"));
    expect(await refused()).toMatch(
      /^error ImportMissing: .*generated.registry\.ts imports .*flaky\.js, which is not there\n.*weft codegen/,
    );
  },
  DEV_TIMEOUT_MS,
);

test("doctor finds what is stale, missing and wrong, each with its code", async () => {
  await newProject();
  const server = await startRedis();
  await server.client().config("SET", "maxmemory-policy", "allkeys-lru");
  await write("tasks/hello.yaml", (await read("tasks/hello.yaml")).replace("hello:flaky", "hello:shaky"));
  await write("package.json", "{}");
  const { code, stdout } = await inProcess(["doctor", "--json"], {
    cwd: folder,
    env: { TASKWEFT_REDIS_URL: server.url },
  });
  expect(code).toBe(1);
  const { data } = JSON.parse(stdout) as { data: { findings: { code: string; level: string }[] } };
  const levels = Object.fromEntries(data.findings.map((finding) => [finding.code, finding.level]));
  expect(levels).toMatchObject({
    "TW-D01": "ok",
    "TW-D02": "error",
    "TW-D11": "error",
    "TW-D12": "error",
    "TW-D20": "ok",
    "TW-D21": "error",
    "TW-D22": "warning",
    "TW-D26": "ok",
    "TW-D27": "warning",
  });
});
