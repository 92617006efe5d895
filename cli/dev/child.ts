/** A child process of `weft dev`: the worker, or the program given by `--run`. */
import { spawn, type ChildProcess } from "node:child_process";
import { setTimeout as pause } from "node:timers/promises";
import { eachLine } from "./line-prefix.js";

export interface ChildOptions {
  readonly args: readonly string[];
  readonly cwd: string;
  readonly env: NodeJS.ProcessEnv;
  readonly onLine: (line: string) => void;
  /** Called once when the process has ended, with its exit code or the signal that ended it. */
  readonly onEnd: (how: number | NodeJS.Signals) => void;
}

export class Child {
  readonly #process: ChildProcess;
  readonly #ended: Promise<void>;

  /** Runs Node with `args`. */
  constructor(options: ChildOptions) {
    // A process group of its own: Ctrl-C reaches the terminal's whole group, and the worker would take it for
    // a second request to stop. The IPC channel tells the child when this process has died.
    this.#process = spawn(process.execPath, [...process.execArgv, ...options.args], {
      cwd: options.cwd,
      env: options.env,
      stdio: ["ignore", "pipe", "pipe", "ipc"],
      detached: process.platform !== "win32",
    });
    const { stdout, stderr } = this.#process;
    if (stdout !== null) eachLine(stdout, options.onLine);
    if (stderr !== null) eachLine(stderr, options.onLine);
    this.#ended = new Promise((resolve) => {
      const finish = (how: number | NodeJS.Signals) => {
        options.onEnd(how);
        resolve();
      };
      this.#process.once("error", (error) => {
        options.onLine(String(error));
        finish(1);
      });
      this.#process.once("close", (code, signal) => finish(code ?? signal ?? 1));
    });
  }

  /** Sends SIGTERM, and SIGKILL if the process has not ended after `graceMs`. */
  async stop(graceMs: number): Promise<void> {
    this.#process.kill("SIGTERM");
    const giveUp = new AbortController();
    const late = pause(graceMs, "late" as const, { signal: giveUp.signal }).catch(() => "aborted" as const);
    if ((await Promise.race([this.#ended, late])) === "late") {
      this.#process.kill("SIGKILL");
      await this.#ended;
    }
    giveUp.abort();
  }
}
