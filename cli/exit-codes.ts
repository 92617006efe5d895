/** What `weft` ends with. Scripts depend on these numbers: add, never renumber. Documented in docs/cli.md. */
export const EXIT = {
  ok: 0,
  /** The command ran and the answer is no: definition errors, findings of `doctor`, a handler that cannot be loaded. */
  failed: 1,
  /** Wrong command line: unknown option, missing argument, a confirmation that was not given. */
  usage: 2,
  /** `codegen --check`: the generated code is not what the definitions say. */
  stale: 3,
  /** No such job, queue or task. */
  notFound: 4,
  /** The thing exists, but its state forbids the operation. */
  conflict: 5,
  /** Redis cannot be reached, or refused. */
  redisUnreachable: 6,
  /** `enqueue --wait`: the job ended dead or cancelled, or did not end in time. `drain --wait`: not in time, or Ctrl-C. */
  jobFailed: 7,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];
