// Makes a fresh clone able to run: Node's version, the packages of the lock file, Redis.
// Plain node without dependencies, because nothing is installed when it starts.
import { mkdirSync, readFileSync, realpathSync, rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { findProgram, ROOT, run, runNpm, say, ToolError } from "./process.mjs";

const SERVER_PROGRAMS = ["redis-server", "valkey-server"];

/** The same range as package.json `engines`; checked here because npm only warns. */
export function ensureNode() {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  if (major > 20 || (major === 20 && minor >= 19)) return;
  throw new ToolError(
    `taskweft needs Node 20.19 or newer; this is Node ${process.versions.node} (${process.execPath}).`,
    "install a current Node from https://nodejs.org, or run `nvm install 22`",
  );
}

/**
 * Installs what the lock file names when node_modules does not hold it. Not `npm ci`: that refuses a lock file without
 * the optional packages of systems that its writer could not see (oxlint's for macOS), where `npm install` adds the one
 * that is needed. `--no-save` keeps package.json and the lock file as they are.
 */
export async function ensureInstalled() {
  linkExamples();
  const reason = reasonToInstall();
  if (reason === undefined) return;
  say(`Installing packages with npm (${reason}) ...`);
  const args = ["install", "--no-save", "--no-audit", "--no-fund", "--loglevel=error"];
  const { code, output } = await runNpm(args, { quiet: true });
  if (code !== 0)
    throw new ToolError(
      `npm install failed:\n${output.trim()}`,
      "read npm's message above, then `npm install`",
    );
}

/**
 * Compares what the lock file wants with what npm recorded as installed. Contents, not file times: git sets a new
 * time on every checkout.
 */
function reasonToInstall() {
  const wanted = readPackages(join(ROOT, "package-lock.json"));
  const installed = readPackages(join(ROOT, "node_modules", ".package-lock.json"));
  if (wanted === undefined) return "package-lock.json is missing";
  if (installed === undefined) return "node_modules is missing";
  for (const [path, entry] of Object.entries(wanted)) {
    // Optional packages are often for another system, and then npm rightly leaves them out.
    if (path === "" || entry.optional || entry.devOptional) continue;
    const found = installed[path]?.version;
    if (found !== entry.version)
      return `${path} is ${found ?? "missing"}, the lock file says ${entry.version}`;
  }
  return undefined;
}

/**
 * Lets the projects in examples/ import `taskweft` by its name: the link that `npm install` makes for their dependency
 * `file:../..`, without the network and one for all.
 */
function linkExamples() {
  const link = join(ROOT, "examples", "node_modules", "taskweft");
  if (isRoot(link)) return;
  mkdirSync(join(link, ".."), { recursive: true });
  rmSync(link, { recursive: true, force: true });
  try {
    // A junction, because Windows lets everybody make one; elsewhere the kind means nothing.
    symlinkSync(process.platform === "win32" ? ROOT : join("..", ".."), link, "junction");
  } catch (error) {
    // Another command, started at the same time, was faster.
    if (error.code !== "EEXIST") throw error;
  }
}

function isRoot(link) {
  try {
    return realpathSync(link) === realpathSync(ROOT);
  } catch (error) {
    if (error.code === "ENOENT") return false;
    throw error;
  }
}

function readPackages(path) {
  try {
    return JSON.parse(readFileSync(path, "utf8")).packages;
  } catch (error) {
    if (error.code === "ENOENT") return undefined;
    throw error;
  }
}

/**
 * Finds a Redis server program, installing it on Debian and Ubuntu when we are root.
 * @returns {Promise<string | undefined>} its path, or undefined when there is none and none could be installed
 */
export async function ensureRedisServer() {
  const found = findProgram(process.env["REDIS_BIN"] ? [process.env["REDIS_BIN"]] : SERVER_PROGRAMS);
  if (found !== undefined) return found;
  if (!canInstallWithApt()) return undefined;
  say("No redis-server on PATH; installing it with apt-get (this is Debian or Ubuntu, and we are root) ...");
  await installWithApt();
  return findProgram(SERVER_PROGRAMS);
}

/** What a person types to get Redis on this system. */
export function redisInstallCommand() {
  if (process.platform === "darwin") return "brew install valkey";
  if (process.platform === "win32") return "run inside WSL2, or start a Redis 7 and set TASKWEFT_REDIS_URL";
  if (findProgram(["apt-get"])) return "sudo apt-get install -y redis-server";
  if (findProgram(["dnf"])) return "sudo dnf install -y valkey";
  if (findProgram(["apk"])) return "sudo apk add redis";
  if (findProgram(["pacman"])) return "sudo pacman -S valkey";
  return "install Redis 7 or Valkey, so that redis-server or valkey-server is on PATH";
}

function canInstallWithApt() {
  return process.getuid?.() === 0 && findProgram(["apt-get"]) !== undefined;
}

async function installWithApt() {
  const env = { DEBIAN_FRONTEND: "noninteractive" };
  const install = ["install", "-y", "--no-install-recommends", "redis-server"];
  let result = await run("apt-get", install, { quiet: true, env });
  if (result.code !== 0) {
    // A bare image has no package lists yet.
    await run("apt-get", ["update"], { quiet: true, env });
    result = await run("apt-get", install, { quiet: true, env });
  }
  if (result.code !== 0) {
    say(`apt-get install redis-server failed:\n${result.output.trim()}`);
    return;
  }
  await stopInstalledService();
}

/** Debian starts what it installs. Nobody asked for a server on port 6379, so the service is stopped again. */
async function stopInstalledService() {
  const systemctl = findProgram(["systemctl"]);
  const service = findProgram(["service"]);
  if (systemctl) await run(systemctl, ["disable", "--now", "redis-server"], { quiet: true });
  if (service) await run(service, ["redis-server", "stop"], { quiet: true });
  say("Installed redis-server; its system service is stopped, each run starts a server of its own.");
}
