// `npm test`: everything that must hold before a change is shared, in the order that fails fastest.
//   npm test                     all steps, all tests
//   npm test -- test/runtime     all steps, the tests below a path (arguments go to vitest)
//   npm test -- --quick          only build and tests
import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { build } from "./build.mjs";
import { checkGenerated } from "./codegen.mjs";
import { ensureInstalled, ensureNode, ensureRedisServer, redisInstallCommand } from "./ensure.mjs";
import { main, ROOT, runPackage, say, ToolError } from "./process.mjs";

const REPORT = join(ROOT, ".weft", "test-report.json");

/** Steps in order; `check` are those that --quick leaves out. */
const STEPS = [
  { name: "packages", run: ensureInstalled },
  { name: "redis-server", run: requireRedisServer },
  { name: "build", run: build },
  { name: "format", check: true, run: checkFormat },
  { name: "lint", check: true, run: checkLint },
  { name: "types", check: true, run: checkTypes },
  { name: "generated code is fresh", check: true, run: checkGenerated },
];

await main(async () => {
  ensureNode();
  const quick = process.argv.includes("--quick");
  const vitestArgs = process.argv.slice(2).filter((argument) => argument !== "--quick");
  try {
    for (const step of STEPS) if (!quick || !step.check) await timed(step.name, step.run);
  } catch (error) {
    // The last line is the same whatever failed; a step that failed is the one failure, and no test ran.
    process.once("exit", () => process.stdout.write("0 passed, 1 failed\n"));
    throw error;
  }
  return runTests(vitestArgs);
});

async function timed(name, body) {
  const startedAt = Date.now();
  await body();
  say(`ok  ${name} (${((Date.now() - startedAt) / 1000).toFixed(1)} s)`);
}

async function requireRedisServer() {
  const program = await ensureRedisServer();
  if (program === undefined) {
    throw new ToolError(
      "The tests need a real redis-server or valkey-server on PATH.",
      redisInstallCommand(),
    );
  }
  // Test files start their own servers with this program; test/support/redis.ts reads it.
  process.env["REDIS_BIN"] = program;
}

async function checkFormat() {
  await requireSuccess(
    "prettier/bin/prettier.cjs",
    ["--check", "--log-level", "warn", "."],
    "npm run format",
  );
}

async function checkLint() {
  await requireSuccess("oxlint/bin/oxlint", ["--type-aware", "--deny-warnings"], "npm run lint");
}

async function checkTypes() {
  await requireSuccess("typescript/bin/tsc", ["-p", "tsconfig.json"], "npm run types");
  await requireSuccess("typescript/bin/tsc", ["-p", "tools/tsconfig.json"], "npx tsc -p tools/tsconfig.json");
}

async function requireSuccess(script, args, repair) {
  const { code, output } = await runPackage(script, args, { quiet: true });
  if (code !== 0) throw new ToolError(output.trim(), repair);
}

async function runTests(args) {
  // A report of an earlier run must never be counted as this one's.
  await rm(REPORT, { force: true });
  const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${REPORT}`];
  const config = ["--config", "test/vitest.config.ts"];
  const { code } = await runPackage("vitest/vitest.mjs", ["run", ...config, ...reporters, ...args]);
  const { passed, failed } = await readReport(code);
  process.stdout.write(`\n${passed} passed, ${failed} failed\n`);
  return code === 0 && failed === 0 && passed > 0 ? 0 : 1;
}

/** A file that could not even be collected has no tests in the report: it counts as one failure. */
async function readReport(code) {
  let report;
  try {
    report = JSON.parse(await readFile(REPORT, "utf8"));
  } catch (error) {
    if (error.code !== "ENOENT") throw error;
    return { passed: 0, failed: 1 };
  }
  const brokenFiles = report.testResults.filter(
    (file) => file.status === "failed" && !file.assertionResults.some((test) => test.status === "failed"),
  );
  const failed = report.numFailedTests + brokenFiles.length;
  // vitest also fails for errors outside of any test, such as an unhandled rejection.
  return { passed: report.numPassedTests, failed: code === 0 ? failed : Math.max(failed, 1) };
}
