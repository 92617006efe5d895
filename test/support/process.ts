// Runs programs for tests: collects what they print, waits for words instead of sleeping, leaves nothing behind.
import { spawn, type ChildProcess } from "node:child_process";
import { fileURLToPath } from "node:url";
import { afterAll, onTestFinished } from "vitest";

export interface RunningProgram {
  readonly pid: number;
  /** What it has printed so far, both streams. */
  output(): string;
  /** Settles when the output matches; fails with the output when the program ends first. */
  printed(pattern: RegExp): Promise<RegExpMatchArray>;
  /** Settles when it has ended. */
  readonly ended: Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }>;
  /** Sends a signal to it and everything that it started, as Ctrl-C in a terminal does. */
  signal(signal: NodeJS.Signals): void;
}

const running = new Set<RunningProgram>();

if (process.env["VITEST"] !== undefined) {
  afterAll(async () => {
    const left = [...running];
    for (const program of left) program.signal("SIGKILL");
    await Promise.all(left.map((program) => program.ended));
  });
}

/** Starts a program in a process group of its own. */
export function startProgram(
  command: string,
  args: readonly string[],
  options: { readonly cwd: string; readonly env?: NodeJS.ProcessEnv },
): RunningProgram {
  const child = spawn(command, args, {
    cwd: options.cwd,
    env: { ...process.env, ...options.env },
    stdio: ["ignore", "pipe", "pipe"],
    detached: true,
  });
  const program = new Program(child, [command, ...args].join(" "));
  running.add(program);
  void program.ended.then(() => running.delete(program));
  return program;
}

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/** Starts what `compiled(...)` gave, for one test: it is killed at its end. */
export function startCompiled(entry: string, env: NodeJS.ProcessEnv): RunningProgram {
  const program = startProgram(process.execPath, [entry], { cwd: ROOT, env });
  onTestFinished(async () => {
    program.signal("SIGKILL");
    await program.ended;
  });
  return program;
}

/** Runs a program to its end; fails with its output unless it exits with 0. */
export async function runProgram(
  command: string,
  args: readonly string[],
  options: { readonly cwd: string; readonly env?: NodeJS.ProcessEnv },
): Promise<string> {
  const program = startProgram(command, args, options);
  const { code, signal } = await program.ended;
  if (code === 0) return program.output();
  throw new Error(`${command} ${args.join(" ")} ended with ${signal ?? code}:\n${program.output()}`);
}

class Program implements RunningProgram {
  readonly pid: number;
  readonly ended: RunningProgram["ended"];
  readonly #title: string;
  #output = "";
  readonly #listeners = new Set<() => void>();

  constructor(child: ChildProcess, title: string) {
    this.pid = child.pid ?? 0;
    this.#title = title;
    const collect = (chunk: Buffer): void => {
      this.#output += chunk.toString();
      for (const listener of this.#listeners) listener();
    };
    child.stdout?.on("data", collect);
    child.stderr?.on("data", collect);
    this.ended = new Promise((resolve, reject) => {
      child.once("error", reject);
      child.once("close", (code, signal) => resolve({ code, signal }));
    });
  }

  output(): string {
    return this.#output;
  }

  async printed(pattern: RegExp): Promise<RegExpMatchArray> {
    let listener: (() => void) | undefined;
    const matched = new Promise<RegExpMatchArray>((resolve) => {
      listener = () => {
        const match = this.#output.match(pattern);
        if (match) resolve(match);
      };
      this.#listeners.add(listener);
      listener();
    });
    const endedFirst = this.ended.then(({ code, signal }) => {
      const match = this.#output.match(pattern);
      if (match) return match;
      throw new Error(
        `${this.#title} ended with ${signal ?? code} before it printed ${pattern}:\n${this.#output}`,
      );
    });
    try {
      return await Promise.race([matched, endedFirst]);
    } finally {
      if (listener) this.#listeners.delete(listener);
    }
  }

  signal(signal: NodeJS.Signals): void {
    try {
      process.kill(-this.pid, signal);
    } catch (error) {
      // The whole group is gone already: there is nobody left to tell.
      if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
    }
  }
}
