/** `weft dev`: Redis, code generation on save and a worker on the latest valid code, in one terminal. */
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import type { Command } from "commander";
import { DevServer } from "../dev/dev-server.js";
import { CliError } from "../errors.js";
import { EXIT, type ExitCode } from "../exit-codes.js";
import { whenAborted } from "../io.js";
import { programFile } from "../project.js";
import { openDevRedis } from "../redis/index.js";
import type { Session } from "../session.js";

interface DevOptions {
  readonly run?: string;
}

export function configure(command: Command, session: Session): void {
  command
    .option("--run <file>", "also run this file once (a producer, an API server) with TASKWEFT_REDIS_URL set")
    .addHelpText("after", "\nCtrl-C shuts down gracefully; a second Ctrl-C stops at once.")
    .action(session.action((options: DevOptions) => dev(options, session)));
}

async function dev(options: DevOptions, session: Session): Promise<ExitCode> {
  const { root } = session;
  assertProject(root);
  const program = options.run === undefined ? undefined : existing(resolve(session.io.cwd, options.run));
  const interrupted = session.io.interrupted();
  const config = await session.config();
  const named = config.said("redis.url");
  const redis = await openDevRedis({
    root,
    env: session.io.env,
    ...(named === undefined ? {} : { url: named }),
  });
  const server = new DevServer({ root, redis, config, program, main: programFile(), session });
  try {
    await server.start();
    await whenAborted(interrupted);
  } finally {
    await server.close();
    await redis.stop();
  }
  return EXIT.ok;
}

function assertProject(root: string): void {
  if (existsSync(join(root, "tasks"))) return;
  throw new CliError("NoProject", `expected a tasks/ folder in ${root} or above, found none`, {
    exitCode: EXIT.usage,
    fix: "make a project with: weft init",
  });
}

function existing(file: string): string {
  if (existsSync(file)) return file;
  throw new CliError("RunMissing", `expected a file at --run ${file}, found none`, { exitCode: EXIT.usage });
}
