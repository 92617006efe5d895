// Runs the command line from the sources: as a process of its own, with pipes for streams, or in this one.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, open, symlink } from "node:fs/promises";
import { join } from "node:path";
import type { Io } from "../../cli/io.js";
import { run } from "../../cli/run.js";
import { compiled, compiledPackage } from "../support/compiled.js";
import { startProgram, type RunningProgram } from "../support/process.js";

const MAIN = await compiled(new URL("../../cli/main.ts", import.meta.url));

export interface WeftOptions {
  readonly cwd: string;
  readonly env?: NodeJS.ProcessEnv;
  readonly input?: string;
}

export interface WeftResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** What `npm install` does for a project, without npm. */
export async function installInto(folder: string): Promise<void> {
  await mkdir(join(folder, "node_modules"), { recursive: true });
  await symlink(await compiledPackage(), join(folder, "node_modules", "taskweft"));
}

/** Runs a command in this process: much faster, for what needs no process of its own. */
export async function inProcess(
  args: readonly string[],
  { cwd, env = {} }: WeftOptions,
): Promise<WeftResult> {
  const output = { stdout: "", stderr: "" };
  const io: Io = {
    cwd,
    env,
    stdin: (async function* () {})(),
    stdout: { write: (text) => (output.stdout += text) },
    stderr: { write: (text) => (output.stderr += text) },
    interrupted: () => new AbortController().signal,
  };
  const code = await run(args, io);
  return { code, ...output };
}

export function weft(args: readonly string[], options: WeftOptions): Promise<WeftResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [MAIN, ...args], {
      cwd: options.cwd,
      env: environment(options),
      stdio: "pipe",
    });
    const output = { stdout: "", stderr: "" };
    for (const name of ["stdout", "stderr"] as const) {
      child[name].setEncoding("utf8").on("data", (chunk: string) => (output[name] += chunk));
    }
    child.once("error", reject);
    child.once("close", (code) => resolve({ code, ...output }));
    child.stdin.end(options.input ?? "");
  });
}

/** The reader of stdout is gone before anything is written, as with `| true`. */
export function weftIntoClosedPipe(
  args: readonly string[],
  options: WeftOptions,
): Promise<Pick<WeftResult, "code" | "stderr">> {
  return new Promise((resolve, reject) => {
    const env = environment(options);
    const child = spawn(process.execPath, [MAIN, ...args], { cwd: options.cwd, env, stdio: "pipe" });
    child.stdout.destroy();
    let stderr = "";
    child.stderr.setEncoding("utf8").on("data", (chunk: string) => (stderr += chunk));
    child.once("error", reject);
    child.once("close", (code) => resolve({ code, stderr }));
  });
}

/** Its output goes to a device without space. */
export async function weftOntoFullDisk(
  args: readonly string[],
  options: WeftOptions,
): Promise<Pick<WeftResult, "code" | "stderr">> {
  const full = await open("/dev/full", "w");
  try {
    const stdio = ["ignore", full.fd, "pipe"] as const;
    const child = spawn(process.execPath, [MAIN, ...args], {
      cwd: options.cwd,
      env: environment(options),
      stdio: [...stdio],
    });
    let stderr = "";
    child.stderr!.setEncoding("utf8").on("data", (chunk: string) => (stderr += chunk));
    const [code] = (await once(child, "close")) as [number | null];
    return { code, stderr };
  } finally {
    await full.close();
  }
}

/** For commands that run until they are stopped. */
export function startWeft(args: readonly string[], options: WeftOptions): RunningProgram {
  return startProgram(process.execPath, [MAIN, ...args], { cwd: options.cwd, env: environment(options) });
}

/** Not the environment of whoever runs the tests: it may name a Redis or ask for colours. */
function environment({ env }: WeftOptions): NodeJS.ProcessEnv {
  return { PATH: process.env["PATH"], HOME: process.env["HOME"], ...env };
}
