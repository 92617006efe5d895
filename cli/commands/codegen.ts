/**
 * `weft codegen`: generates `generated/` from the definitions, once or on every save, or checks that it is up
 * to date.
 */
import { Option, type Command } from "commander";
import type { GenerateResult } from "../../codegen/index.js";
import { EXIT, type ExitCode } from "../exit-codes.js";
import { whenAborted } from "../io.js";
import { formatResult } from "../output/codegen-result.js";
import { printableJson } from "../output/sanitize.js";
import type { Session } from "../session.js";
import { CliError } from "../errors.js";

const FORMATS = ["text", "json", "github"] as const;

interface CodegenOptions {
  readonly check?: boolean;
  readonly watch?: boolean;
  readonly format: (typeof FORMATS)[number];
}

export function configure(command: Command, session: Session): void {
  command
    .option("--check", "write nothing; exit 3 if generated/ is out of date")
    .option("--watch", "generate again whenever a definition changes, until Ctrl-C")
    .addOption(
      new Option("--format <format>", "how problems are printed; github prints annotations")
        .choices(FORMATS)
        .default("text"),
    )
    .addHelpText("after", "\nExit codes: 0 ok, 1 definition errors, 2 usage, 3 stale (--check).")
    .action(session.action((options: CodegenOptions) => codegen(options, session)));
}

async function codegen(options: CodegenOptions, session: Session): Promise<ExitCode> {
  if (options.check === true && options.watch === true) {
    throw new CliError(
      "OptionsConflict",
      "--check writes nothing and --watch writes on every change: give one of them",
      {
        exitCode: EXIT.usage,
      },
    );
  }
  // The generator is the heaviest part of the package: load it only when needed.
  const generator = await import("../../codegen/index.js");
  if (options.watch !== true) {
    const result = await generator.generate({ root: session.root, check: options.check === true });
    print(result, options, session);
    return exitCodeOf(result);
  }
  const interrupted = session.io.interrupted();
  const watcher = generator.watch({ root: session.root }, (result) => print(result, options, session));
  session.note(`watching ${session.root}, Ctrl-C ends`);
  await whenAborted(interrupted);
  await watcher.close();
  return EXIT.ok;
}

function print(result: GenerateResult, options: CodegenOptions, session: Session): void {
  if (session.json || options.format === "json") {
    const document = { v: 1, data: result, warnings: [] };
    // While watching, print one document per line; otherwise one indented document, which people can read
    // too.
    const indent = options.watch === true ? undefined : 2;
    session.io.stdout.write(`${printableJson(document, indent)}\n`);
    return;
  }
  session.io.stdout.write(
    formatResult(result, options.format === "github" ? "github" : "text", session.colors("stdout")),
  );
}

function exitCodeOf(result: GenerateResult): ExitCode {
  switch (result.status) {
    case "ok":
      return EXIT.ok;
    case "invalid":
      return EXIT.failed;
    case "stale":
      return EXIT.stale;
  }
}
