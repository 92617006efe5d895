/**
 * The queues that a worker serves: all of its definitions, or those that it is told to. These may be queues that only Redis knows: a deploy
 * that removes a queue leaves jobs in it, and steps of runs that began before go on coming there.
 */
import { toTaskweftError, unlessFull } from "../connection/index.js";
import type { QueueDefinition } from "../definition/index.js";
import { TaskweftError } from "../errors.js";
import { optionInvalid } from "../option-values.js";
import { knownQueues } from "./reaper.js";
import type { Logger } from "./handler.js";
import type { Home } from "./worker-part.js";

type Queues = readonly QueueDefinition[];

/** Of a queue that the definitions lack: it was they who said how it shares slots with others. */
const WEIGHT_OF_OTHERS = 1;
/** After so long without an answer of a shard the log tells for what a worker waits (ms). */
const PATIENCE_MS = 5000;

/** Default: all of the definitions. @throws TaskweftError `OptionInvalid` where it is none. */
export function servedQueues(names: readonly string[] | undefined, defined: Queues): Queues {
  if (names === undefined) return defined;
  if (names.length === 0) throw optionInvalid("queues", `at least one of ${listOf(defined)}`, names);
  return [...new Set(names)].map(
    (name) => defined.find((queue) => queue.name === name) ?? { name, weight: WEIGHT_OF_OTHERS },
  );
}

/**
 * One shard that knows a queue is enough: producers tell those to which they send. While one is away the others may know it; where they
 * do not, the one that is away is waited for, and the log says so.
 * @throws TaskweftError `OptionInvalid` for a queue that neither the definitions nor these shards know; and what Redis refuses.
 */
export async function assertKnown(
  served: Queues,
  defined: Queues,
  shards: readonly Home[],
  logger: Logger,
  patienceMs = PATIENCE_MS,
): Promise<void> {
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
  const patience = setTimeout(() => {
    const hint = "start the shard that is away, or leave the queue out";
    logger.warn("no shard that answers knows a queue that is to be served", { queue: [...missing][0], hint });
  }, patienceMs).unref();
  try {
    await Promise.any(shards.map(look));
  } catch (error) {
    const { errors } = error as AggregateError;
    const refused: unknown = errors.find((one) => !(one instanceof TaskweftError));
    throw refused === undefined ? errors.at(-1) : toTaskweftError(refused, "start");
  } finally {
    clearTimeout(patience);
  }
}

/** Tools and other workers learn of them. Those that the definitions lack stand there, with the weight that they had. */
export async function declareQueues(
  home: Home,
  { queues: served, logger }: { readonly queues: Queues; readonly logger: Logger },
  defined: Queues,
  known = (): Promise<void> => assertKnown(served, defined, [home], logger),
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
