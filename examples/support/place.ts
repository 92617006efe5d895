/**
 * What runs the examples: worker processes that can be killed, and an operator. None of it belongs to the projects
 * beside it; a project of yours needs nothing of it.
 */

/** Where an example runs. */
export interface Place {
  /** Folder of the example. */
  readonly root: string;
  /** Where its processes write what they print. */
  readonly logs: string;
  readonly redisUrl: string;
}

/** What `npm run example` gives to `runExample` of an example. */
export interface ExampleRun extends Place {
  /** What was typed behind its name. */
  readonly args: readonly string[];
}

/** Settles as true once the condition holds, as false when it did not for `longestMs`. */
export async function eventually(
  condition: () => Promise<boolean> | boolean,
  longestMs: number,
): Promise<boolean> {
  const end = performance.now() + longestMs;
  while (!(await condition())) {
    if (performance.now() > end) return false;
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
  }
  return true;
}

const LOOK_EVERY_MS = 20;

/** A whole number behind `--name` among the arguments. @throws Error that says what was expected. */
export function numberArgument(args: readonly string[], name: string, otherwise: number): number {
  const at = args.indexOf(`--${name}`);
  if (at < 0) return otherwise;
  const value = Number(args[at + 1]);
  if (Number.isInteger(value) && value > 0) return value;
  throw new Error(`--${name}: expected a whole number above 0, got ${JSON.stringify(args[at + 1])}`);
}
