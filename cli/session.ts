/** What a running command knows: where it is, how it may print, which Redis it means. */
import type { Command } from "commander";
import { EXIT, type ExitCode } from "./exit-codes.js";
import type { Io } from "./io.js";
import { chooseColors, type Colors } from "./output/colors.js";
import { printableJson } from "./output/sanitize.js";
import { findProjectRoot } from "./project.js";

export const DEFAULT_REDIS_URL = "redis://127.0.0.1:6379";

interface GlobalOptions {
  readonly color?: boolean;
  readonly json?: boolean;
  readonly redisUrl?: string;
}

export class Session {
  readonly io: Io;
  /** The folder of the project that the current folder belongs to. */
  readonly root: string;
  /** The command's answer; set by its action. */
  exitCode: ExitCode = EXIT.ok;
  #globals: GlobalOptions = {};

  constructor(io: Io) {
    this.io = io;
    this.root = findProjectRoot(io.cwd);
  }

  /** `--json`: the result as one JSON document. */
  get json(): boolean {
    return this.#globals.json === true;
  }

  /** `--redis-url`, if it was given. */
  get redisUrlOption(): string | undefined {
    return this.#globals.redisUrl;
  }

  /** Wraps the action of a command: reads the global options first and keeps its exit code. */
  action<Options>(
    act: (options: Options, ...args: string[]) => Promise<ExitCode>,
  ): (...parameters: unknown[]) => Promise<void> {
    return async (...parameters) => {
      // Commander passes the arguments, then the options, then the command.
      const command = parameters.at(-1) as Command;
      this.#globals = command.optsWithGlobals<GlobalOptions>();
      const args = parameters.slice(0, -2) as string[];
      this.exitCode = await act(parameters.at(-2) as Options, ...args);
    };
  }

  /** Colours for one of the two streams. */
  colors(stream: "stdout" | "stderr"): Colors {
    return chooseColors(this.io[stream], this.io.env, this.#globals.color !== false);
  }

  /** The result: `data` as JSON for programs, or text for people. */
  result(data: unknown, text: () => string): void {
    const output = this.json ? printableJson({ v: 1, data, warnings: [] }, 2) : text();
    if (output !== "") this.io.stdout.write(output.endsWith("\n") ? output : `${output}\n`);
  }

  /** One line about what goes on; never part of the result. */
  note(line: string): void {
    this.io.stderr.write(`${line}\n`);
  }

  /** `--redis-url`, else TASKWEFT_REDIS_URL, else the project's own dev server while it runs, else the usual port. */
  async redisUrl(): Promise<string> {
    const named = this.#globals.redisUrl ?? this.io.env["TASKWEFT_REDIS_URL"];
    if (named !== undefined && named !== "") {
      const { checkedUrl } = await import("./redis/reach.js");
      return checkedUrl(named);
    }
    const { findDevRedis } = await import("./redis/index.js");
    return (await findDevRedis(this.root)) ?? DEFAULT_REDIS_URL;
  }
}
