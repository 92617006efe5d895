// Running other programs from the tools. Plain node: this file works before anything is installed.
import { spawn } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The repository's root, whatever folder the command was typed in. */
export const ROOT = fileURLToPath(new URL("..", import.meta.url));

/** Something the person at the keyboard can repair; the tools print its text without a stack. */
export class ToolError extends Error {
  /**
   * @param {string} message what went wrong
   * @param {string} [repair] the command or step that repairs it
   */
  constructor(message, repair) {
    super(repair === undefined ? message : `${message}\n  repair: ${repair}`);
    this.name = "ToolError";
  }
}

/** Progress goes to stderr: stdout belongs to the result. */
export function say(line) {
  process.stderr.write(`${line}\n`);
}

/**
 * Runs a program to its end and gives its exit code and output.
 * @param {string} command
 * @param {readonly string[]} args
 * @param {{ quiet?: boolean, cwd?: string, env?: Record<string, string> }} [options] quiet collects the output instead
 *   of showing it; cwd is the root if not given
 * @returns {Promise<{ code: number, output: string }>}
 */
export function run(command, args, options = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd: options.cwd ?? ROOT,
      env: { ...process.env, ...options.env },
      stdio: options.quiet ? ["ignore", "pipe", "pipe"] : ["ignore", "inherit", "inherit"],
    });
    let output = "";
    const collect = (chunk) => (output += chunk.toString());
    child.stdout?.on("data", collect);
    child.stderr?.on("data", collect);
    child.once("error", reject);
    // 128 + n is what a shell reports for a program that a signal ended.
    child.once("close", (code) => resolve({ code: code ?? 128, output }));
  });
}

/**
 * Runs a script of an installed package with this node: no shell, no .cmd files, works from any folder.
 * @param {string} script path under node_modules
 */
export function runPackage(script, args, options) {
  return run(process.execPath, [join(ROOT, "node_modules", script), ...args], options);
}

/** npm as the node that runs us knows it; `npm run` tells where it lives, a bare `node tools/x.mjs` does not. */
export function runNpm(args, options) {
  const script = process.env["npm_execpath"];
  if (script?.endsWith(".js")) return run(process.execPath, [script, ...args], options);
  return run(process.platform === "win32" ? "npm.cmd" : "npm", args, options);
}

/** The first of the programs that is on PATH, or undefined. */
export function findProgram(names) {
  const folders = (process.env["PATH"] ?? "").split(delimiter).filter((folder) => folder !== "");
  for (const name of names) {
    for (const folder of folders) {
      const path = join(folder, name);
      if (isExecutable(path)) return path;
    }
  }
  return undefined;
}

function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    // Not there or not ours to run: either way the next folder of PATH is asked.
    return false;
  }
}

/** Runs a tool's main function: a repairable problem prints as text with exit code 1, a bug keeps its stack. */
export async function main(body) {
  try {
    process.exitCode = (await body()) ?? 0;
  } catch (error) {
    if (!(error instanceof ToolError)) throw error;
    say(`\n${error.message}`);
    process.exitCode = 1;
  }
}
