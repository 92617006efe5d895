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

/** Something that was typed cannot be meant; told without a stack. */
class ArgumentError extends Error {
  override readonly name = "ArgumentError";
}

/** The whole numbers behind `--name` among the arguments, else those of `otherwise`. @throws ArgumentError */
export function numberArguments<Name extends string>(
  args: readonly string[],
  otherwise: Readonly<Record<Name, number>>,
): Readonly<Record<Name, number>> {
  const numbers = new Map<string, number>(Object.entries(otherwise));
  for (let at = 0; at < args.length; at += 2) {
    const name = args[at]!.replace(/^--/, "");
    if (!args[at]!.startsWith("--") || !numbers.has(name)) {
      const known = Object.entries(otherwise).map(([one, number]) => `--${one} ${String(number)}`);
      throw new ArgumentError(
        `expected options such as ${known.join(", ")}, got ${JSON.stringify(args[at])}`,
      );
    }
    const value = Number(args[at + 1]);
    if (!Number.isInteger(value) || value <= 0)
      throw new ArgumentError(
        `--${name}: expected a whole number above 0, got ${JSON.stringify(args[at + 1])}`,
      );
    numbers.set(name, value);
  }
  return Object.fromEntries(numbers) as Record<Name, number>;
}
