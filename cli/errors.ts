import type { ExitCode } from "./exit-codes.js";

export interface CliErrorOptions {
  readonly exitCode: ExitCode;
  /** The user's next step; printed on its own line. */
  readonly fix?: string;
  readonly cause?: unknown;
}

/** An expected failure of a command: printed without a stack trace; the process ends with its exit code. */
export class CliError extends Error {
  override readonly name = "CliError";
  /** A stable code for programs that read `--json`. */
  readonly code: string;
  readonly exitCode: ExitCode;
  readonly fix: string | undefined;

  constructor(code: string, message: string, options: CliErrorOptions) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.exitCode = options.exitCode;
    this.fix = options.fix;
  }
}

/** The message of any thrown value. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The `code` that Node and taskweft put on their errors, if there is one. */
export function codeOf(error: unknown): string | undefined {
  if (typeof error !== "object" || error === null || !("code" in error)) return undefined;
  return typeof error.code === "string" ? error.code : undefined;
}
