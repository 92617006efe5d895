// What a stranger does with the published package: install, init, codegen, dev, see a job run.
import { mkdtemp, readdir, readFile, realpath, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ROOT } from "../layout/source-files.js";
import { runProgram, startProgram } from "../support/process.js";

const NPM = ["--no-audit", "--no-fund", "--loglevel=error"];
let folder: string;

beforeAll(async () => {
  folder = await realpath(await mkdtemp(join(tmpdir(), "weft-package-")));
});

afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

test("pack, install in an empty folder, init, codegen, dev: a job runs", async () => {
  await runProgram("npm", ["pack", "--pack-destination", folder, ...NPM], { cwd: ROOT });
  const [tarball] = (await readdir(folder)).filter((name) => name.endsWith(".tgz"));
  const project = { cwd: folder, env: { TASKWEFT_REDIS_URL: "", CI: "1" } };
  await runProgram("npm", ["install", `./${tarball}`, ...NPM], project);
  await runProgram("npx", ["weft", "init"], project);
  // init adds TypeScript and the types of Node to package.json.
  await runProgram("npm", ["install", ...NPM], project);
  await runProgram("npm", ["run", "codegen"], project);
  await runProgram("npx", ["tsc", "--noEmit"], project);

  const dev = startProgram("npm", ["run", "dev"], project);
  await dev.printed(/hello:greet completed: Hello, Ada!/);
  const redis = JSON.parse(await readFile(join(folder, ".weft", "redis.json"), "utf8")) as { pid: number };
  dev.signal("SIGINT");
  await dev.ended;
  expect(() => process.kill(-dev.pid, 0)).toThrow(/ESRCH/);
  expect(() => process.kill(redis.pid, 0)).toThrow(/ESRCH/);
}, 180_000);
