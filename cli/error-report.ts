/** Turns any error into a report: what was expected, what was found, what to do, and the exit code. */
import { CliError, codeOf, messageOf } from "./errors.js";
import { EXIT, type ExitCode } from "./exit-codes.js";
import type { Io } from "./io.js";
import { chooseColors } from "./output/colors.js";
import { maskUrls } from "./output/mask.js";
import { printableJson, printableLines } from "./output/sanitize.js";
import { packageRoot } from "./project.js";
import type { ErrorCode } from "../runtime/errors.js";

/**
 * Exit codes of runtime errors, by error code. `instanceof` would fail, because generated code may load its
 * own copy of the runtime.
 */
const EXIT_BY_CODE: Readonly<Record<ErrorCode, ExitCode>> = {
  Closed: EXIT.failed,
  Draining: EXIT.conflict,
  DurabilityNotReached: EXIT.redisUnreachable,
  EventUnknown: EXIT.notFound,
  IdConflict: EXIT.conflict,
  JobCancelled: EXIT.jobFailed,
  JobDead: EXIT.jobFailed,
  RunCancelled: EXIT.jobFailed,
  RunFailed: EXIT.jobFailed,
  RunNotFound: EXIT.notFound,
  JobNotFound: EXIT.notFound,
  NotConnected: EXIT.failed,
  OptionInvalid: EXIT.usage,
  OutcomeUnknown: EXIT.redisUnreachable,
  PayloadInvalid: EXIT.usage,
  ProtocolUnknown: EXIT.redisUnreachable,
  ShardsDiffer: EXIT.redisUnreachable,
  QueueUnknown: EXIT.notFound,
  QueueFull: EXIT.redisUnreachable,
  RedisFull: EXIT.redisUnreachable,
  RedisRefused: EXIT.redisUnreachable,
  RedisUnavailable: EXIT.redisUnreachable,
  RedisUnsuitable: EXIT.redisUnreachable,
  ResultNotKept: EXIT.jobFailed,
  ScheduleUnknown: EXIT.notFound,
  StateConflict: EXIT.conflict,
  TaskUnknown: EXIT.notFound,
  TimedOut: EXIT.jobFailed,
};

interface ErrorReport {
  readonly code: string;
  readonly message: string;
  readonly fix?: string;
  /** The job that the error is about, if the runtime names one. */
  readonly jobId?: string;
  readonly exitCode: ExitCode;
  /** Only set for unexpected errors. */
  readonly stack?: string;
}

/** Prints the error and returns the exit code. With `--json` the error is the only document on stdout. */
export function reportError(error: unknown, io: Io, json: boolean): ExitCode {
  const report = describeError(error);
  const { exitCode, code, message, fix, jobId, stack } = report;
  if (json) {
    io.stdout.write(`${printableJson({ v: 1, error: { code, message, fix, jobId } }, 2)}\n`);
    return exitCode;
  }
  const colors = chooseColors(io.stderr, io.env, true);
  io.stderr.write(`${colors.red("error")} ${colors.bold(code)}: ${message}\n`);
  if (fix !== undefined) io.stderr.write(`  ${fix}\n`);
  if (stack !== undefined) io.stderr.write(`${colors.dim(stack)}\n`);
  return exitCode;
}

/** Code, text and exit code of any thrown value, without passwords or control characters. */
export function describeError(error: unknown): ErrorReport {
  if (error instanceof CliError) {
    const report = { code: error.code, message: safe(error.message), exitCode: error.exitCode };
    // The fix is not masked: it shows how to write an address with a password and never contains a real one.
    return error.fix === undefined ? report : { ...report, fix: printableLines(error.fix) };
  }
  const code = codeOf(error);
  if (code !== undefined && Object.hasOwn(EXIT_BY_CODE, code)) {
    const known = code as ErrorCode;
    // A runtime message begins with its error code, which is printed separately.
    const message = safe(messageOf(error)).replace(`${known}: `, "");
    const jobId = jobIdOf(error);
    const report = { code: known, message, exitCode: EXIT_BY_CODE[known] };
    return jobId === undefined ? report : { ...report, jobId };
  }
  const fix = code === undefined ? undefined : SYSTEM_FIXES.get(code);
  const report = {
    code: code ?? "Unexpected",
    // A Node message begins with its error code, which is printed separately.
    message: safe(messageOf(error)).replace(`${code}: `, ""),
    ...(fix === undefined ? {} : { fix }),
    exitCode: EXIT.failed,
  };
  const frames = error instanceof Error ? stackFrames(error) : "";
  // Who is told what to do needs no stack, unless the project's own code met the error: then it says where.
  return frames === "" || (fix !== undefined && !isOfProject(frames)) ? report : { ...report, stack: frames };
}

function jobIdOf(error: unknown): string | undefined {
  if (typeof error !== "object" || error === null || !("jobId" in error)) return undefined;
  return typeof error.jobId === "string" ? error.jobId : undefined;
}

/** Fixes for file system errors. */
const SYSTEM_FIXES: ReadonlyMap<string, string> = new Map([
  ["EACCES", "give this user the right to read and write there"],
  ["EISDIR", "name a file, not a folder"],
  ["ENOTDIR", "name a folder, not a file"],
  ["EPERM", "give this user the right to read and write there"],
  ["EROFS", "that disk is read-only: use a folder that can be written"],
]);

function stackFrames(error: Error): string {
  const stack = error.stack ?? "";
  const at = stack.indexOf("\n    at ");
  return at < 0 ? "" : safe(stack.slice(at + 1));
}

function isOfProject(frames: string): boolean {
  const own = packageRoot();
  return frames
    .split("\n")
    .filter((line) => /:\d+:\d+\)?$/.test(line))
    .some((line) => !/node:|[/\\]node_modules[/\\]/.test(line) && !line.includes(own));
}

function safe(text: string): string {
  return printableLines(maskUrls(text));
}
