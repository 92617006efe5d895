/** What is left of the error of a run where the messages in it must not be shown. */

/**
 * Which step failed, and the name of its error; where the step is a run, the same of that. `undefined` where it is no failure of a step.
 */
export function withoutMessages(error: string): string | undefined {
  return /^(?:step \S+ failed: (?:item \d+: )?RunFailed: \S+: )*step \S+ failed: (?:item \d+: )?[\w$]+(?=:)/.exec(
    error,
  )?.[0];
}

/** Messages repeat what payloads hold, and a list reads no payloads: only what cannot hold any is left. */
export function nameOfError(error: string): string {
  return withoutMessages(error) ?? error.replace(/: .*$/s, "");
}
