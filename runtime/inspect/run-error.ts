/** Reduces the error of a run to what may be shown if its messages may not. */

/**
 * The failed step and the name of its error; for a child run, recursively. `undefined` if the error is not
 * that of a step.
 */
export function withoutMessages(error: string): string | undefined {
  return /^(?:step \S+ failed: (?:item \d+: )?RunFailed: \S+: )*step \S+ failed: (?:item \d+: )?[\w$]+(?=:)/.exec(
    error,
  )?.[0];
}

/** For lists, which read no payloads: removes messages, which may repeat payload values. */
export function nameOfError(error: string): string {
  return withoutMessages(error) ?? error.replace(/: .*$/s, "");
}
