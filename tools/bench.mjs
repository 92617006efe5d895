// `npm run bench`: makes sure that Redis, the build and the peers are there, then measures. The peers are installed
// into bench/peers/node_modules, so that a plain install of the project never downloads them.
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { build } from "./build.mjs";
import { ensureInstalled, ensureNode, ensureRedisServer, redisInstallCommand } from "./ensure.mjs";
import { main, ROOT, runNpm, say, ToolError } from "./process.mjs";

const PEERS = join(ROOT, "bench", "peers");

async function ensurePeers() {
  const wanted = readJson(join(PEERS, "package-lock.json")).packages;
  const installed = readJson(join(PEERS, "node_modules", ".package-lock.json"))?.packages ?? {};
  const names = Object.keys(wanted[""].dependencies).map((name) => `node_modules/${name}`);
  if (names.every((name) => installed[name]?.version === wanted[name].version)) return;
  say("Installing the libraries to compare with into bench/peers ...");
  // None of them needs its install script: msgpackr's native part comes prebuilt.
  const args = ["ci", "--prefix", PEERS, "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];
  const { code, output } = await runNpm(args, { quiet: true });
  if (code !== 0) {
    throw new ToolError(`npm ci of the peers failed:\n${output.trim()}`, "read npm's message above");
  }
}

function readJson(path) {
  try {
    return JSON.parse(readFileSync(path, "utf8"));
  } catch (error) {
    if (error.code === "ENOENT") return undefined;
    throw error;
  }
}

function measure(redis) {
  const args = ["--import", "tsx", join("bench", "main.ts"), ...process.argv.slice(2)];
  const child = spawn(process.execPath, args, {
    cwd: ROOT,
    env: { ...process.env, REDIS_BIN: redis },
    stdio: "inherit",
  });
  // Ctrl-C reaches the benchmark through the terminal; it stops its servers before it ends.
  process.on("SIGINT", () => undefined);
  process.on("SIGTERM", () => child.kill("SIGTERM"));
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code, signal) => resolve(code ?? (signal === "SIGINT" ? 130 : 143)));
  });
}

await main(async () => {
  ensureNode();
  await ensureInstalled();
  const redis = await ensureRedisServer();
  if (redis === undefined) {
    throw new ToolError("The benchmark needs redis-server on the PATH.", redisInstallCommand());
  }
  await ensurePeers();
  await build();
  return measure(redis);
});
