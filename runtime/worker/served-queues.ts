/**
 * The queues that a worker serves: all of its definitions, or those that it is told to. These may be queues that only Redis knows: a deploy
 * that removes a queue leaves jobs in it, and steps of runs that began before go on coming there.
 */
import { toTaskweftError, unlessFull } from "../connection/index.js";
import type { QueueDefinition } from "../definition/index.js";
import { TaskweftError } from "../errors.js";
import { optionInvalid } from "../option-values.js";
import { knownQueues } from "./reaper.js";
import type { Home } from "./worker-part.js";

type Queues = readonly QueueDefinition[];

/** Of a queue that the definitions lack: it was they who said how it shares slots with others. */
const WEIGHT_OF_OTHERS = 1;

/** Default: all of the definitions. @throws TaskweftError `OptionInvalid` where it is none. */
export function servedQueues(names: readonly string[] | undefined, defined: Queues): Queues {
  if (names === undefined) return defined;
  if (names.length === 0) throw optionInvalid("queues", `at least one of ${listOf(defined)}`, names);
  return [...new Set(names)].map(
    (name) => defined.find((queue) => queue.name === name) ?? { name, weight: WEIGHT_OF_OTHERS },
  );
}

/**
 * One shard that knows a queue is enough: producers tell those to which they send. While one is away the others may know it.
 * @throws TaskweftError `OptionInvalid` for a queue that neither the definitions nor these shards know; and what Redis refuses.
 */
export async function assertKnown(served: Queues, defined: Queues, shards: readonly Home[]): Promise<void> {
  const known = new Set(defined.map(({ name }) => name));
  const missing = new Set(served.map(({ name }) => name).filter((name) => !known.has(name)));
  const look = async ({ connection, keys }: Home): Promise<void> => {
    for (const name of await knownQueues(connection, keys)) {
      known.add(name);
      missing.delete(name);
    }
    const [name] = missing;
    if (name === undefined) return;
    const expected = `queues of the definitions or of Redis (${[...known].toSorted().join(", ")})`;
    throw optionInvalid("queues", expected, name);
  };
  if (missing.size === 0) return;
  try {
    await Promise.any(shards.map(look));
  } catch (error) {
    const { errors } = error as AggregateError;
    const refused: unknown = errors.find((one) => !(one instanceof TaskweftError));
    throw refused === undefined ? errors.at(-1) : toTaskweftError(refused, "start");
  }
}

/** Tools and other workers learn of them. Those that the definitions lack stand there, with the weight that they had. */
export async function declareQueues(
  home: Home,
  served: Queues,
  defined: Queues,
  known: () => Promise<void> = () => assertKnown(served, defined, [home]),
): Promise<void> {
  await known();
  const weights = served
    .filter((queue) => defined.includes(queue))
    .flatMap(({ name, weight }) => [`queue:${name}`, weight]);
  const { connection, keys } = home;
  if (weights.length > 0) await unlessFull(connection.redis.hset(keys.meta, ...weights));
}

function listOf(queues: Queues): string {
  return queues.map(({ name }) => name).join(", ");
}
