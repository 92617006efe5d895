/**
 * Exit codes of `weft`. Scripts depend on these numbers: add new ones, never renumber. Documented in
 * docs/cli.md.
 */
export const EXIT = {
  ok: 0,
  /**
   * The command ran and found a problem: definition errors, findings of `doctor`, a handler that cannot be
   * loaded.
   */
  failed: 1,
  /** Wrong usage: unknown option, missing argument, missing confirmation. */
  usage: 2,
  /** `codegen --check`: the generated code is out of date. */
  stale: 3,
  /** No such job, queue or task. */
  notFound: 4,
  /** The state of the job, queue or file forbids the operation. */
  conflict: 5,
  /** Redis cannot be reached, or refused the command. */
  redisUnreachable: 6,
  /**
   * `enqueue --wait`: the job ended dead or cancelled, or the wait timed out. `drain --wait`: the wait timed out
   * or was ended by Ctrl-C.
   */
  jobFailed: 7,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];
