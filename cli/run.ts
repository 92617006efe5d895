/** Runs a command line and returns the exit code. */
import type { Command, CommanderError } from "commander";
import { COMMANDS } from "./commands.js";
import { reportError } from "./error-report.js";
import { CliError } from "./errors.js";
import { EXIT, type ExitCode } from "./exit-codes.js";
import type { Io } from "./io.js";
import { packageVersion } from "./project.js";

/** Runs one command and resolves to its exit code; never rejects because the command failed. */
export async function run(argv: readonly string[], io: Io): Promise<ExitCode> {
  if (argv.length === 1 && (argv[0] === "--version" || argv[0] === "-V")) {
    io.stdout.write(`${packageVersion()}\n`);
    return EXIT.ok;
  }
  try {
    return await dispatch(helpAsOption(argv), io);
  } catch (error) {
    return reportError(error, io, asksForJson(argv));
  }
}

async function dispatch(argv: readonly string[], io: Io): Promise<ExitCode> {
  const [{ Command, CommanderError }, { Session }] = await Promise.all([
    import("commander"),
    import("./session.js"),
  ]);
  const session = new Session(io);
  const program = addGlobalOptions(new Command("weft"))
    .description("Schema-first background jobs: definitions in YAML, typed code, Redis underneath.")
    .version(packageVersion())
    .helpCommand(false)
    .exitOverride()
    .configureOutput({
      writeOut: (text) => io.stdout.write(text),
      writeErr: (text) => io.stderr.write(text),
      getOutHelpWidth: () => io.stdout.columns ?? 100,
      getErrHelpWidth: () => io.stderr.columns ?? 100,
    })
    .showHelpAfterError("(add --help for the options)");
  for (const [name, { summary }] of Object.entries(COMMANDS)) {
    // `addCommand` does not inherit the program's settings for output and exit, unlike `command`.
    program.addCommand(new Command(name).copyInheritedSettings(program).description(summary));
  }
  program.hook("preSubcommand", async (_program, command) => {
    const entry = COMMANDS[command.name()];
    if (entry === undefined) return;
    (await entry.load()).configure(command, session);
    for (const leaf of leavesOf(command)) addGlobalOptions(leaf);
  });
  try {
    await program.parseAsync(argv, { from: "user" });
    return session.exitCode;
  } catch (error) {
    // Commander has already printed the usage error; --help and --version end here too.
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0 || argv.length === 0) return EXIT.ok;
    if (asksForJson(argv)) reportError(usageError(error), io, true);
    return EXIT.usage;
  }
}

/** Also where the command line could not be understood. */
function asksForJson(argv: readonly string[]): boolean {
  return argv.some(
    (word, index) =>
      word === "--json" || word === "--format=json" || (word === "json" && argv[index - 1] === "--format"),
  );
}

/** For whoever reads the one document on stdout. */
function usageError({ code, message }: CommanderError): CliError {
  const text = code === "commander.help" ? "a command is missing" : message.replace(/^error: /, "");
  return new CliError("CommandLineInvalid", text, {
    exitCode: EXIT.usage,
    fix: "add --help for the options",
  });
}

/** The commands that have an action: the verbs of `jobs`, but `worker` itself. */
function leavesOf(command: Command): readonly Command[] {
  return command.commands.length === 0 ? [command] : command.commands.flatMap(leavesOf);
}

/**
 * Global options are accepted before and after the command's name, because people write them in both places.
 */
function addGlobalOptions(command: Command): Command {
  return command
    .option("--json", "print the result as one JSON document")
    .option("--no-color", "no colours (also: NO_COLOR=1)")
    .option(
      "--redis-url <url>",
      "Redis to use (default: TASKWEFT_REDIS_URL, weft.config.yaml, the running dev server, port 6379)",
    );
}

/**
 * `weft help jobs` -> `weft jobs --help`. Commander's own help would not load the command's module. An
 * unknown command keeps its error, for which `--help` would print the list of commands instead.
 */
function helpAsOption(argv: readonly string[]): readonly string[] {
  const [first, ...asked] = argv;
  if (first !== "help") return argv;
  const [name = "--help"] = asked;
  return name.startsWith("-") || Object.hasOwn(COMMANDS, name) ? [...asked, "--help"] : asked;
}
