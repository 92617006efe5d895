/** The context of a running command: its project, its output and its Redis. */
import type { Command } from "commander";
import type { Config } from "../runtime/config/index.js";
import { EXIT, type ExitCode } from "./exit-codes.js";
import type { Io } from "./io.js";
import { chooseColors, type Colors } from "./output/colors.js";
import { printableJson } from "./output/sanitize.js";
import { findProjectRoot } from "./project.js";

interface GlobalOptions {
  readonly color?: boolean;
  readonly json?: boolean;
  readonly redisUrl?: string;
}

export class Session {
  readonly io: Io;
  /** Root folder of the project that contains the current folder. */
  readonly root: string;
  /** The exit code of the command; set by its action. */
  exitCode: ExitCode = EXIT.ok;
  #globals: GlobalOptions = {};
  #config: Promise<Config> | undefined;

  constructor(io: Io) {
    this.io = io;
    this.root = findProjectRoot(io.cwd);
  }

  /** `--json`: print the result as one JSON document. */
  get json(): boolean {
    return this.#globals.json === true;
  }

  /** Settings from flags, environment, the project's weft.config.yaml, profile and defaults. */
  config(): Promise<Config> {
    this.#config ??= this.#loadConfig();
    return this.#config;
  }

  async #loadConfig(): Promise<Config> {
    const { redisUrl } = this.#globals;
    const flags = redisUrl === undefined || redisUrl === "" ? {} : { "redis.url": redisUrl };
    // Loaded on demand: most commands that fail early do not need it.
    const { loadConfig } = await import("../runtime/config/index.js");
    return await loadConfig({ env: this.io.env, folder: this.root, flags });
  }

  /** Wraps a command's action: reads the global options first and stores the exit code. */
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

  /** Prints the result: `data` and `warnings` as JSON for programs, or text with the warnings as notes for people. */
  result(data: unknown, text: () => string, warnings: readonly string[] = []): void {
    const output = this.json ? printableJson({ v: 1, data, warnings }, 2) : text();
    if (output !== "") this.io.stdout.write(output.endsWith("\n") ? output : `${output}\n`);
    if (!this.json) for (const warning of warnings) this.note(warning);
  }

  /** A page of a list: with nothing on it, there may still be more than one call looks at. */
  page(
    page: { readonly next?: string },
    items: readonly unknown[],
    table: () => string,
  ): "empty" | "listed" | "unfinished" {
    const { next } = page;
    const isUnfinished = items.length === 0 && next !== undefined;
    this.result(
      page,
      () => (items.length === 0 ? "" : table()),
      isUnfinished ? [`none among those that one call looks at; more: add --cursor ${next}`] : [],
    );
    if (isUnfinished) return "unfinished";
    if (next !== undefined && !this.json) this.note(`more: add --cursor ${next}`);
    return items.length === 0 ? "empty" : "listed";
  }

  /** Prints a progress line to stderr; never part of the result. */
  note(line: string): void {
    this.io.stderr.write(`${line}\n`);
  }

  /** The configured address, else the project's own dev server while it runs, else the default port. */
  async redisUrl(): Promise<string> {
    const config = await this.config();
    const named = config.said("redis.url");
    if (named !== undefined) {
      const { checkedUrl } = await import("./redis/reach.js");
      return checkedUrl(named);
    }
    const { findDevRedis } = await import("./redis/index.js");
    return (await findDevRedis(this.root)) ?? String(config.setting("redis.url").value);
  }

  /** The configured number of shards; `undefined` means the number that is stored in Redis. */
  async saidShards(): Promise<number | undefined> {
    return (await this.config()).said("redis.shards");
  }

  /** Prefix of every key; workers read the same configuration, so both use the same keys. */
  async prefix(): Promise<string> {
    return String((await this.config()).setting("redis.prefix").value);
  }
}
